//! Machines that boot the same again and again, and distribution points without SMSBoot: named from
//! real packets.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use netbootd_tests::firmware;
use netbootd_tests::mac::{self, Nbi};
use netbootd_tests::netbootd::{SERVER, program};
use netbootd_tests::{Lab, Netbootd, wait};
use serde_json::Value;

const MAC: &str = "52:54:00:4c:01:01";

struct Site {
    lab: Lab,
    _netbootd: Netbootd,
}

impl Site {
    fn new(configuration: &str, put: impl Fn(&Path)) -> Self {
        let mut lab = Lab::new();
        let root = Netbootd::prepare(&mut lab);
        lab.add_host("client");
        lab.plug("client", "eth0", "br0", "10.77.0.50/24");
        put(&root);
        let netbootd = Netbootd::start(&lab, &root, configuration);
        Site { lab, _netbootd: netbootd }
    }

    fn get(&self, path: &str) -> Value {
        let out = self.lab.run("server", &["curl", "-sS", "-f", &format!("http://127.0.0.1:9167{path}")]);
        serde_json::from_slice(&out.stdout).unwrap()
    }

    /// Whether firmware is answered: by broadcast, or by a server's port 4011.
    fn asks(&self, server: Option<&str>) -> bool {
        firmware::is_answered(
            &self.lab,
            "client",
            Ipv4Addr::new(10, 77, 0, 50),
            server,
            [0x52, 0x54, 0, 0x4c, 1, 1],
        )
    }

    fn probe(&self, words: &[&str]) -> bool {
        self.lab.run("client", &[&[program().as_str(), "probe"], words].concat()).status.success()
    }

    /// The machine's finding, once there is one.
    fn finding(&self, mac: &str) -> Value {
        let device = || self.get(&format!("/devices/{mac}"));
        let finding = || Some(device()["finding"].clone()).filter(|finding| !finding.is_null());
        wait::for_some(Duration::from_secs(30), finding, || format!("no finding in {:#}", device()))
    }

    /// The words of `netbootd status MAC`.
    fn status(&self, mac: &str) -> String {
        let config = self.lab.folder().join("netbootd.toml").display().to_string();
        let out = self.lab.run("server", &[&program(), "status", mac, "--config", &config]);
        String::from_utf8(out.stdout).unwrap()
    }
}

fn rule(file: &str) -> String {
    format!("[[rule]]\nname = \"pc\"\naction.boot = {{ file = {file:?}, via = \"tftp\" }}\n")
}

/// The ways in which a PC's packets come here: by broadcast and port 4011, and by port 4011 alone.
const WAYS: [(&str, bool); 2] = [("", true), ("[dhcp]\nports = \"4011-only\"\n", false)];

#[test]
fn a_pc_that_boots_the_same_three_times_is_a_boot_loop_whichever_ports_are_served() {
    for (ports, broadcasts) in WAYS {
        let put = |root: &Path| {
            fs::write(root.join("pxelinux.0"), vec![7; 40_000]).unwrap();
            fs::write(root.join("vmlinuz"), vec![7; 40_000]).unwrap();
        };
        let site = Site::new(&format!("{ports}{}", rule("pxelinux.0")), put);
        for boot in 1..=3 {
            if broadcasts {
                assert!(site.asks(None));
            }
            assert!(site.asks(Some(SERVER)));
            // One boot may fetch its program more than once.
            assert!(site.probe(&["tftp", "--as-machine", SERVER, "pxelinux.0"]));
            assert!(site.probe(&["tftp", "--as-machine", SERVER, "pxelinux.0"]));
            assert!(site.probe(&["tftp", "--as-machine", SERVER, "vmlinuz"]));
            let finding = site.get(&format!("/devices/{MAC}"))["finding"].clone();
            assert!(boot == 3 || finding.is_null(), "after {boot} boots: {finding}");
        }
        let finding = site.finding(MAC);
        assert_eq!(finding["cause"], "boot-loop", "{ports}: {finding}");
        let seen = finding["evidence"].to_string();
        assert!(seen.contains("3 boots within") && seen.contains("vmlinuz complete"), "{finding}");
        assert!(site.status(MAC).contains("boot-loop"), "{}", site.status(MAC));
    }
}

#[test]
fn a_mac_that_boots_the_same_three_times_is_a_boot_loop() {
    let put = |root: &Path| {
        let share = root.join("NetBoot/NetBootSP0");
        Nbi { name: "Sierra", index: 5, root_size: 300_000, more: "" }.put(&share);
    };
    let site = Site::new("[dhcp]\nmode = \"off\"\n", put);
    for _ in 0..3 {
        let output = site.lab.run("client", &[mac::client().as_str(), "eth0", "boot"]);
        assert!(output.status.success());
    }
    let devices = site.get("/devices");
    let mac = devices[0]["mac"].as_str().unwrap_or_else(|| panic!("{devices:#}")).to_owned();
    let finding = site.finding(&mac);
    assert_eq!(finding["cause"], "boot-loop", "{finding}");
    assert!(finding["evidence"].to_string().contains("3 boots within"), "{finding}");
    assert!(site.status(&mac).contains("boot-loop"));
}

#[test]
fn a_file_of_smsboot_that_is_not_there_is_named_whichever_ports_are_served() {
    for (ports, broadcasts) in WAYS {
        let put = |root: &Path| {
            fs::create_dir_all(root.join("SMSBoot/x64")).unwrap();
            fs::write(root.join("SMSBoot/x64/wdsnbp.com"), vec![7; 30_000]).unwrap();
        };
        let site = Site::new(&format!("{ports}{}", rule("smsboot\\x64\\wdsnbp.com")), put);
        if broadcasts {
            assert!(site.asks(None));
        }
        assert!(site.asks(Some(SERVER)));
        assert!(site.probe(&["tftp", "--as-machine", SERVER, "smsboot\\x64\\wdsnbp.com"]));
        assert!(!site.probe(&["tftp", "--as-machine", SERVER, "\\SMSBoot\\x64\\pxeboot.com"]));
        let finding = site.finding(MAC);
        assert_eq!(finding["cause"], "smsboot-missing", "{ports}: {finding}");
        assert!(finding["evidence"].to_string().contains("pxeboot.com"), "{finding}");
        assert!(site.status(MAC).contains("smsboot-missing"));
    }
}

#[test]
fn a_rule_whose_smsboot_is_empty_says_so_before_anything_is_fetched() {
    for (ports, broadcasts) in WAYS {
        let site = Site::new(&format!("{ports}{}", rule("smsboot\\x64\\wdsnbp.com")), |_| ());
        let answered = match broadcasts {
            true => site.asks(None),
            false => site.asks(Some(SERVER)),
        };
        assert!(!answered, "there is nothing to boot");
        let finding = site.finding(MAC);
        assert_eq!(finding["cause"], "smsboot-missing", "{ports}: {finding}");
    }
}
