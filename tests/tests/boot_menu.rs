//! The boot menu in real boot loaders: nobody chooses, and the default starts after its time.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use netbootd_tests::firmware::PxeAnswer;
use netbootd_tests::loaders::{self, IPXE_EFI, PXELINUX};
use netbootd_tests::netbootd::{ADDRESSES, SERVER, program, write_secret};
use netbootd_tests::{DhcpServer, Firmware, Lab, Machine, Netbootd, findings, payload, store};

/// The modules with which PXELINUX shows a menu.
const MENU_MODULE: &[(&str, &str)] = &[
    ("/usr/lib/syslinux/modules/bios/menu.c32", "menu.c32"),
    ("/usr/lib/syslinux/modules/bios/libutil.c32", "libutil.c32"),
];
const MENU: &str = "[menu]\ntimeout = \"2s\"\ndefault = \"payload\"\n";

struct Site {
    lab: Lab,
    netbootd: Netbootd,
    _router: DhcpServer,
}

impl Site {
    /// With an image that says a word, and one that says another one.
    fn new(word: &str, put: impl FnOnce(&Path), configuration: &str) -> Self {
        let mut lab = Lab::new();
        let root = Netbootd::prepare(&mut lab);
        put(&root);
        let images = lab.folder().join("images");
        for (name, word) in [("payload", word), ("another", "wrong")] {
            let made = payload::payload();
            let source = lab.folder().join(name);
            fs::create_dir_all(&source).unwrap();
            fs::copy(made.kernel, source.join("vmlinuz")).unwrap();
            fs::copy(made.initrd, source.join("initrd.img")).unwrap();
            let label = format!("cmdline={}", payload::arguments(word));
            let imported = store::image(&images, &["import", &store::text(&source), "--label", &label]);
            assert!(imported.status.success());
        }
        let router = DhcpServer::start_router(&mut lab);
        let folder = images.display().to_string();
        let text = format!("{ADDRESSES}[store]\nfolder = {folder:?}\n{configuration}");
        let netbootd = Netbootd::start(&lab, &root, &text);
        Site { lab, netbootd, _router: router }
    }

