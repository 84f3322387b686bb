//! The network-boot daemon: sockets, configuration and records around the pure crates.

pub mod dhcp;
pub mod event;
pub mod machines;
pub mod net;
