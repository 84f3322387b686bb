//! Whole boots of machines that a directory knows.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests

use std::fs;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use netbootd_tests::netbootd::ADDRESSES;
use netbootd_tests::{DhcpServer, Firmware, Lab, Machine, Netbootd, loaders};

/// GRUB says which image it was started from, and ends.
const GRUB: &str = "\n[[file]]\npath = \"grub/grub.cfg\"\ntemplate = \"echo NETBOOTD-PAYLOAD from-the-network\\nsleep 1\\nhalt\\n\"\n";
const BIOS: Firmware = Firmware::Bios { card: "virtio-net-pci" };
const MAC: &str = "52:54:00:4c:01:01";
const GUID: &str = "4c4c4544-0042-3510-8053-5254004c0101";

struct Site {
    lab: Lab,
    netbootd: Netbootd,
    disk: PathBuf,
    _router: DhcpServer,
}

impl Site {
    fn new(devices: &str, configuration: &str) -> Self {
        let mut lab = Lab::new();
        let root = Netbootd::prepare(&mut lab);
        for image in ["PS100005", "PS100006"] {
            let folder = root.join(image).join("boot/x64");
            fs::create_dir_all(&folder).unwrap();
            loaders::put_grub(&folder, "bootmgfw.efi");
            loaders::put_bios_program(&folder.join("pxeboot.n12"), "from-the-network");
        }
        let disk = lab.folder().join("disk");
        loaders::put_bios_program(&disk, "from-the-disk");
        fs::OpenOptions::new().write(true).open(&disk).unwrap().set_len(1 << 20).unwrap();
        // iPXE waits for a router.
        let router = DhcpServer::start_router(&mut lab);
        fs::write(lab.folder().join("devices.csv"), devices).unwrap();
        let configuration = format!("{ADDRESSES}{GRUB}[devices]\nfile = \"devices.csv\"\n{configuration}");
        let netbootd = Netbootd::start(&lab, &root, &configuration);
        Site { lab, netbootd, disk, _router: router }
    }

    /// The same machine, switched on once more.
    fn boot(&self, firmware: Firmware) -> Machine {
        Machine::start_as(&self.lab, firmware, "br0", 1, Some(&self.disk))
    }

    fn ends_up(&self, firmware: Firmware, place: &str) {
        let machine = self.boot(firmware);
        let ended =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| machine.wait_for_payload(place)));
        assert!(ended.is_ok(), "netbootd says:\n{}", self.netbootd.log());
    }

    fn run(&self, words: &[&str]) -> Output {
        let config = self.lab.folder().join("netbootd.toml").display().to_string();
        let program = netbootd_tests::netbootd::program();
        self.lab.run("server", &[&[program.as_str()], words, &["--config", &config]].concat())
    }

    fn logged(&self, words: &[&str]) {
        self.netbootd.logged(words);
    }
}

#[test]
fn a_required_deployment_runs_once_and_then_the_disk() {
    let devices = format!("name,mac,image,deployment,purpose\npc-1,{MAC},PS100005,reimage,required\n");
    let site = Site::new(&devices, "[policy]\nsame-boot = \"1s\"\n");
    site.ends_up(BIOS, "from-the-network");
    site.logged(&["ack", "reason=required", "machine=\"pc-1\"", "deployment=\"reimage\""]);
    site.ends_up(BIOS, "from-the-disk");
    site.logged(&["already-run"]);
    let listed = String::from_utf8(site.run(&["ledger", "list"]).stdout).unwrap();
    assert!(listed.contains("pc-1") && listed.contains("reimage"), "{listed}");
    assert!(site.run(&["ledger", "clear", "--mac", MAC]).status.success());
    let explained = String::from_utf8(site.run(&["explain", "--mac", MAC]).stdout).unwrap();
    // As the machine asked last.
    assert!(explained.contains("boots PS100005/boot/x64/pxeboot.n12: required"), "{explained}");
}

#[test]
fn a_machine_whose_guid_is_banned_boots_by_its_address() {
    let devices = format!("name,mac,uuid,image\nkiosk,{MAC},,PS100005\nother,,{GUID},PS100006\n");
    let site = Site::new(&devices, &format!("[policy]\nbanned-guids = [{GUID:?}]\n"));
    site.ends_up(Firmware::UefiPxe, "from-the-network");
    site.logged(&["ack", "machine=\"kiosk\"", "is banned", "boot_file=\"PS100005/"]);
}

