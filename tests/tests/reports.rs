//! Machines' reports of themselves: by HTTP, by syslog, and the scripts that report.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::net::Ipv4Addr;
use std::process::Output;

use netbootd_tests::netbootd::{ADDRESSES, SERVER};
use netbootd_tests::{DhcpServer, Firmware, Lab, Machine, Netbootd, firmware, loaders};
use serde_json::Value;

const MAC: [u8; 6] = [0x52, 0x54, 0, 0x4c, 1, 0x50];
const MAC_TEXT: &str = "52:54:00:4c:01:50";
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 50);
const RULE: &str = "[[rule]]\nname = \"all\"\naction.boot = { file = \"boot.efi\" }\n";

/// netbootd, a machine that has asked it from 10.77.0.50, and a stranger at 10.77.0.51.
fn site(configuration: &str) -> (Lab, Netbootd) {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    for (host, address) in [("client", "10.77.0.50/24"), ("stranger", "10.77.0.51/24")] {
        lab.add_host(host);
        lab.plug(host, "eth0", "br0", address);
    }
    fs::write(root.join("boot.efi"), "MZ").unwrap();
    let netbootd = Netbootd::start(&lab, &root, &format!("{configuration}{RULE}"));
    firmware::ask_boot_server(&lab, "client", CLIENT, SERVER, MAC);
    netbootd.status_when(&lab, MAC_TEXT, |status| status["steps"].as_array().is_some());
    (lab, netbootd)
}

fn curl(lab: &Lab, host: &str, words: &[&str], path: &str) -> (String, String) {
    let url = format!("http://{SERVER}{path}");
    let all = [&["curl", "-sS", "--max-time", "20", "-w", "\n%{http_code}"], words, &[&url]].concat();
    let Output { stdout, .. } = lab.run(host, &all);
    let text = String::from_utf8(stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.to_owned(), body.to_owned())
}

fn cause(status: &Value) -> Option<&str> {
    status["finding"]["cause"].as_str()
}

