//! `netbootd setup` and `netbootd doctor` beside another DHCP server, and without one.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::process::{Output, Stdio};
use std::time::Duration;

use netbootd_tests::netbootd::{ADDRESSES, program};
use netbootd_tests::{DhcpServer, Lab, Netbootd, Process, firmware};

fn setup(lab: &Lab, name: &str, words: &[&str]) -> Output {
    let path = |part: &str| lab.folder().join(name).join(part).display().to_string();
    let mut command = lab.command("server", &program());
    command.args(["setup", "--yes", "--no-start", "--interface", "lan0", "--programs", "no"]);
    command.args(["--config", &path("netbootd.toml"), "--state-dir", &path("state")]);
    command.args(["--root", &path("boot"), "--images", &path("state/images")]).args(words);
    command.stdin(Stdio::null()).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn setup_leases_no_addresses_beside_another_dhcp_server_unless_forced() {
    let mut lab = Lab::new();
    Netbootd::prepare(&mut lab);
    let _dnsmasq = DhcpServer::start(&mut lab);
    let refused = setup(&lab, "one", &["--mode", "server"]);
    assert_eq!(refused.status.code(), Some(78), "{}", text(&refused));
    let words = text(&refused);
    assert!(words.contains("10.77.0.2 on lan0 leases addresses"), "{words}");
    assert!(words.contains("two DHCP servers on one network break it"), "{words}");
    assert!(!lab.folder().join("one").exists(), "nothing was written");

    let proxy = setup(&lab, "two", &[]);
    assert!(proxy.status.success(), "{}", text(&proxy));
    let words = text(&proxy);
    for expected in ["page token", "Next:", "x86-bios machines have no boot program", "netbootd watch"] {
        assert!(words.contains(expected), "{expected}: {words}");
    }
    let config = fs::read_to_string(lab.folder().join("two/netbootd.toml")).unwrap();
    assert!(
        config.contains("mode = \"proxy\"") && config.contains("\n[status]\ntoken-file = \"status.token\"")
    );
    assert_eq!(fs::read_to_string(lab.folder().join("two/status.token")).unwrap().trim().len(), 48);

    let forced = setup(&lab, "three", &["--mode", "server", "--force"]);
    assert!(forced.status.success(), "{}", text(&forced));
}

/// Setup looked before the other server was there.
#[test]
fn a_dhcp_server_that_appears_after_setup_is_named() {
    let mut lab = Lab::new();
    Netbootd::prepare(&mut lab);
    let words =
        ["--mode", "server", "--pool", "10.77.0.200-10.77.0.220", "--router", "none", "--dns", "none"];
    let done = setup(&lab, "site", &words);
    assert!(done.status.success(), "{}", text(&done));
    let config = lab.folder().join("site/netbootd.toml").display().to_string();
    let mut command = lab.command("server", &program());
    let netbootd = Process::start("netbootd", command.args(["serve", "--config", &config]));
    netbootd.wait_for(" ready ", Duration::from_secs(20));
    let status = |lab: &Lab| text(&lab.run("server", &[&program(), "status", "--config", &config]));
    assert!(!status(&lab).contains("DHCP servers"));
    let _dnsmasq = DhcpServer::start(&mut lab);
    lab.add_host("client");
    lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    firmware::ask(&lab, "client", [[0x52, 0x54, 0, 0x4c, 1, 0x41]]);
    let named = "leases addresses on this network too: switch one of the two DHCP servers off";
    netbootd.wait_for_line(&["WARN", "peer=10.77.0.2", named], Duration::from_secs(20));
    let status = status(&lab);
    assert!(status.contains("10.77.0.2") && status.contains(named), "{status}");
}

#[test]
fn doctor_names_a_second_dhcp_server_and_a_firewall_that_rejects_requests() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    fs::write(root.join("ipxe.efi"), "a program").unwrap();
    let rule = "[[rule]]\nname = \"x64\"\nmatch = { arch = \"x64-uefi\", class = \"pxe\" }\naction.boot = { file = \"ipxe.efi\" }\n";
    let netbootd = Netbootd::start(&lab, &root, &format!("{ADDRESSES}{rule}"));
    netbootd.logged(&["ready", "mode=\"server\"", "tftp=69", "http=80", "page=\"http://127.0.0.1:9167/\""]);
    let config = lab.folder().join("netbootd.toml").display().to_string();
    let doctor = || {
        let output = lab.run("server", &[&program(), "doctor", "--config", &config]);
        String::from_utf8(output.stdout).unwrap()
    };
    let line = |text: &str, link: &str, words: &str| {
        let found = text.lines().find(|line| line.contains(link) && line.contains(words));
        found.unwrap_or_else(|| panic!("{link} {words}: {text}")).to_owned()
    };
    let fine = doctor();
    for (link, words) in [
        ("bind", "in use by the running netbootd"),
        ("dhcp-servers", "no other DHCP server answers"),
        ("x64-uefi", "ipxe.efi by the rule \"x64\""),
        ("images", "free for"),
        ("mtu", "lan0 has an MTU of 1500"),
    ] {
        assert!(line(&fine, link, words).starts_with("pass"), "{fine}");
    }
    drop(netbootd);
    let _dnsmasq = DhcpServer::start(&mut lab);
    let rejects = ["iptables", "-A", "INPUT", "-p", "udp", "--dport", "69", "-j", "REJECT"];
    let rejected = lab.run("server", &rejects).status.success();
    let config = lab.folder().join("netbootd.toml").display().to_string();
    let output = lab.run("server", &[&program(), "doctor", "--config", &config]);
    let bad = String::from_utf8(output.stdout).unwrap();
    assert!(line(&bad, "dhcp-servers", "10.77.0.2 on lan0 leases addresses").starts_with("FAIL"), "{bad}");
    assert!(line(&bad, "bind", "UDP 67, UDP 4011, UDP 69, TCP 80 free").starts_with("pass"), "{bad}");
    // A kernel without packet filter has nothing to check.
    if rejected {
        assert!(line(&bad, "requests", "blocks UDP 69").starts_with("FAIL"), "{bad}");
    }
}
