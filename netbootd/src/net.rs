//! Sockets and interfaces: everything that asks the kernel about the network.

pub mod frame;
pub mod iface;
pub mod interfaces;
pub mod junk;
pub mod shared;
pub mod udp;