#[test]
fn a_report_is_a_step_of_its_own_machine_and_bounded_in_every_way() {
    let (lab, netbootd) = site("[status]\nlisten = \"127.0.0.1:9167\"\n");
    let failed =
        "/report?by=ipxe&state=failed&step=kernel&file=http://10.9.9.9/%3Cb%3Ex&error=4c0a6035&chip=e1000";
    let (status, screen) = curl(&lab, "client", &[], failed);
    assert_eq!(status, "200");
    assert!(screen.starts_with("#!ipxe\n") && screen.contains("echo netbootd: boot 1 "), "{screen}");
    assert!(screen.contains("echo The machine cannot fetch http://10.9.9.9/?b?x"), "{screen}");
    let shown = netbootd.status_when(&lab, MAC_TEXT, |status| cause(status) == Some("script-server-away"));
    assert!(shown["finding"]["headline"].as_str().unwrap().contains("http://10.9.9.9/<b>x"));
    assert!(shown["finding"]["evidence"].to_string().contains("network card e1000"));
    assert_eq!(netbootd.status(&lab, "1")["mac"], MAC_TEXT, "the number on the screen leads to the machine");

    // HTML is text on the page.
    let page = lab.run("server", &["curl", "-sS", &format!("http://127.0.0.1:9167/machines/{MAC_TEXT}")]);
    let page = String::from_utf8(page.stdout).unwrap();
    assert!(page.contains("&lt;b&gt;x") && !page.contains("<b>x"), "{page}");

    // One megabyte is too much, and the machine's other words count all the same.
    let large = lab.folder().join("large");
    fs::write(&large, "<script>alert(1)</script>".repeat(42_000)).unwrap();
    let data = format!("@{}", large.display());
    let (status, _) = curl(&lab, "client", &["--data-binary", &data], "/report?state=failed");
    assert_eq!(status, "413");
    let chunked =
        ["--data-binary", &data, "-H", "Transfer-Encoding: chunked", "-H", "Content-Type: text/plain"];
    assert_eq!(curl(&lab, "client", &chunked, "/report?state=note").0, "413");
    let words = ["--data-binary", "E: <i>\u{1b}[31mno disk</i>\n", "-H", "Content-Type: text/plain"];
    assert_eq!(curl(&lab, "client", &words, "/report?state=failed").0, "200");
    let shown = netbootd.status_when(&lab, MAC_TEXT, |status| cause(status) == Some("system-failed"));
    assert!(shown["finding"]["evidence"].to_string().contains("E: <i> [31mno disk</i>"), "{shown:#}");

    // A sender that is no machine is refused, whatever it says, and changes nothing.
    let forged = format!("/report?state=up&mac={MAC_TEXT}");
    assert_eq!(curl(&lab, "stranger", &["-H", "X-Forwarded-For: 10.77.0.50"], &forged).0, "403");
    assert_eq!(cause(&netbootd.status(&lab, MAC_TEXT)), Some("system-failed"));

    // The call home.
    assert_eq!(curl(&lab, "client", &["-d", "state=up"], "/report").0, "200");
    let shown = netbootd.status_when(&lab, MAC_TEXT, |status| cause(status).is_none());
    assert!(shown["expected"].is_null(), "{shown:#}");
    assert_eq!(shown["steps"].as_array().unwrap().last().unwrap()["what"], "up");

    // A flood is held back, and pushes out no step of the boot.
    let url = format!("http://{SERVER}/report?state=note&text=x&n=[1-200]");
    let codes = lab.run("client", &["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}\n", &url]);
    let codes = String::from_utf8(codes.stdout).unwrap();
    assert!(codes.lines().filter(|code| *code == "429").count() > 100, "{codes}");
    let steps = netbootd.status(&lab, MAC_TEXT)["steps"].clone();
    assert!(steps.as_array().unwrap().iter().any(|step| step["proto"] == "pxe"), "{steps:#}");
    let metrics = lab.run("server", &["curl", "-sS", "http://127.0.0.1:9167/metrics"]);
    let metrics = String::from_utf8(metrics.stdout).unwrap();
    for sample in ["way=\"report\",state=\"too-large\"} 2", "way=\"report\",state=\"no-machine\"} 1"] {
        assert!(metrics.contains(sample), "{metrics}");
    }
}

#[test]
fn reports_can_be_turned_off_and_a_file_of_that_name_is_served() {
    let (lab, netbootd) = site("[reports]\nenabled = false\n");
    fs::write(netbootd.root().join("report"), "a file").unwrap();
    assert_eq!(curl(&lab, "client", &[], "/report?state=failed"), ("200".into(), "a file".into()));
    assert_eq!(curl(&lab, "client", &["-d", "state=failed"], "/report").0, "405");
    let (_, script) = curl(&lab, "client", &[], "/boot.ipxe");
    assert!(!script.contains("/report"), "{script}");
    assert!(cause(&netbootd.status(&lab, MAC_TEXT)).is_none());
}

/// `logger` of util-linux writes RFC 5424 and RFC 3164.
#[test]
fn messages_of_syslog_lie_on_the_timeline_of_the_machine_that_sends_them() {
    let (lab, netbootd) = site("[reports]\nsyslog = true\n");
    let log = |host: &str, words: &[&str]| {
        let logger = ["logger", "--udp", "--server", SERVER, "--port", "514"];
        assert!(lab.run(host, &[&logger, words].concat()).status.success());
    };
    log("client", &["--rfc5424", "-t", "installer", "-p", "user.err", "no root file system"]);
    log("client", &["--rfc3164", "-t", "dhclient", "-p", "daemon.info", "bound to 10.77.0.50"]);
    log("stranger", &["-t", "liar", "I am 10.77.0.50"]);
    let shown = netbootd.status_when(&lab, MAC_TEXT, |status| {
        let steps = status["steps"].as_array().into_iter().flatten();
        steps.filter(|step| step["proto"] == "syslog").count() == 2
    });
    let steps: Vec<&Value> = shown["steps"].as_array().unwrap().iter().rev().take(2).collect();
    let told = |step: &Value| (step["asked"].clone(), step["what"].clone(), step["detail"].clone());
    assert_eq!(told(steps[1]), ("installer".into(), "error".into(), "no root file system".into()));
    assert_eq!(told(steps[0]), ("dhclient".into(), "message".into(), "bound to 10.77.0.50".into()));
    assert!(cause(&shown).is_none(), "an error alone is no finding: {shown:#}");
    assert!(!netbootd.log().contains("liar"));
}

