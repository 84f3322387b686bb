//! The sockets: one file a port. A listener receives, asks, sends and records; it knows no protocol.

pub mod dhcp;
pub mod http;
pub mod pxe;
pub mod tftp;
