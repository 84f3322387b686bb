//! The sockets: one file a port. A listener receives, asks, sends and records; it knows no
//! protocol.

pub mod dhcp;
pub mod dhcp6;
pub mod http;
pub mod own_replies;
mod port;
pub mod pxe;
mod request_error;
mod requester;
pub mod rogue_offers;
pub mod stall;
pub mod syslog;
pub mod tftp;