/// iPXE of the network card's ROM, with the built-in script: what is called vmlinuz is none, and
/// too large for a program of BIOS, which any small file could be.
#[test]
fn ipxe_reports_the_step_that_fails_with_its_error_code() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    let _router = DhcpServer::start_router(&mut lab); // iPXE waits for one
    fs::write(root.join("vmlinuz"), vec![0x5a; 2_000_000]).unwrap();
    let rule = "[[rule]]\nname = \"script\"\nmatch = { class = \"ipxe\" }\naction.boot = { file = \"boot.ipxe\", via = \"http\" }\n";
    let netbootd = Netbootd::start(&lab, &root, &format!("{ADDRESSES}{rule}"));
    let machine = Machine::start_as(&lab, Firmware::Bios { card: "virtio-net-pci" }, "br0", 0x61, None);
    netbootd.wait_for("state=\"failed\"", std::time::Duration::from_secs(120));
    let shown = netbootd.status_when(&lab, "52:54:00:4c:01:61", |status| cause(status).is_some());
    assert_eq!(cause(&shown), Some("script-file-refused"), "{shown:#}\n{}", netbootd.log());
    assert!(shown["finding"]["headline"].as_str().unwrap().contains("/vmlinuz"), "{shown:#}");
    let evidence = shown["finding"]["evidence"].to_string();
    assert!(
        evidence.contains("error 2e") && evidence.contains("no image that this iPXE starts"),
        "{evidence}"
    );
    // iPXE's facts about the machine came with the script's beginning.
    assert!(evidence.contains("QEMU") && evidence.contains("network card"), "{evidence}");
    drop(machine);
}

/// UEFI shows iPXE's screen on the serial console.
#[test]
fn the_finding_stands_on_the_machines_own_screen() {
    let script = "[[file]]\npath = \"boot.ipxe\"\ntemplate = \"\"\"\n#!ipxe\n{{ ipxe.started }}\nset step chain\n\
        set file http://10.77.0.1:81/next.ipxe\nchain ${file} || goto failed\n{{ ipxe.failed }}\n\"\"\"\n\
        [[rule]]\nname = \"script\"\nmatch = { class = \"ipxe\" }\naction.boot = { file = \"boot.ipxe\", via = \"http\" }\n\
        [[rule]]\nname = \"uefi\"\nmatch = { class = \"pxe\" }\naction.boot = { file = \"ipxe.efi\" }\n";
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    let _router = DhcpServer::start_router(&mut lab);
    loaders::put(&root, loaders::IPXE_EFI);
    let netbootd = Netbootd::start(&lab, &root, &format!("{ADDRESSES}{script}"));
    let machine = Machine::start_as(&lab, Firmware::UefiPxe, "br0", 0x62, None);
    machine.wait_for("on the server: netbootd status 1");
    machine.wait_for("The machine cannot fetch http://10.77.0.1:81/next.ipxe");
    let shown = netbootd.status_when(&lab, "1", |status| cause(status) == Some("script-server-away"));
    assert!(shown["finding"]["evidence"].to_string().contains("refuses the connection"), "{shown:#}");
}

