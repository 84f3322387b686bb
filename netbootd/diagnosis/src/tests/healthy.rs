//! Healthy boots of every kind of client, with what real ones do in between: nothing may be found
//! in any of them, whenever one looks.
//!
//! Seeded: times, retransmissions, duplicates, abandoned requests, searches in vain, and what other
//! servers of the segment say.

mod client;
mod kinds;

use super::*;
use client::Client;

/// Boots of each kind.
const BOOTS: u64 = 200;

fn boots(kind: fn(&mut Client<'_>)) {
    let mut site = Site::new();
    for seed in 0..BOOTS {
        let mut client = Client::switch_on(&mut site, seed);
        kind(&mut client);
        client.afterwards();
    }
}

#[test]
fn pxe_by_bios_and_pxelinux_has_no_finding() {
    boots(kinds::pxelinux);
}

#[test]
fn a_bios_that_loads_ipxe_has_no_finding() {
    boots(kinds::bios_ipxe);
}

#[test]
fn pxe_by_uefi_has_no_finding() {
    boots(kinds::uefi_pxe);
}

#[test]
fn uefi_http_boot_has_no_finding() {
    boots(kinds::uefi_http);
}

#[test]
fn ipxe_from_the_card_or_by_firmware_has_no_finding() {
    boots(kinds::ipxe);
}

#[test]
fn shim_and_grub_have_no_finding() {
    boots(kinds::shim_and_grub);
}

#[test]
fn windows_pe_has_no_finding() {
    boots(kinds::windows_pe);
}

#[test]
fn windows_pe_by_wimboot_has_no_finding() {
    boots(kinds::wimboot);
}

#[test]
fn arm64_firmware_has_no_finding() {
    boots(kinds::arm64);
}

#[test]
fn uboot_has_no_finding() {
    boots(kinds::uboot);
}

#[test]
fn a_raspberry_pi_has_no_finding() {
    boots(kinds::raspberry_pi);
}

#[test]
fn a_mac_has_no_finding() {
    boots(kinds::mac);
}

#[test]
fn pxe_by_uefi_over_ipv6_has_no_finding() {
    boots(kinds::uefi_pxe_ipv6);
}

#[test]
fn uefi_http_boot_over_ipv6_has_no_finding() {
    boots(kinds::uefi_http_ipv6);
}

#[test]
fn ipxe_over_ipv6_has_no_finding() {
    boots(kinds::ipxe_ipv6);
}

#[test]
fn shim_and_grub_over_ipv6_have_no_finding() {
    boots(kinds::shim_and_grub_ipv6);
}

/// A site has all of them at once.
#[test]
fn a_site_of_all_kinds_has_no_finding() {
    let mut site = Site::new();
    for seed in 0..BOOTS {
        let kind = kinds::ALL[seed as usize % kinds::ALL.len()];
        let mut client = Client::switch_on(&mut site, 1_000 + seed);
        kind(&mut client);
        client.afterwards();
    }
}
