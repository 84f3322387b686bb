//! Whole boots of real firmware, each ending at the payload's words on the serial console.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests

use std::fs;
use std::path::Path;
use std::time::Duration;

use netbootd_tests::loaders::{self, IPXE_EFI, PXELINUX, SIGNED, SYSLINUX_EFI};
use netbootd_tests::lossy_link::LossyMachine;
use netbootd_tests::netbootd::ADDRESSES;
use netbootd_tests::{DhcpServer, Firmware, Lab, Machine, Netbootd, Relay, findings, payload};

/// Boot files for every kind of machine in these tests; each test puts only its own into the
/// folder.
const RULES: &str = r#"
[[rule]]
name = "pxelinux"
match = { arch = "x86-bios" }
action.boot = { file = "pxelinux.0", via = "tftp" }

[[rule]]
name = "ipxe"
match = { class = "ipxe" }
action.boot = { file = "boot.ipxe" }

[[rule]]
name = "http"
match = { class = "http" }
action.boot = { file = "grub-http.efi" }

[[rule]]
name = "ia32"
match = { class = "pxe", arch = "ia32-uefi" }
action.boot = { file = "grubia32.efi" }

[[rule]]
name = "uefi"
match = { class = "pxe", arch = "x64-uefi" }
action.boot = { file = ["shimx64.efi", "grub.efi", "syslinux.efi", "ipxe.efi"] }
"#;

/// The files that boot programs read; rendered for the machine that asks.
const FILES: &str = r##"
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
path = "syslinux.cfg"
template = """
DEFAULT payload
LABEL payload
  KERNEL /vmlinuz
  INITRD /initrd.img
  APPEND {{ text("cmdline.txt") }}
"""

[[file]]
path = "grub/grub.cfg"
template = """
linux /vmlinuz {{ text("cmdline.txt") }}
initrd /initrd.img
boot
"""
"##;

/// Only where the test wants it: BIOS machines here have iPXE as their ROM, and would take the
/// script.
const SCRIPT: &str = r##"
[[file]]
path = "boot.ipxe"
template = """
#!ipxe
kernel {{ http_url }}/vmlinuz initrd=initrd.img {{ text("cmdline.txt") }}
initrd {{ http_url }}/initrd.img
boot
"""
"##;

/// A silence counts a fifth of the time after which it counts in the field.
const IMPATIENT: &str = "\n[diagnosis]\npatience = 0.2\n";

struct Site {
    lab: Lab,
    netbootd: Netbootd,
    _others: (Option<DhcpServer>, Option<Relay>),
}

impl Site {
    /// netbootd gives the addresses.
    fn whole(word: &str, put: impl FnOnce(&Path), configuration: &str) -> Self {
        let mut lab = Lab::new();
        let root = prepare(&mut lab, word, put);
        let router = DhcpServer::start_router(&mut lab);
        let netbootd = Netbootd::start(&lab, &root, &format!("{ADDRESSES}{RULES}{FILES}{configuration}"));
        Site { lab, netbootd, _others: (Some(router), None) }
    }

    /// Another server gives the addresses.
    fn proxy(word: &str, put: impl FnOnce(&Path), configuration: &str) -> Self {
        let mut lab = Lab::new();
        let root = prepare(&mut lab, word, put);
        let foreign = DhcpServer::start(&mut lab);
        let netbootd = Netbootd::start(&lab, &root, &format!("{RULES}{FILES}{configuration}"));
        Site { lab, netbootd, _others: (Some(foreign), None) }
    }

    /// The machine is on another segment, behind a relay.
    fn relayed(word: &str, put: impl FnOnce(&Path)) -> Self {
        let mut lab = Lab::new();
        let root = prepare(&mut lab, word, put);
        let relay = Relay::start(&mut lab);
        lab.ip("server", "route add 10.78.0.0/24 via 10.77.0.254");
        let netbootd = Netbootd::start(&lab, &root, &format!("{ADDRESSES}{RULES}{FILES}"));
        Site { lab, netbootd, _others: (None, Some(relay)) }
    }

