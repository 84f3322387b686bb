//! The bodies of the fuzz targets. The targets of `fuzz/` are one call each into here, and the test
//! of this package makes the same calls with every seed and with seeded mutations of them, on the
//! stable compiler.
//!
//! A body never fails for what it is given: it panics when netbootd does, or when what was read,
//! written and read again is another thing. All of them are free of sockets; [`config`] looks at
//! files, because a configuration names some, and [`wim_image`] makes one, because wimlib opens
//! paths.

mod dhcp;
mod dhcp6;
mod http;
mod images;
mod macs;
mod medium;
mod options;
mod reports;
mod settings;
mod site;
mod split;
mod tftp;
mod transfer;
mod wim_image;
mod wim_program;

pub use dhcp::{dhcp_packet, dhcp_reply};
pub use dhcp6::dhcp6_packet;
pub use http::{boot_path, http_request};
pub use images::{boot_program, library_ini, program_header, wim_listing};
pub use macs::{bsdp, nbi_info};
pub use medium::medium;
pub use options::{option43, wds_options};
pub use reports::{report, syslog};
pub use settings::{config, device_file};
pub use site::{admin_service, smspxe};
pub use tftp::{tftp_packet, tftp_receiver, tftp_sender};
pub use transfer::tftp_transfer;
pub use wim_image::wim_image;
pub use wim_program::{Observer, wim_program, wim_program_observed};

/// One fuzz target: its name and its body.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: of its file in `fuzz_targets`, of its folder in `seeds`.
    pub name: &'static str,
    /// The function that takes one input.
    pub body: fn(&[u8]),
    /// How many mutations of its seeds the test tries.
    pub mutations: usize,
}

/// Every fuzz target, by name.
pub const TARGETS: &[Target] = &[
    Target { name: "dhcp_packet", body: dhcp_packet, mutations: MANY },
    Target { name: "dhcp_reply", body: dhcp_reply, mutations: MANY },
    Target { name: "dhcp6_packet", body: dhcp6_packet, mutations: MANY },
    Target { name: "option43", body: option43, mutations: MANY },
    Target { name: "wds_options", body: wds_options, mutations: MANY },
    Target { name: "bsdp", body: bsdp, mutations: MANY },
    Target { name: "nbi_info", body: nbi_info, mutations: MANY },
    Target { name: "tftp_packet", body: tftp_packet, mutations: MANY },
    Target { name: "tftp_sender", body: tftp_sender, mutations: MANY },
    Target { name: "tftp_receiver", body: tftp_receiver, mutations: MANY },
    Target { name: "tftp_transfer", body: tftp_transfer, mutations: MANY },
    Target { name: "boot_path", body: boot_path, mutations: MANY },
    Target { name: "http_request", body: http_request, mutations: MANY },
    Target { name: "wim_listing", body: wim_listing, mutations: MANY },
    Target { name: "program_header", body: program_header, mutations: MANY },
    Target { name: "boot_program", body: boot_program, mutations: MANY },
    Target { name: "library_ini", body: library_ini, mutations: MANY },
    Target { name: "device_file", body: device_file, mutations: MANY },
    Target { name: "admin_service", body: admin_service, mutations: MANY },
    Target { name: "smspxe", body: smspxe, mutations: MANY },
    Target { name: "report", body: report, mutations: MANY },
    Target { name: "syslog", body: syslog, mutations: MANY },
    // It writes a file.
    Target { name: "medium", body: medium, mutations: FEW },
    // It opens a file, and has it read by a library that allocates much.
    Target { name: "wim_image", body: wim_image, mutations: FEW },
    Target { name: "wim_program", body: wim_program, mutations: FEW },
    // It opens the folders that are named.
    Target { name: "config", body: config, mutations: FEW },
];

const MANY: usize = 20_000;
const FEW: usize = 1_000;