/// GRUB on UEFI with its module http, and a configuration that reports as the built-in one does.
#[test]
fn grub_reports_the_step_that_fails_and_shows_the_finding() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    loaders::put_payload(&root, "quiet");
    loaders::put_grub(&root, "grub.efi");
    let rule = "[[rule]]\nname = \"uefi\"\naction.boot = { file = \"grub.efi\", via = \"tftp\" }\n\
        [[file]]\npath = \"grub/grub.cfg\"\ntemplate = \"\"\"\n{{ grub.failed }}\nset timeout=0\n\
        menuentry gone {\n  if ! linux /vmlinuz; then failed kernel /vmlinuz; fi\n  \
        if ! initrd /gone.img; then failed initrd /gone.img; fi\n}\n\"\"\"\n";
    let netbootd = Netbootd::start(&lab, &root, &format!("{ADDRESSES}{rule}"));
    let machine = Machine::start_as(&lab, Firmware::UefiPxe, "br0", 0x63, None);
    machine.wait_for("on the server: netbootd status 1");
    let shown = netbootd.status_when(&lab, "1", |status| cause(status) == Some("file-not-found"));
    assert!(shown["finding"]["headline"].as_str().unwrap().contains("gone.img"), "{shown:#}");
    let evidence = shown["finding"]["evidence"].to_string();
    assert!(evidence.contains("GRUB reports: initrd /gone.img"), "{evidence}\n{}", netbootd.log());
    drop(machine);
}

/// The lines that the handbook gives for preseed and kickstart, run by their interpreters: busybox,
/// which Debian's installer is made of, and the shell with curl.
#[test]
fn the_lines_of_the_handbook_report_from_installers() {
    let (lab, netbootd) = site("");
    let line = handbook_line;
    let cmdline = lab.folder().join("cmdline");
    fs::write(&cmdline, format!("quiet netbootd.report=http://{SERVER}/report priority=high\n")).unwrap();
    let log = lab.folder().join("anaconda.log");
    fs::write(&log, "INF: starting\nERR: no usable disk was found\n").unwrap();

    // Its applets alone, as in the installer, and the kernel's arguments of the booted machine.
    let applets = lab.folder().join("applets");
    fs::create_dir(&applets).unwrap();
    let install = format!(
        "mount --bind {} /proc/cmdline && busybox --install -s {applets} && PATH={applets} exec busybox sh -c \"$1\"",
        cmdline.display(),
        applets = applets.display()
    );
    let in_installer = |line: &str| {
        let output = lab.run("client", &["unshare", "-m", "sh", "-c", &install, "sh", line]);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let in_shell = |line: &str| {
        let line = line.replace("/tmp/anaconda.log", &log.display().to_string());
        assert!(lab.run("client", &["sh", "-c", &line]).status.success(), "{line}");
    };
    in_shell(&line(&["tail -n 50 /tmp/anaconda.log", "state=failed"]));
    let shown = netbootd.status_when(&lab, MAC_TEXT, |status| cause(status) == Some("system-failed"));
    assert!(shown["finding"]["evidence"].to_string().contains("no usable disk was found"), "{shown:#}");
    in_shell(&line(&["curl -s -d state=up"]));
    netbootd.status_when(&lab, MAC_TEXT, |status| cause(status).is_none());
    in_shell(&line(&["tail -n 50 /tmp/anaconda.log", "state=failed"]));
    netbootd.status_when(&lab, MAC_TEXT, |status| cause(status) == Some("system-failed"));
    in_installer(&line(&["wget -qO- --post-data=state=up"]));
    let shown = netbootd.status_when(&lab, MAC_TEXT, |status| cause(status).is_none());
    assert_eq!(shown["steps"].as_array().unwrap().last().unwrap()["what"], "up");
    // The value for its card is empty where there is none, and no error.
    in_installer(&line(&["/sys/class/net/*/device", "state=up"]));
    netbootd.status_when(&lab, MAC_TEXT, |status| cause(status).is_none());
}

/// The line of the handbook that has all of these words, with the address of this site's server.
fn handbook_line(words: &[&str]) -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/troubleshooting.md");
    let page = fs::read_to_string(page).unwrap();
    let line = page.lines().find(|line| words.iter().all(|word| line.contains(word)));
    line.unwrap().trim().replace("10.0.0.1", SERVER)
}
