//! DHCP as netbootd speaks it: packets become values, and replies become bytes with a destination.
//!
//! Pure: no sockets, no clock, no log, no randomness. [`v4`] answers as a proxy, an address server
//! and a boot server; [`v6`] does it for DHCPv6. [`option43`], [`option243`], [`option250`] and
//! [`option252`] are the codecs of PXE's vendor options and those of the boot programs of WDS and
//! ConfigMgr. [`outcome`] holds what is recorded of each packet. [`Iface`], [`Subnet`] and
//! [`Subnet6`] are the host's interfaces and the networks that the crates above fill in.
#![warn(missing_docs)]

mod iface;
pub mod option243;
pub mod option250;
pub mod option252;
pub mod option43;
pub mod outcome;
mod subnet;
mod tlv;
pub mod v4;
pub mod v6;

pub use iface::Iface;
pub use pxe_policy::SharedError;
pub use subnet::{Reservation, Subnet, Subnet6};
