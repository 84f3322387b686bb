//! A machine is never installed twice, and never refused for another's sake: a running daemon, its
//! device file, and firmware's packets.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::process::Output;
use std::time::Duration;

use netbootd_tests::netbootd::program;
use netbootd_tests::{DhcpClient, Lab, Netbootd, wait};

/// Any two boots here are told apart once another second has begun.
const CONFIGURATION: &str = "[dhcp]\nmode = \"server\"\nconflict-probe = false\n\
    [[dhcp.subnet]]\nsubnet = \"10.77.0.0/24\"\npool = \"10.77.0.100-10.77.0.199\"\n\
    [devices]\nfile = \"devices.csv\"\n[policy]\nsame-boot = \"0s\"\n";

struct Site {
    lab: Lab,
    netbootd: Option<Netbootd>,
    configuration: String,
}

impl Site {
    fn new(devices: &str, more: &str) -> Self {
        let mut lab = Lab::new();
        let root = Netbootd::prepare(&mut lab);
        DhcpClient::plug(&mut lab);
        for image in ["PS100005", "PS100006"] {
            let folder = root.join(image).join("boot/x64");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("bootmgfw.efi"), "boot").unwrap();
        }
        let mut site = Site { lab, netbootd: None, configuration: format!("{CONFIGURATION}{more}") };
        fs::write(site.lab.folder().join("devices.csv"), devices).unwrap();
        site.start();
        site
    }

    fn start(&mut self) {
        self.netbootd = None; // the one before has ended
        let root = self.lab.folder().join("root");
        self.netbootd = Some(Netbootd::start(&self.lab, &root, &self.configuration));
    }

    /// Writes another device file, and waits until the daemon has read it.
    fn edit(&self, devices: &str) {
        let netbootd = self.netbootd.as_ref().unwrap();
        let read = || netbootd.log().matches("device file read").count();
        let before = read();
        fs::write(self.lab.folder().join("devices.csv"), devices).unwrap();
        wait::until(Duration::from_secs(10), || read() != before, || netbootd.log());
    }

    /// Switches a machine on, once every boot before is over.
    fn boots(&self, machine: DhcpClient) -> bool {
        wait::for_the_next_second();
        machine.boots(&self.lab)
    }

    fn run(&self, words: &[&str]) -> Output {
        let config = self.lab.folder().join("netbootd.toml").display().to_string();
        self.lab.run("server", &[&[program().as_str()], words, &["--config", &config]].concat())
    }
}

#[test]
fn an_edit_of_the_device_file_a_reload_and_a_restart_give_nobody_a_second_installation() {
    let (one, two) = (DhcpClient::pc(1), DhcpClient::pc(2));
    let row = |machine: DhcpClient, more: &str| format!("pc,{},PS100005,{more}\n", machine.mac());
    let head = "name,mac,image,deployment,purpose\n";
    let mut site = Site::new(&format!("{head}{}", row(one, "reimage,required")), "");
    assert!(site.boots(one));
    assert!(!site.boots(one));
    // A row above: the new machine gets its own, the other one nothing more.
    let (first, second) = (row(one, "reimage,required"), row(two, "reimage,required"));
    site.edit(&format!("{head}{second}{first}"));
    assert!(!site.boots(one), "given twice: {}", site.netbootd.as_ref().unwrap().log());
    assert!(site.boots(two), "refused for another's sake: {}", site.netbootd.as_ref().unwrap().log());
    // Sorted, other columns, a reload, a restart.
    site.edit(&format!("purpose,owner,deployment,mac,image\nRequired,Anna,reimage,{},PS100005\n", one.mac()));
    assert!(!site.boots(one));
    assert!(site.run(&["reload"]).status.success());
    assert!(!site.boots(one));
    site.edit(&format!("{head}{first}{second}"));
    site.start();
    assert!(!site.boots(one) && !site.boots(two));
    // Another run, once; and no run is nothing new.
    site.edit(&format!("name,mac,image,deployment,purpose,run\n{}", row(one, "reimage,required,spring")));
    assert!(site.boots(one) && !site.boots(one));
    site.edit(&format!("{head}{first}"));
    assert!(!site.boots(one));
    let listed = String::from_utf8(site.run(&["ledger", "list"]).stdout).unwrap();
    for words in ["reimage", "spring", &one.guid().unwrap(), &two.mac()] {
        assert!(listed.contains(words), "{words} is not in {listed}");
    }
    // The operator clears it.
    assert!(site.run(&["ledger", "clear", "--mac", &one.mac()]).status.success());
    assert!(site.boots(one) && !site.boots(one));
}

#[test]
fn docks_bans_and_guids_that_come_later_neither_repeat_nor_refuse() {
    let dock = 7;
    let at_dock = |guid| DhcpClient { adapter: dock, guid, ipxe: false };
    let devices =
        format!("mac,image,purpose,deployment\n{},PS100005,required,reimage\n", at_dock(None).mac());
    let mut site = Site::new(&devices, "");
    assert!(site.boots(at_dock(Some(1))));
    assert!(site.boots(at_dock(Some(2))), "another machine at the same dock");
    assert!(!site.boots(at_dock(Some(1))) && !site.boots(at_dock(Some(2))));
    // The GUID is banned from now on: the address stands for the machine.
    let guid = at_dock(Some(1)).guid().unwrap();
    site.configuration.push_str(&format!("banned-guids = [{guid:?}]\n"));
    site.start();
    assert!(!site.boots(at_dock(Some(1))));
    // A machine without a GUID, which shows one after an update of its firmware.
    assert!(site.run(&["ledger", "clear", "--deployment", "reimage"]).status.success());
    assert!(site.boots(at_dock(None)));
    assert!(!site.boots(at_dock(Some(3))));
    assert!(site.boots(at_dock(Some(4))), "the one that it is known by now is another one's");
}

#[test]
fn ipxe_that_the_firmware_started_asks_in_the_same_boot_and_never_in_a_later_one() {
    let firmware = DhcpClient::pc(1);
    let ipxe = DhcpClient { ipxe: true, ..firmware };
    let devices = format!("mac,image,purpose\n{},PS100005,required\n", firmware.mac());
    let site = Site::new(&devices, "");
    assert!(site.boots(firmware));
    assert!(site.boots(ipxe), "the second DHCP of one boot: {}", site.netbootd.as_ref().unwrap().log());
    assert!(!site.boots(ipxe) && !site.boots(firmware) && !site.boots(ipxe));
    let listed = String::from_utf8(site.run(&["ledger", "list"]).stdout).unwrap();
    assert!(listed.contains("PS100005"), "a purpose alone makes a deployment: {listed}");
}
