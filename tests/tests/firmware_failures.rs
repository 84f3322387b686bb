//! Boots of real firmware that fail, each with the cause that the running netbootd names.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::path::Path;
use std::time::Duration;

use netbootd_tests::loaders::{self, IPXE_EFI, PXELINUX, SIGNED, SYSLINUX_EFI};
use netbootd_tests::netbootd::ADDRESSES;
use netbootd_tests::{DhcpServer, Firmware, Lab, Machine, Netbootd, findings, payload};
use serde_json::Value;

const BIOS: Firmware = Firmware::Bios { card: "virtio-net-pci" };
const UNDIONLY: &[(&str, &str)] = &[("/usr/lib/ipxe/undionly.kpxe", "undionly.kpxe")];
/// Silences count earlier than in the field, but not before emulated firmware goes on.
const IMPATIENT: &str = "\n[diagnosis]\npatience = 0.5\n";
const CONFIGURATION: &str = r##"
[[file]]
path = "pxelinux.cfg/*"
template = """
DEFAULT payload
LABEL payload
  KERNEL /vmlinuz
  INITRD /initrd.img
  APPEND {{ text("cmdline.txt") }}
"""

[[file]]
path = "boot.ipxe"
template = """
#!ipxe
kernel {{ http_url }}/vmlinuz initrd=initrd.img {{ text("cmdline.txt") }}
initrd {{ http_url }}/initrd.img
boot
"""
"##;

struct Site {
    lab: Lab,
    netbootd: Netbootd,
    machine: Option<Machine>,
    _dhcp: DhcpServer,
}

impl Site {
    /// netbootd gives the addresses, and every PC the same boot file.
    fn whole(put: impl FnOnce(&Path), rules: &str) -> Self {
        let mut lab = Lab::new();
        let root = Netbootd::prepare(&mut lab);
        loaders::put_payload(&root, &payload::arguments("none"));
        put(&root);
        // iPXE waits for a router.
        let dhcp = DhcpServer::start_router(&mut lab);
        let netbootd = Netbootd::start(&lab, &root, &format!("{ADDRESSES}{rules}{CONFIGURATION}{IMPATIENT}"));
        Site { lab, netbootd, machine: None, _dhcp: dhcp }
    }

    /// Another server gives the addresses.
    fn proxy(dhcp: fn(&mut Lab) -> DhcpServer, put: impl FnOnce(&Path), rules: &str) -> Self {
        let mut lab = Lab::new();
        let root = Netbootd::prepare(&mut lab);
        loaders::put_payload(&root, &payload::arguments("none"));
        put(&root);
        let dhcp = dhcp(&mut lab);
        let netbootd = Netbootd::start(&lab, &root, &format!("{rules}{CONFIGURATION}{IMPATIENT}"));
        Site { lab, netbootd, machine: None, _dhcp: dhcp }
    }

    fn switch_on(&mut self, firmware: Firmware) -> &Machine {
        self.machine = None; // it was on
        self.machine.insert(Machine::start_as(&self.lab, firmware, "br0", 1, None))
    }

    /// The machine's finding, once it is there.
    fn finds(&self, cause: &str) -> Value {
        findings::wait_for(&self.lab, &self.netbootd, self.machine.as_ref().unwrap().mac(), cause)
    }
}

/// One boot file for whichever machine.
fn everybody_gets(file: &str) -> String {
    format!("[[rule]]\nname = \"all\"\naction.boot = {{ file = {file:?}, via = \"tftp\" }}\n")
}

#[test]
fn bios_with_an_efi_program_has_the_wrong_program() {
    let mut site = Site::whole(|root| loaders::put(root, SYSLINUX_EFI), &everybody_gets("syslinux.efi"));
    site.switch_on(BIOS);
    let finding = site.finds("wrong-program");
    assert!(finding["headline"].as_str().unwrap().starts_with("syslinux.efi"), "{finding}");
}

#[test]
fn uefi_with_a_bios_program_has_the_wrong_program() {
    let mut site = Site::whole(|root| loaders::put(root, UNDIONLY), &everybody_gets("undionly.kpxe"));
    site.switch_on(Firmware::UefiPxe);
    let finding = site.finds("wrong-program");
    assert!(finding["evidence"].to_string().contains("x64-uefi"), "{finding}");
}