    fn boots(&self, word: &str, firmware: Firmware, bridge: &str) {
        let machine = Machine::start(&self.lab, firmware, bridge);
        let booted =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| machine.wait_for_payload(word)));
        assert!(booted.is_ok(), "netbootd says:\n{}", self.netbootd.log());
        findings::none(&self.lab, &self.netbootd);
    }

    fn logged(&self, words: &[&str]) {
        self.netbootd.logged(words);
    }
}

fn prepare(lab: &mut Lab, word: &str, put: impl FnOnce(&Path)) -> std::path::PathBuf {
    let root = Netbootd::prepare(lab);
    put(&root);
    loaders::put_payload(&root, &payload::arguments(word));
    root
}

/// BIOS machines whose ROM is iPXE take PXELINUX all the same: the rule says so.
fn bios_boots_pxelinux(card: &'static str) {
    let site = Site::whole(card, |root| loaders::put(root, PXELINUX), "");
    site.boots(card, Firmware::Bios { card }, "br0");
    site.logged(&["ack", "boot_file=\"pxelinux.0\"", "arch=x86-bios"]);
    site.logged(&["completed", "proto=tftp", "vmlinuz"]);
}

#[test]
fn bios_pxelinux_virtio() {
    bios_boots_pxelinux("virtio-net-pci");
}

#[test]
#[ignore = "another card with the same ROM: make nightly"]
fn bios_pxelinux_e1000() {
    bios_boots_pxelinux("e1000");
}

#[test]
#[ignore = "another card with the same ROM: make nightly"]
fn bios_pxelinux_rtl8139() {
    bios_boots_pxelinux("rtl8139");
}

/// The example as it is written, but for the place of its files and the kernel's arguments.
#[test]
fn the_isolated_example_boots_a_bios_machine_whose_card_boots_by_ipxe() {
    let example = include_str!("../../examples/isolated/netbootd.toml");
    let (_, example) = example.split_once("[dhcp]").unwrap();
    let arguments = payload::arguments("isolated");
    let rules = example.replace("[boot]\nroot = \"/srv/netboot\"\n", "").replace("ip=dhcp", &arguments);
    let mut lab = Lab::new();
    let root = prepare(&mut lab, "isolated", |root| loaders::put(root, PXELINUX));
    let router = DhcpServer::start_router(&mut lab);
    let netbootd = Netbootd::start(&lab, &root, &format!("[dhcp]{rules}"));
    let site = Site { lab, netbootd, _others: (Some(router), None) };
    site.boots("isolated", Firmware::Bios { card: "virtio-net-pci" }, "br0");
    site.logged(&["ack", "class=ipxe", "rule=\"bios\"", "boot_file=\"pxelinux.0\""]);
}

#[test]
fn bios_ipxe_script_by_http() {
    let site = Site::whole("bios-ipxe", |_| {}, SCRIPT);
    site.boots("bios-ipxe", Firmware::Bios { card: "virtio-net-pci" }, "br0");
    site.logged(&["ack", "boot_file=\"http://10.77.0.1/boot.ipxe\""]);
    site.logged(&["completed", "proto=http", "/vmlinuz"]);
}

#[test]
fn uefi_pxe_grub() {
    let site = Site::whole("uefi-grub", |root| loaders::put_grub(root, "grub.efi"), "");
    site.boots("uefi-grub", Firmware::UefiPxe, "br0");
    site.logged(&["ack", "arch=x64-uefi", "boot_file=\"grub.efi\""]);
    // The firmware asks for the size first and leaves; that is no failure.
    site.logged(&["probed", "grub.efi"]);
    site.logged(&["transfer", "blksize=1468 windowsize=4"]);
}

#[test]
fn uefi_pxe_syslinux() {
    let site = Site::whole("uefi-syslinux", |root| loaders::put(root, SYSLINUX_EFI), "");
    site.boots("uefi-syslinux", Firmware::UefiPxe, "br0");
    site.logged(&["completed", "proto=tftp", "vmlinuz"]);
}

