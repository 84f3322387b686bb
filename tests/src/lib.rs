//! The laboratory: private networks, real firmware and real clients.
//!
//! A test makes a [`Lab`] of network namespaces, starts netbootd and foreign servers in them,
//! switches machines on ([`Machine`]) and waits for words on their consoles. Everything ends with
//! the values that own it.

pub mod admin_service;
pub mod arm64;
pub mod asker;
pub mod boot_case;
pub mod boot_program;
pub mod browser;
pub mod certificate;
pub mod chaos;
pub mod classroom;
pub mod cluster;
pub mod debian;
pub mod dhcp_client;
pub mod directory_site;
pub mod domain;
pub mod findings;
pub mod firmware;
pub mod fleet;
pub mod foreign;
pub mod hook;
pub mod ipv6;
pub mod lab;
pub mod loaders;
pub mod lossy_link;
pub mod mac;
pub mod netbootd;
pub mod object_storage;
pub mod operator;
pub mod payload;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod qemu;
pub mod relayed;
pub mod relayed6;
pub mod responder;
pub mod secure_boot;
pub mod slapd;
pub mod spoof;
pub mod store;
pub mod tutorial;
pub mod wait;
pub mod wine;

pub use admin_service::AdminService;
pub use certificate::Authority;
pub use debian::Debian;
pub use dhcp_client::DhcpClient;
pub use directory_site::DirectorySite;
pub use domain::Domain;
pub use foreign::{DhcpServer, Relay};
pub use ipv6::Relay6;
pub use lab::Lab;
pub use netbootd::Netbootd;
pub use object_storage::ObjectStorage;
pub use postgres::Postgres;
pub use process::Process;
pub use qemu::{Firmware, Machine};
pub use responder::Responder;
pub use slapd::Slapd;
