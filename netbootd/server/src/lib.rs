//! The listeners, one for each port, and the services behind them.
//!
//! A packet comes in at [`listen`], is parsed by `netbootd_dhcp`, decided by `pxe_policy` through
//! [`services`], and leaves one event of `netbootd_telemetry`. [`daemon`] holds what operators see
//! and change beside them. [`dhcp_server`] and [`dhcp6_server`]
//! lease addresses, [`bsdp_server`] answers Macs, [`limits`] bounds what a stranger may have,
//! [`findings`] follows what is wrong with machines, for metrics and for [`webhook`];
//! [`scrub`] reads the image store again, [`explain`] decides without a packet,
//! [`https`] holds the certificates of the HTTPS port, [`devices`] changes what operators assigned
//! to machines.

pub mod bsdp_server;
pub mod daemon;
pub mod devices;
pub mod dhcp6_server;
pub mod dhcp_server;
pub mod explain;
pub mod findings;
pub mod https;
pub mod limits;
pub mod listen;
pub mod outages;
pub mod scrub;
pub mod services;
pub mod site;
pub mod webhook;
