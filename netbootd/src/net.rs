//! Sockets and interfaces: everything that asks the kernel about the network.

pub mod frame;
pub mod iface;
pub mod shared;
pub mod udp;
