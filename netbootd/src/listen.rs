//! The sockets: one file a port, and one for operators. A listener receives, asks, sends and records; it knows no protocol.

pub mod control;
pub mod dhcp;
pub mod dhcp6;
mod events;
pub mod http;
pub mod others;
mod port;
pub mod pxe;
mod stall;
pub mod status;
pub mod tftp;
