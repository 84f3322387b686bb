//! The laboratory: private networks and real clients.
