//! Sockets and interfaces: everything that asks the kernel about the network.

#[cfg_attr(windows, path = "platform/windows/arp.rs")]
pub mod arp;
#[cfg_attr(windows, path = "platform/windows/frame.rs")]
pub mod frame;
pub mod iface;
pub mod interfaces;
pub mod junk;
pub mod neighbours;
pub mod outbox;
pub mod shared;
pub mod udp;