#[test]
fn a_guid_that_belongs_to_another_record_is_told_of() {
    let devices = format!("name,mac,uuid,image\nkiosk,{MAC},,PS100005\nother,,{GUID},PS100006\n");
    let site = Site::new(&devices, "");
    site.ends_up(Firmware::UefiPxe, "from-the-network");
    site.logged(&[
        "ack",
        "machine=\"other\"",
        "its GUID belongs to other (line 3) and its hardware address to kiosk (line 2)",
        "boot_file=\"PS100006/",
    ]);
}

/// Somebody at the machine presses F8 and chooses the second line.
fn starts_with_a_key(firmware: Firmware) {
    let devices = format!("name,mac,image,deployment,purpose\npc-1,{MAC},PS100005,menu,available\n");
    let site = Site::new(&devices, "[policy]\nprompt = \"all\"\n");
    let machine = site.boot(firmware);
    machine.choose_second_line(&site.netbootd);
    machine.wait_for_payload("from-the-network");
    site.logged(&["ack", "proto=pxe", "reason=available", "deployment=\"menu\""]);
}

#[test]
fn what_is_available_starts_with_a_key_on_bios() {
    starts_with_a_key(BIOS);
}

#[test]
fn what_is_available_starts_with_a_key_on_uefi() {
    starts_with_a_key(Firmware::UefiPxe);
}

#[test]
fn without_a_key_what_is_available_leaves_the_machine_to_its_disk() {
    let devices = format!("name,mac,image,deployment,purpose\npc-1,{MAC},PS100005,menu,available\n");
    let site = Site::new(&devices, "");
    site.ends_up(BIOS, "from-the-disk");
    site.logged(&["offer", "reason=available"]);
    assert!(!site.netbootd.log().contains("proto=tftp"), "{}", site.netbootd.log());
}

#[test]
fn firmware_is_sent_to_the_disk_by_a_menu_of_one_line() {
    let devices = format!("name,mac,image,deployment,purpose\npc-1,{MAC},PS100009,reimage,required\n");
    let site = Site::new(&devices, "[policy]\nlocal-boot = \"menu\"\n");
    site.ends_up(BIOS, "from-the-disk");
    site.logged(&["local-boot", "reason=boot-image-missing"]);
    let uefi = site.boot(Firmware::UefiPxe);
    uefi.wait_for("PXE-E21: Remote boot cancelled");
}

#[test]
fn the_brake_stops_the_third_required_boot_until_an_operator_releases_it() {
    let devices = "name,mac,image,deployment,purpose\n\
        a,02:00:00:00:00:01,PS100005,reimage,required\nb,02:00:00:00:00:02,PS100005,reimage,required\n\
        c,02:00:00:00:00:03,PS100005,reimage,required\n";
    let mut site = Site::new(devices, "[policy]\nbrake = { boots = 2, within = \"10m\" }\n");
    site.lab.add_host("client");
    site.lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    let program = netbootd_tests::netbootd::program();
    let boots = |n: u8| {
        let mac = format!("02:00:00:00:00:0{n}");
        let asked =
            site.lab.run("client", &[&program, "probe", "pxe", "10.77.0.1", "--mac", &mac, "--timeout", "1"]);
        String::from_utf8_lossy(&asked.stdout).contains("bootmgfw.efi")
    };
    assert!(boots(1) && boots(2));
    assert!(!boots(3), "{}", site.netbootd.log());
    site.logged(&["wait", "reason=brake", "2 Required deployments were given"]);
    assert!(boots(1), "the same boot is no other");
    assert!(site.run(&["ledger", "release"]).status.success());
    assert!(boots(3));
    // The brake counts anew from there.
    let file = site.lab.folder().join("devices.csv");
    fs::write(&file, format!("{devices}d,02:00:00:00:00:04,PS100005,reimage,required\n")).unwrap();
    site.netbootd.wait_for("devices=4", Duration::from_secs(10));
    assert!(boots(4));
    // A deployment is cleared for everybody at once.
    let cleared = site.run(&["ledger", "clear", "--deployment", "reimage"]);
    assert_eq!(String::from_utf8_lossy(&cleared.stdout).matches("reimage").count(), 4);
}
