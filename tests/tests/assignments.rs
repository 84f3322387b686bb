//! One machine, one time: a running daemon, its command line, firmware's packets, and kill -9.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::process::Output;

use netbootd_tests::netbootd::program;
use netbootd_tests::{DhcpClient, Lab, Netbootd, wait};

/// Any two boots here are told apart once another second has begun.
const CONFIGURATION: &str = "[dhcp]\nmode = \"server\"\nconflict-probe = false\n\
    [[dhcp.subnet]]\nsubnet = \"10.77.0.0/24\"\npool = \"10.77.0.100-10.77.0.199\"\n\
    [policy]\nsame-boot = \"0s\"\n\
    [[rule]]\nname = \"kiosks\"\nmatch = { tags = \"kiosk\" }\naction.boot = { file = \"kiosk.efi\" }\n\
    [[rule]]\nname = \"by-address\"\nmatch = { mac = \"52:54:00:*\" }\naction = \"local-boot\"\n";

struct Site {
    lab: Lab,
    netbootd: Option<Netbootd>,
}

impl Site {
    fn new() -> Self {
        let mut lab = Lab::new();
        let root = Netbootd::prepare(&mut lab);
        DhcpClient::plug(&mut lab);
        for file in ["memtest.efi", "kiosk.efi"] {
            fs::write(root.join(file), "boot").unwrap();
        }
        let mut site = Site { lab, netbootd: None };
        site.start();
        site
    }

    fn start(&mut self) {
        self.netbootd = None;
        let root = self.lab.folder().join("root");
        self.netbootd = Some(Netbootd::start(&self.lab, &root, CONFIGURATION));
    }

    /// Kills the daemon in the middle of everything, and starts it again.
    fn kill_and_start(&mut self) {
        self.netbootd = None; // SIGKILL
        self.start();
    }

    fn boots(&self, machine: DhcpClient) -> bool {
        wait::for_the_next_second();
        machine.boots(&self.lab)
    }

    fn run(&self, words: &[&str]) -> String {
        let output = self.output(words);
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{words:?}: {text}");
        text
    }

    fn output(&self, words: &[&str]) -> Output {
        let config = self.lab.folder().join("netbootd.toml").display().to_string();
        self.lab.run("server", &[&[program().as_str()], words, &["--config", &config]].concat())
    }

    fn log(&self) -> String {
        self.netbootd.as_ref().unwrap().log()
    }
}

#[test]
fn a_one_shot_survives_kill_and_is_given_in_one_boot_only() {
    let machine = DhcpClient::pc(1);
    let ipxe = DhcpClient { ipxe: true, ..machine };
    let mut site = Site::new();
    assert!(!site.boots(machine), "no rule fits it");
    let said = site.run(&["boot", &machine.mac(), "memtest.efi"]);
    assert!(said.contains("boots file memtest.efi next, once, until"), "{said}");
    // An offer is no more than that, whatever happens before the ACK.
    assert!(machine.is_offered(&site.lab));
    site.kill_and_start();
    assert!(machine.is_offered(&site.lab) && site.boots(machine));
    // The ACK has left: it is on the disk.
    site.kill_and_start();
    assert!(site.boots(ipxe), "the boot program of the same boot: {}", site.log());
    assert!(!site.boots(machine) && !site.boots(ipxe) && !site.boots(machine));
    let listed = site.run(&["device", "list"]);
    assert!(listed.contains("file:memtest.efi used 2"), "{listed}");
    // Again, and taken back.
    site.run(&["boot", &machine.mac(), "file:memtest.efi", "--once", "--until", "1h"]);
    let explained = site.run(&["explain", "--mac", &machine.mac()]);
    assert!(explained.contains("an operator wants it to boot file memtest.efi next, once"), "{explained}");
    assert!(explained.contains("without that it would get ignore (no-rule)"), "{explained}");
    site.run(&["boot", &machine.mac(), "--cancel"]);
    assert!(!site.boots(machine));
    site.run(&["boot", &machine.mac(), "memtest.efi"]);
    assert!(site.boots(machine) && !site.boots(machine), "another order, another boot");
    let warned = site.run(&["boot", &machine.mac(), "gone.efi"]);
    assert!(warned.contains("warning: file gone.efi is assigned, but nothing of it is here"), "{warned}");
}

#[test]
fn devices_have_names_and_tags_and_boot_what_is_assigned() {
    let (one, two) = (DhcpClient::pc(1), DhcpClient::pc(2));
    let mut site = Site::new();
    let said = site.run(&["device", "add", &one.mac(), "--name", "kiosk-7", "--tags", "kiosk,berlin"]);
    assert!(said.contains("registered"), "{said}");
    assert!(!site.output(&["device", "add", &one.mac()]).status.success(), "it is there already");
    assert!(!site.output(&["device", "set", &two.mac()]).status.success(), "it is not there");
    assert!(!site.output(&["device", "set", &one.mac(), "--name", "a\u{1b}[2J"]).status.success());
    assert!(site.boots(one), "the rule for its tag");
    assert!(!site.boots(two));
    site.run(&["boot", &two.mac(), "kiosk.efi", "--always"]);
    site.kill_and_start();
    assert!(site.boots(one) && site.boots(two) && site.boots(two));
    // Once its disk, then what is assigned.
    site.run(&["boot", &two.mac(), "disk"]);
    assert!(!site.boots(two) && site.boots(two));
    let file = site.lab.folder().join("devices.csv");
    site.run(&["device", "export", &file.display().to_string()]);
    let text = fs::read_to_string(&file).unwrap();
    let expected = format!(
        "mac,guid,name,tags,note,boot\n{},,kiosk-7,berlin kiosk,,\n{},,,,,file:kiosk.efi\n",
        one.mac(),
        two.mac()
    );
    assert_eq!(text, expected);
    for machine in [one, two] {
        site.run(&["device", "remove", &machine.mac()]);
        assert!(!site.boots(machine));
    }
    fs::write(&file, format!("{expected}nonsense,,,,,\n")).unwrap();
    let path = file.display().to_string();
    let refused = site.output(&["device", "import", &path]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("devices.csv:4:"), "{refused:?}");
    assert!(!site.boots(one), "nothing was imported");
    fs::write(&file, expected).unwrap();
    assert!(site.run(&["device", "import", &path]).contains("imported: 2 devices"));
    assert!(site.boots(one) && site.boots(two));
    // Without a daemon the state file is changed.
    site.netbootd = None;
    site.run(&["boot", &two.mac(), "disk", "--once"]);
    site.run(&["device", "set", &one.mac(), "--tags", ""]);
    site.start();
    assert!(!site.boots(one) && !site.boots(two) && site.boots(two));
}