#[test]
fn pxelinux_without_its_initrd_names_the_file() {
    let put = |root: &Path| {
        loaders::put(root, PXELINUX);
        fs::remove_file(root.join("initrd.img")).unwrap();
    };
    let mut site = Site::whole(put, &everybody_gets("pxelinux.0"));
    site.switch_on(BIOS);
    let finding = site.finds("file-not-found");
    assert!(finding["headline"].as_str().unwrap().contains("initrd.img"), "{finding}");
}

#[test]
fn a_switch_port_with_a_small_mtu_is_told_from_a_closed_port() {
    let mut site = Site::whole(|root| loaders::put(root, SYSLINUX_EFI), &everybody_gets("syslinux.efi"));
    let port = site.switch_on(Firmware::UefiPxe).port().to_owned();
    // A bridge drops what is longer than its port's MTU, without a word, as a tunnel does.
    site.lab.ip_at_switch(&format!("link set {port} mtu 1300"));
    site.finds("mtu-too-small");
}

#[test]
#[ignore = "nightly: firmware asks the closed port for half a minute"]
fn uefi_whose_boot_server_port_is_closed_never_asked_it() {
    let put = |root: &Path| loaders::put(root, SYSLINUX_EFI);
    let mut site = Site::proxy(DhcpServer::start, put, &everybody_gets("syslinux.efi"));
    site.lab.block_udp_port("server", "lan0", 4011);
    site.switch_on(Firmware::UefiPxe);
    let finding = site.finds("no-boot-server-request");
    assert!(finding["evidence"].to_string().contains("from 10.77.0.2"), "{finding}");
}

#[test]
#[ignore = "nightly: firmware asks the other server for half a minute"]
fn a_second_dhcp_server_with_an_old_boot_file_is_named() {
    let dhcp = |lab: &mut Lab| DhcpServer::start_with_boot_file(lab, "old/boot.efi");
    let put = |root: &Path| loaders::put(root, SYSLINUX_EFI);
    let mut site = Site::proxy(dhcp, put, &everybody_gets("syslinux.efi"));
    // The boot file of the DHCP server lies on a host that is not there; port 4011 of this one
    // cannot be asked.
    site.lab.block_udp_port("server", "lan0", 4011);
    site.switch_on(Firmware::UefiPxe);
    let finding = site.finds("another-server");
    assert!(finding["headline"].as_str().unwrap().starts_with("10.77.0.2"), "{finding}");
}

#[test]
#[ignore = "nightly: two boots of shim under Secure Boot"]
fn shim_on_a_machine_that_trusts_other_keys_has_an_untrusted_signer() {
    let mut site = Site::whole(|root| loaders::put(root, SIGNED), &everybody_gets("shimx64.efi"));
    site.switch_on(Firmware::SecureBootOwnKeys);
    let finding = site.finds("signer-not-trusted");
    assert!(finding["headline"].as_str().unwrap().contains("shimx64.efi"), "{finding}");
}

#[test]
#[ignore = "nightly: the port blocks for 40 seconds"]
fn ipxe_behind_a_port_that_blocks_has_a_finding_until_the_port_is_an_edge_port() {
    let rules =
        "[[rule]]\nname = \"script\"\nmatch = { class = \"ipxe\" }\naction.boot = { file = \"boot.ipxe\" }\n";
    let rules = format!("{rules}{}", everybody_gets("ipxe.efi"));
    let put = |root: &Path| {
        loaders::put(root, IPXE_EFI);
        fs::write(root.join("cmdline.txt"), payload::arguments("unblocked")).unwrap();
    };
    let mut site = Site::whole(put, &rules);
    let machine = site.switch_on(Firmware::UefiPxe);
    let port = machine.port().to_owned();
    site.netbootd.wait_for("path=\"ipxe.efi\"", Duration::from_secs(120));
    site.netbootd.logged(&["completed", "ipxe.efi"]);
    // As when iPXE resets the link: listening and learning take 20 s each.
    site.lab.ip_at_switch("link set br0 type bridge stp_state 1 forward_delay 2000");
    site.lab.ip_at_switch(&format!("link set {port} down"));
    site.lab.ip_at_switch(&format!("link set {port} up"));
    let finding = site.finds("port-blocked");
    assert!(finding["headline"].as_str().unwrap().contains("ipxe.efi"), "{finding}");
    // The cure, and another start.
    site.lab.ip_at_switch("link set br0 type bridge stp_state 0");
    site.switch_on(Firmware::UefiPxe).wait_for_payload("unblocked");
    findings::none(&site.lab, &site.netbootd);
}
