//! DHCPv6 as netbootd speaks it (RFC 8415, and RFC 5970 for booting): bytes in, bytes and a
//! destination out.
//!
//! [`guard`] makes a [`Packet`] of hostile bytes, relays peeled off; [`intake`] a `BootRequest` of
//! a packet. [`proxy`] answers beside a server that gives the addresses, [`server`] gives them
//! itself; [`boot_info`] fills in what firmware needs, [`reply`] writes the bytes and wraps them
//! for the relays again. None of it touches a socket.

pub mod answer;
pub mod boot_info;
pub mod duid;
pub mod guard;
pub mod intake;
pub mod option;
pub mod proxy;
pub mod reply;
pub mod server;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use answer::{Answer, Reply};
pub use duid::Duid;
pub use guard::{Malformed, Packet};
pub use intake::Arrival;
