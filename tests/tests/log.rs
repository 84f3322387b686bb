//! Where log lines go: a file that rotates, the journal of systemd, and no further than a stranger
//! may make them.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use netbootd_tests::netbootd::{SERVER, program};
use netbootd_tests::{Lab, Netbootd, Process, firmware};

const RULE: &str = "[[rule]]\nname = \"menu\"\naction.boot = { file = \"menu.efi\" }\n";
const MAC: &str = "52:54:00:4c:01:01";

fn lab() -> (Lab, PathBuf) {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    lab.add_host("client");
    lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    fs::write(root.join("menu.efi"), "menu").unwrap();
    (lab, root)
}

/// The words that serve with these settings of the server itself.
fn serve(lab: &Lab, root: &Path, server: &str) -> Vec<String> {
    let config = lab.folder().join("netbootd.toml");
    let state = lab.folder().join("state");
    let text = format!(
        "[server]\nuser = \"root\"\nstate-dir = {state:?}\ninterfaces = [\"lan0\"]\n{server}[boot]\nroot = {root:?}\n{RULE}"
    );
    fs::write(&config, text).unwrap();
    vec![program(), "serve".into(), "--config".into(), config.display().to_string()]
}

/// Whether a machine that asks is answered.
fn is_answered(lab: &Lab, mac: &str) -> bool {
    let mut probe = lab.command("client", &program());
    probe.args(["probe", "pxe", SERVER, "--mac", mac, "--timeout", "1"]);
    probe.output().unwrap().status.success()
}

fn machine(n: u8) -> [u8; 6] {
    [0x52, 0x54, 0, 0x4c, 1, n]
}

#[test]
fn a_machine_that_repeats_itself_fills_no_log() {
    let (lab, root) = lab();
    let netbootd = Netbootd::start(&lab, &root, RULE);
    firmware::ask(&lab, "client", [[machine(1); 200].as_slice(), &[machine(2); 100]].concat());
    netbootd.wait_for("52:54:00:4c:01:02", Duration::from_secs(10));
    let log = netbootd.log();
    let offers = log.lines().filter(|line| line.contains("offer") && line.contains(MAC)).count();
    assert_eq!(offers, 30, "{log}");
    assert!(log.contains("suppressed by the rate limit") && log.contains("lines=170"), "{log}");
    let counted = lab.run("server", &["curl", "-sS", "http://127.0.0.1:9167/metrics"]);
    let counted = String::from_utf8(counted.stdout).unwrap();
    let all = "netbootd_decisions_total{decision=\"offer\",reason=\"rule\"} 300";
    assert!(counted.contains(all), "{counted}");
}

#[test]
fn a_log_file_is_put_aside_when_it_is_full() {
    let (lab, root) = lab();
    let file = lab.folder().join("netbootd.log");
    let words = serve(&lab, &root, &format!("log-file = {file:?}\nlog-max-size = \"2000\"\nlog-keep = 2\n"));
    let _netbootd = Process::start("netbootd", lab.command("server", &words[0]).args(&words[1..]));
    let deadline = Instant::now() + Duration::from_secs(60);
    let part = |suffix: &str| {
        fs::read_to_string(lab.folder().join(format!("netbootd.log{suffix}"))).unwrap_or_default()
    };
    while !part("").contains(" ready ") {
        assert!(Instant::now() < deadline, "{}", part(""));
        std::thread::yield_now();
    }
    firmware::ask(&lab, "client", (1..=12).map(machine));
    let whole = || part(".2") + &part(".1") + &part("");
    let is_there = |n: u8| whole().contains(&format!("52:54:00:4c:01:{n:02x}"));
    while !is_there(12) {
        assert!(Instant::now() < deadline, "{}", whole());
        std::thread::yield_now();
    }
    assert!((1..=12).all(is_there) && whole().contains(" ready ") && !part(".1").is_empty(), "{}", whole());
    firmware::ask(&lab, "client", (13..=60).map(machine));
    while !is_there(60) {
        assert!(Instant::now() < deadline, "{}", whole());
        std::thread::yield_now();
    }
    assert!(!whole().contains(" ready ") && part(".3").is_empty(), "the oldest goes");
}

/// Systemd's own journal, with folders of its own.
#[test]
fn the_journal_has_every_field() {
    let (lab, root) = lab();
    let words = serve(&lab, &root, "log = \"journald\"\n");
    // A network namespace's own /sys has no control groups, and the journal wants some.
    let script = "mount -t cgroup2 cgroup2 /sys/fs/cgroup
        mount -t tmpfs tmpfs /run/systemd && mkdir -p /run/systemd/journal /run/log/journal
        mount -t tmpfs tmpfs /run/log/journal
        /lib/systemd/systemd-journald &
        until [ -S /run/systemd/journal/io.systemd.journal ]; do sleep 0.05; done
        \"$@\" &
        until journalctl --quiet --no-pager -o json F_MAC=52:54:00:4c:01:01 | grep F_REASON; do sleep 0.2; done
        wait";
    let mut command = lab.command("server", "unshare");
    command.args(["--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", script, "sh"]);
    let journal = Process::start("journal", command.args(&words));
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_answered(&lab, MAC) {
        assert!(Instant::now() < deadline, "{}", journal.printed());
    }
    journal.wait_for("\"F_REASON\":\"rule\"", Duration::from_secs(20));
    let entry = journal.printed();
    for field in ["\"MESSAGE\":\"ack\"", "\"F_PROTO\":\"pxe\"", "\"SYSLOG_IDENTIFIER\":\"netbootd\""] {
        assert!(entry.contains(field), "{field} is not in {entry}");
    }
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let (lab, root) = lab();
    let _netbootd = Netbootd::start(&lab, &root, RULE);
    assert!(is_answered(&lab, MAC));
    let config = lab.folder().join("netbootd.toml").display().to_string();
    let words = format!("{} status {MAC} --config {config}", program());
    let shown = |on_terminal: bool, no_color: &str| {
        let mut command = lab.command("server", if on_terminal { "script" } else { "env" });
        if on_terminal {
            command.args(["-qec", &words, "/dev/null"]);
        } else {
            command.args(words.split(' '));
        }
        let output = command.env("TERM", "xterm").env("NO_COLOR", no_color).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let coloured = shown(true, "");
    assert!(coloured.contains("\u{1b}[") && coloured.contains("ack"), "{coloured:?}");
    for plain in [shown(true, "1"), shown(false, "")] {
        assert!(!plain.contains('\u{1b}') && plain.contains("ack"), "{plain:?}");
    }
}
