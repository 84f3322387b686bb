//! The network-boot daemon.