#[test]
fn uefi_ipxe_script_by_http() {
    let site = Site::whole("uefi-ipxe", |root| loaders::put(root, IPXE_EFI), SCRIPT);
    site.boots("uefi-ipxe", Firmware::UefiPxe, "br0");
    site.logged(&["class=pxe", "boot_file=\"ipxe.efi\""]);
    site.logged(&["class=ipxe", "boot_file=\"http://10.77.0.1/boot.ipxe\""]);
}

#[test]
fn uefi_http_boot_grub() {
    let site = Site::whole("uefi-http", |root| loaders::put_grub(root, "grub-http.efi"), "");
    site.boots("uefi-http", Firmware::UefiHttp, "br0");
    site.logged(&["class=http", "boot_file=\"http://10.77.0.1/grub-http.efi\""]);
    site.logged(&["completed", "proto=http", "/vmlinuz"]);
}

/// GRUB's http module is said to stall on loss.
#[test]
#[ignore = "minutes: make nightly"]
fn grub_boots_over_http_on_a_link_that_loses_one_frame_in_fifty() {
    let site = Site::whole("lossy", |root| loaders::put_grub(root, "grub-http.efi"), "");
    let machine = LossyMachine::start(&site.lab, "br0", 20, 7);
    machine.wait_for_payload("lossy");
    assert!(machine.lost() > 20, "{} frames were lost", machine.lost());
}

#[test]
fn secure_boot_takes_the_signed_chain() {
    let site = Site::whole("secure-boot", |root| loaders::put(root, SIGNED), "");
    site.boots("secure-boot", Firmware::SecureBoot, "br0");
    site.logged(&["completed", "proto=tftp", "path=\"grubx64.efi\""]);
}

#[test]
fn secure_boot_refuses_an_unsigned_file() {
    let site = Site::whole("unsigned", |root| loaders::put_grub(root, "grub.efi"), IMPATIENT);
    let machine = Machine::start(&site.lab, Firmware::SecureBoot, "br0");
    machine.wait_for("Access Denied");
    site.netbootd.wait_for("completed", Duration::from_secs(5));
    assert!(!machine.console().contains(payload::MARKER));
    let finding = findings::wait_for(&site.lab, &site.netbootd, machine.mac(), "program-refused");
    assert!(finding["headline"].to_string().contains("grub.efi"), "{finding}");
    site.logged(&["INFO", "grub.efi carries no signature"]);
}

#[test]
fn bios_behind_a_relay() {
    let site = Site::relayed("bios-relay", |root| loaders::put(root, PXELINUX));
    site.boots("bios-relay", Firmware::Bios { card: "virtio-net-pci" }, "br1");
    site.logged(&["ack", "peer=10.78.0.254:67", "address=10.78.0.1"]);
}

#[test]
fn uefi_behind_a_relay() {
    let site = Site::relayed("uefi-relay", |root| loaders::put_grub(root, "grub.efi"));
    site.boots("uefi-relay", Firmware::UefiPxe, "br1");
    site.logged(&["ack", "peer=10.78.0.254:67", "address=10.78.0.1"]);
}

#[test]
fn proxy_bios_pxelinux() {
    let site = Site::proxy("proxy-bios", |root| loaders::put(root, PXELINUX), "");
    site.boots("proxy-bios", Firmware::Bios { card: "virtio-net-pci" }, "br0");
    site.logged(&["offer", "proto=proxy", "boot_file=\"pxelinux.0\""]);
    site.logged(&["ignore", "reason=other-server"]);
}

#[test]
fn proxy_bios_ipxe_script() {
    let site = Site::proxy("proxy-bios-ipxe", |_| {}, SCRIPT);
    site.boots("proxy-bios-ipxe", Firmware::Bios { card: "virtio-net-pci" }, "br0");
    site.logged(&["offer", "proto=proxy", "boot_file=\"http://10.77.0.1/boot.ipxe\""]);
}