    fn boots(&self, word: &str, firmware: Firmware) {
        let machine = Machine::start(&self.lab, firmware, "br0");
        let booted =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| machine.wait_for_payload(word)));
        assert!(booted.is_ok(), "netbootd says:\n{}", self.netbootd.log());
        findings::none(&self.lab, &self.netbootd);
    }

    fn run(&self, words: &[&str]) -> String {
        let config = self.lab.folder().join("netbootd.toml").display().to_string();
        let output = self.lab.run("server", &[&[program().as_str()], words, &["--config", &config]].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// No rule at all: the menu is on by itself.
#[test]
fn ipxe_starts_the_default_of_the_menu_after_its_time() {
    let site = Site::new("menu-ipxe", |_| {}, MENU);
    site.boots("menu-ipxe", Firmware::Bios { card: "virtio-net-pci" });
    site.netbootd.logged(&["ack", "reason=menu", "boot_file=\"http://10.77.0.1/netbootd/boot.ipxe\""]);
    site.netbootd.logged(&["completed", "proto=http", "/payload/vmlinuz"]);
}

#[test]
fn grub_starts_the_default_of_the_menu_after_its_time() {
    let site = Site::new("menu-grub", |root| loaders::put_grub(root, "grubx64.efi"), MENU);
    site.boots("menu-grub", Firmware::UefiPxe);
    site.netbootd.logged(&["ack", "reason=menu", "boot_file=\"grubx64.efi\""]);
}

/// The machine's ROM is iPXE, and the rule names PXELINUX.
#[test]
fn pxelinux_starts_the_default_of_the_menu_after_its_time() {
    let put = |root: &Path| loaders::put(root, &[PXELINUX, MENU_MODULE].concat());
    let rule = "[menu]\ntimeout = \"2s\"\n[[rule]]\nname = \"bios\"\n\
        action.boot = { menu = [\"payload\", \"another\"], default-image = \"payload\", file = \"pxelinux.0\" }\n";
    let site = Site::new("menu-pxelinux", put, rule);
    site.boots("menu-pxelinux", Firmware::Bios { card: "virtio-net-pci" });
    site.netbootd.logged(&["ack", "boot_file=\"pxelinux.0\""]);
    site.netbootd.logged(&["completed", "menu.c32"]);
}

#[test]
#[ignore = "the same without PXELINUX's menu: make nightly"]
fn pxelinux_starts_the_default_without_its_module() {
    let rule = "[menu]\ntimeout = \"2s\"\n[[rule]]\nname = \"bios\"\n\
        action.boot = { menu = \"all\", default-image = \"payload\", file = \"pxelinux.0\" }\n";
    let site = Site::new("menu-plain", |root| loaders::put(root, PXELINUX), rule);
    site.boots("menu-plain", Firmware::Bios { card: "virtio-net-pci" });
}

/// Firmware, iPXE and the script are one boot; the image is used up by it.
#[test]
#[ignore = "another boot loader's way to the same image: make nightly"]
fn an_image_boots_once_by_firmware_ipxe_and_script() {
    let site = Site::new("once", |root| loaders::put(root, IPXE_EFI), "[menu]\nenabled = false\n");
    // The address of the first machine of a laboratory.
    site.run(&["boot", "52:54:00:4c:01:01", "payload"]);
    site.boots("once", Firmware::UefiPxe);
    site.netbootd.logged(&["ack", "class=pxe", "reason=boot-next", "boot_file=\"ipxe.efi\""]);
    site.netbootd.logged(&["ack", "class=ipxe", "reason=boot-next", "netbootd/boot.ipxe"]);
    let listed = site.run(&["device", "list"]);
    assert!(listed.contains("image:payload used 2"), "{listed}");
}

/// Firmware's own menu: F8, the second line, and the kernel starts without another menu.
#[test]
#[ignore = "its packets are in the next test; the firmware takes a minute without KVM: make nightly"]
fn firmware_shows_the_menu_and_starts_what_is_chosen_there() {
    let menu = "[menu]\nfirmware = true\ntimeout = \"20s\"\nhidden = [\"another\"]\n";
    let site = Site::new("menu-firmware", |root| loaders::put(root, IPXE_EFI), menu);
    let machine = Machine::start(&site.lab, Firmware::UefiPxe, "br0");
    machine.choose_second_line(&site.netbootd);
    machine.wait_for_payload("menu-firmware");
    site.netbootd.logged(&["ack", "proto=pxe", "chose image payload in the firmware's menu"]);
    findings::none(&site.lab, &site.netbootd);
}

/// The menu as packets: what firmware is offered, and what each item is answered with.
#[test]
fn the_firmwares_menu_has_the_disk_first_and_each_item_an_answer() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    fs::write(root.join("ipxe.efi"), "a boot loader").unwrap();
    lab.add_host("client");
    lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    let images = lab.folder().join("images");
    for name in ["debian", "winpe"] {
        let file = match name {
            "debian" => "vmlinuz",
            _ => "boot/x64/bootmgfw.efi",
        };
        let path = lab.folder().join(name).join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "a program").unwrap();
        let source = lab.folder().join(name);
        assert!(store::image(&images, &["import", &store::text(&source)]).status.success());
    }
    let folder = images.display().to_string();
    let netbootd = Netbootd::start(
        &lab,
        &root,
        &format!(
            "[store]\nfolder = {folder:?}\n[menu]\nfirmware = true\ntitle = \"Lab 7\"\ntimeout = \"7s\"\n"
        ),
    );
    let mac = [0x52, 0x54, 0, 0x4c, 1, 0x61];
    let offer = PxeAnswer::to_discover(&lab, "client", mac);
    let menu = offer.vendor_options().expect("a menu in option 43");
    let tag = |tag: u8| menu.iter().find(|(have, _)| *have == tag).map(|(_, value)| value.clone()).unwrap();
    assert_eq!(tag(6), [7], "no broadcast, no multicast, listed servers alone");
    assert!(tag(10).starts_with(b"\x07Lab 7: press F8"), "{:?}", tag(10));
    let lines = tag(9);
    assert!(lines.starts_with(b"\0\0\x0eBoot from disk"), "{lines:?}");
    let servers = tag(8);
    assert_eq!(servers.len(), 14, "two servers: {servers:?}");
    let expected = [("ipxe.efi", "debian"), ("winpe/boot/x64/bootmgfw.efi", "winpe")];
    for (server, (file, image)) in servers.chunks(7).zip(expected) {
        assert_eq!(server[2..], [1, 10, 77, 0, 1]);
        let item = [server[0], server[1], 0, 0];
        let answer = PxeAnswer::to_item(&lab, "client", Ipv4Addr::new(10, 77, 0, 50), SERVER, mac, item);
        assert_eq!(answer.file(), file, "{image}");
        assert_eq!(answer.vendor_options(), Some(vec![(71, item.to_vec())]), "the item is echoed");
        netbootd.logged(&["ack", &format!("chose image {image} in the firmware's menu")]);
    }
}

#[test]
fn a_protected_entry_of_ipxe_wants_the_password() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    write_secret(&lab.folder().join("menu.password"), "open sesame");
    let images = lab.folder().join("images");
    let source = lab.folder().join("wipe");
    fs::create_dir_all(&source).unwrap();
    fs::write(source.join("vmlinuz"), "kernel").unwrap();
    assert!(store::image(&images, &["import", &store::text(&source)]).status.success());
    let folder = images.display().to_string();
    let text = format!(
        "[store]\nfolder = {folder:?}\n[menu]\nprotected = \"wipe\"\npassword-file = \"menu.password\"\n"
    );
    let netbootd = Netbootd::start(&lab, &root, &text);
    let fetch = |path: &str, user: &str| {
        let url = format!("http://10.77.0.1/netbootd/{path}/wipe.ipxe");
        let output = lab.run("server", &["curl", "-s", "-w", " %{http_code}", "-u", user, &url]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let open = fetch("image", "netbootd:");
    assert!(open.contains("login || exit") && !open.contains("vmlinuz") && open.ends_with(" 200"), "{open}");
    for user in ["netbootd:", "netbootd:open", "open sesame:netbootd"] {
        let refused = fetch("protected", user);
        assert!(refused.ends_with(" 401") && !refused.contains("vmlinuz"), "{refused}");
    }
    let script = fetch("protected", "netbootd:open sesame");
    assert!(script.contains("/wipe/vmlinuz") && script.ends_with(" 200"), "{script}");
    assert!(!netbootd.log().contains("sesame"));
}
