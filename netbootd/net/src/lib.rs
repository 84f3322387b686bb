//! The network of the host: interfaces, UDP sockets, raw frames, next hops and TLS roots.
//!
//! [`udp`] and [`shared`] receive and send datagrams, [`outbox`] sends replies at once or drops
//! them, [`neighbours`] knows which next hops answer, [`flood_filter`] filters a port in the kernel
//! during a flood. [`interfaces`] follows the host's interfaces; [`frame`] and [`arp`] speak
//! Ethernet. [`tls`] trusts the authorities that directories are verified with. [`Secret`] keeps
//! passwords and keys out of logs. [`heartbeat`] notices a listener that hangs, and [`with_causes`]
//! prints an error. Where Linux and Windows differ there are siblings, `unix.rs` and `windows.rs`.

#[cfg_attr(unix, path = "arp/unix.rs")]
#[cfg_attr(windows, path = "arp/windows.rs")]
pub mod arp;
pub mod bounded;
#[cfg_attr(unix, path = "dhcp_senders/unix.rs")]
#[cfg_attr(windows, path = "dhcp_senders/windows.rs")]
pub mod dhcp_senders;
pub mod flood_filter;
#[cfg_attr(unix, path = "frame/unix.rs")]
#[cfg_attr(windows, path = "frame/windows.rs")]
pub mod frame;
pub mod heartbeat;
pub mod iface;
pub mod interfaces;
pub mod neighbours;
pub mod os;
pub mod outbox;
mod secret;
pub mod server_tls;
pub mod shared;
pub mod tls;
pub mod udp;

pub use pxe_policy::with_causes;
pub use secret::Secret;