#[test]
fn proxy_uefi_syslinux() {
    let site = Site::proxy("proxy-uefi", |root| loaders::put(root, SYSLINUX_EFI), "");
    site.boots("proxy-uefi", Firmware::UefiPxe, "br0");
    // BINL style: an offer without a file, then the file from port 4011.
    site.logged(&["offer", "proto=proxy", "boot_file=\"syslinux.efi\""]);
    site.logged(&["ack", "proto=pxe", "boot_file=\"syslinux.efi\""]);
}

#[test]
fn proxy_uefi_ipxe_script() {
    let site = Site::proxy("proxy-uefi-ipxe", |root| loaders::put(root, IPXE_EFI), SCRIPT);
    site.boots("proxy-uefi-ipxe", Firmware::UefiPxe, "br0");
    site.logged(&["ack", "proto=pxe", "boot_file=\"ipxe.efi\""]);
}

#[test]
fn proxy_uefi_http_boot() {
    let site = Site::proxy("proxy-http", |root| loaders::put_grub(root, "grub-http.efi"), "");
    site.boots("proxy-http", Firmware::UefiHttp, "br0");
    site.logged(&["offer", "proto=proxy", "class=http"]);
}

#[test]
fn a_rule_that_hands_grub_to_firmware_beside_a_foreign_server_is_warned_of() {
    let site = Site::proxy("warned", |root| fs::write(root.join("x"), "").unwrap(), "");
    site.logged(&["WARN", "GRUB does not know a proxy"]);
}

#[test]
fn ia32_uefi_pxe_grub() {
    let site = Site::whole("ia32-grub", |root| loaders::put_grub_ia32(root, "grubia32.efi"), "");
    site.boots("ia32-grub", Firmware::Ia32Pxe, "br0");
    site.logged(&["ack", "arch=ia32-uefi", "boot_file=\"grubia32.efi\""]);
    site.logged(&["completed", "proto=tftp", "vmlinuz"]);
}

/// Boot files of ARM64 machines, by themselves or as boards with U-Boot.
const ARM64: &str = r#"
[[rule]]
name = "arm64"
match = { class = "pxe", arch = "arm64-uefi" }
action.boot = { file = ["shimaa64.efi", "grubaa64.efi"] }
"#;

fn arm64_site(word: &str) -> (Lab, Netbootd) {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    loaders::put_arm64(&root);
    loaders::put_payload_arm64(&root, &payload::arguments_arm64(word));
    let netbootd = Netbootd::start(&lab, &root, &format!("{ADDRESSES}{ARM64}{FILES}"));
    (lab, netbootd)
}

#[test]
#[ignore = "ARM64 takes a minute without KVM, and packages that nothing else needs: make nightly"]
fn arm64_uefi_pxe_shim_grub() {
    let (lab, netbootd) = arm64_site("arm64-uefi");
    let machine = Machine::start(&lab, Firmware::Arm64Pxe, "br0");
    machine.wait_for_payload("arm64-uefi");
    findings::none(&lab, &netbootd);
    netbootd.logged(&["ack", "arch=arm64-uefi", "boot_file=\"shimaa64.efi\""]);
    netbootd.logged(&["completed", "proto=tftp", "grubaa64.efi"]);
}

#[test]
#[ignore = "ARM64 takes a minute without KVM, and packages that nothing else needs: make nightly"]
fn arm64_uboot_grub() {
    let (lab, netbootd) = arm64_site("arm64-uboot");
    // U-Boot lets GRUB fetch its files; shim's own way of it is not in U-Boot.
    fs::remove_file(netbootd.root().join("shimaa64.efi")).unwrap();
    let machine = Machine::start(&lab, Firmware::Arm64Uboot, "br0");
    machine.wait_for_payload("arm64-uboot");
    findings::none(&lab, &netbootd);
    // By itself it is given an address and its server, and looks for its script there; then it asks
    // as UEFI firmware.
    netbootd.logged(&["ack", "class=uboot", "arch=arm64-uboot", "reason=no-rule"]);
    netbootd.logged(&["boot.scr.uimg", "not-found"]);
    netbootd.logged(&["ack", "class=pxe", "arch=arm64-uefi", "boot_file=\"grubaa64.efi\""]);
}
