//! The listeners, one for each port, and the services behind them.
//!
//! A packet comes in at [`listen`], is parsed by `netbootd_dhcp`, decided by `pxe_policy` through
//! [`services`], and leaves one event of `netbootd_telemetry`. [`address_server`] and [`address_server6`]
//! lease addresses, [`netboot_server`] answers Macs, [`limits`] bounds what a stranger may have,
//! [`findings`] follows what is wrong with machines, for metrics and for [`webhook`];
//! [`scrub`] reads the image store again, [`what_if`] decides without a packet.

pub mod address_server;
pub mod address_server6;
pub mod findings;
pub mod limits;
pub mod listen;
pub mod netboot_server;
pub mod scrub;
pub mod services;
pub mod webhook;
pub mod what_if;
