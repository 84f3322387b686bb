//! The network-boot daemon: sockets, configuration and records around the pure crates.
//!
//! A packet comes in at [`listen`], is parsed and answered by [`netbootd_dhcp`], decided by `pxe_policy` through [`services`], and leaves
//! one event of [`netbootd_telemetry`]. Files are looked up by [`netbootd_content`], addresses come from [`address_server`]; what must survive is in `netbootd_state`.

pub mod address_server;
pub mod address_server6;
pub mod api;
pub mod cli;
#[cfg_attr(windows, path = "platform/windows/confine.rs")]
pub mod confine;
pub mod console;
pub mod limits;
pub mod listen;
pub mod logging;
pub mod netboot_server;
pub mod page;
pub mod platform;
pub mod probe;
pub mod reload;
pub mod scrub;
pub mod serve;
pub mod services;
#[cfg_attr(windows, path = "platform/windows/manager.rs")]
pub mod systemd;
pub mod what_if;
