//! Findings go to webhooks, to `netbootd watch --findings` and to Prometheus, and hold up no boot.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use netbootd_tests::certificate::Authority;
use netbootd_tests::hook::{Hook, Received};
use netbootd_tests::netbootd::{SERVER, program, write_secret};
use netbootd_tests::{Lab, Netbootd, Process, firmware};
use serde_json::Value;

const MAC: [u8; 6] = [0x52, 0x54, 0, 0x4c, 1, 0x50];
const MAC_TEXT: &str = "52:54:00:4c:01:50";
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 50);
const SECRET: &str = "a secret of the receiver's";
const PATIENCE: Duration = Duration::from_secs(20);

fn report(lab: &Lab, form: &str) {
    let url = format!("http://{SERVER}/report?{form}");
    assert!(lab.run("client", &["curl", "-sSf", &url]).status.success());
}

/// Checks a signature as openssl makes it.
fn is_signed(lab: &Lab, received: &Received) -> bool {
    let message = lab.folder().join("message");
    fs::write(&message, [received.timestamp.as_bytes(), b".", &received.body].concat()).unwrap();
    let made = Command::new("openssl").args(["dgst", "-sha256", "-hmac", SECRET]).arg(&message).output();
    let made = String::from_utf8(made.unwrap().stdout).unwrap();
    received.signature.strip_prefix("sha256=") == made.trim().rsplit_once("= ").map(|(_, digits)| digits)
}

/// A machine, a receiver of messages, a boot file and the receiver's secret.
fn lab() -> (Lab, PathBuf) {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    for (host, address) in [("client", "10.77.0.50/24"), ("monitor", "10.77.0.60/24")] {
        lab.add_host(host);
        lab.plug(host, "eth0", "br0", address);
    }
    fs::write(root.join("boot.efi"), "MZ").unwrap();
    write_secret(&lab.folder().join("hook.secret"), SECRET);
    (lab, root)
}

#[test]
fn a_webhook_is_signed_and_retried_and_one_that_hangs_holds_up_nothing() {
    let (lab, root) = lab();
    Hook::hang(&lab, "monitor", 8001);
    let hook = Hook::listen(&lab, "monitor", 8000, &[500, 503]);
    let errors = Hook::listen(&lab, "monitor", 8002, &[]);
    let config = "[status]\nlisten = \"127.0.0.1:9167\"\n\
        [[webhook]]\nurl = \"http://10.77.0.60:8001/hangs\"\n\
        [[webhook]]\nurl = \"http://10.77.0.60:8000/hook\"\nsecret-file = \"hook.secret\"\n\
        [[webhook]]\nurl = \"http://10.77.0.60:8002/errors\"\nseverity = \"error\"\n\
        [[rule]]\nname = \"all\"\naction.boot = { file = \"boot.efi\" }\n";
    let netbootd = Netbootd::start(&lab, &root, config);
    let file = lab.folder().join("netbootd.toml").display().to_string();
    let watch = |words: &[&str]| {
        let mut command = lab.command("server", &program());
        Process::start("watch", command.args(["watch", "--findings", "--config", &file]).args(words))
    };
    let (lines, json) = (watch(&[]), watch(&["--json"]));
    netbootd.logged(&["ready"]);
    firmware::ask_boot_server(&lab, "client", CLIENT, SERVER, MAC);
    netbootd.status_when(&lab, MAC_TEXT, |status| status["steps"].is_array());

    report(&lab, "by=ipxe&state=failed&step=kernel&file=http://10.9.9.9/vmlinuz&error=4c0a6035");
    let tries: Vec<Received> = (0..3).map(|_| hook.next(PATIENCE).expect("it is tried again")).collect();
    assert_eq!(tries.iter().map(|one| one.answered).collect::<Vec<_>>(), [500, 503, 200]);
    assert!(tries.iter().all(|one| is_signed(&lab, one)));
    let opened = tries[2].json();
    assert_eq!(opened, tries[0].json(), "each try carries the same message");
    assert_eq!((&opened["event"], &opened["mac"]), (&Value::from("opened"), &Value::from(MAC_TEXT)));
    assert_eq!((&opened["cause"], &opened["severity"]), (&"script-server-away".into(), &"error".into()));
    assert!(opened["headline"].as_str().unwrap().contains("http://10.9.9.9/vmlinuz"));
    assert!(opened["boot"].as_u64() == Some(1) && !opened["cure"].as_str().unwrap().is_empty());

    // The receiver that hangs holds up neither the others nor a boot.
    assert!(firmware::is_answered(&lab, "client", CLIENT, Some(SERVER), MAC));
    report(&lab, "state=up");
    let ended = hook.next(PATIENCE).unwrap().json();
    assert_eq!((&ended["event"], &ended["cause"]), (&"ended".into(), &"script-server-away".into()));
    assert_eq!(errors.next(PATIENCE).unwrap().json()["event"], "opened");

    lines
        .wait_for_line(&[MAC_TEXT, "opened", "error script-server-away: The machine cannot fetch"], PATIENCE);
    lines.wait_for_line(&[MAC_TEXT, "ended"], PATIENCE);
    json.wait_for_line(&["\"event\":\"opened\"", "\"cause\":\"script-server-away\""], PATIENCE);
    let metrics = lab.run("server", &["curl", "-sS", "http://127.0.0.1:9167/metrics"]);
    let metrics = String::from_utf8(metrics.stdout).unwrap();
    for sample in [
        "netbootd_findings_total{cause=\"script-server-away\"} 1\n",
        "netbootd_findings_open{severity=\"error\"} ",
        "netbootd_webhook_messages_total{outcome=\"dropped\"} 0\n",
    ] {
        assert!(metrics.contains(sample), "{metrics}");
    }
}

#[test]
fn a_webhook_by_https_reaches_a_receiver_with_a_good_certificate_alone() {
    let (lab, root) = lab();
    let authority = Authority::new(&lab.folder());
    let good = authority.sign("good", "IP:10.77.0.60", 5);
    let other = authority.sign("other", "DNS:hooks.example", 5);
    let old = authority.sign("old", "IP:10.77.0.60", -2);
    let good = Hook::listen_tls(&lab, "monitor", 8443, &good);
    let other = Hook::listen_tls(&lab, "monitor", 8444, &other);
    let old = Hook::listen_tls(&lab, "monitor", 8445, &old);
    let hook = |port: u16| {
        format!(
            "[[webhook]]\nurl = \"https://10.77.0.60:{port}/hook\"\nca = \"ca.pem\"\n\
             secret-file = \"hook.secret\"\n"
        )
    };
    let rule = "[[rule]]\nname = \"all\"\naction.boot = { file = \"boot.efi\" }\n";
    let config = format!("{}{}{}{rule}", hook(8443), hook(8444), hook(8445));
    let netbootd = Netbootd::start(&lab, &root, &config);
    netbootd.logged(&["ready"]);
    firmware::ask_boot_server(&lab, "client", CLIENT, SERVER, MAC);
    netbootd.status_when(&lab, MAC_TEXT, |status| status["steps"].is_array());

    report(&lab, "by=ipxe&state=failed&step=kernel&file=http://10.9.9.9/vmlinuz&error=4c0a6035");
    let received = good.next(PATIENCE).expect("it comes");
    assert!(is_signed(&lab, &received));
    assert_eq!(received.json()["cause"], "script-server-away");
    // Each is tried, and nothing of the message leaves.
    netbootd.logged(&["a message to the webhook waits", "8444", "certificate"]);
    netbootd.logged(&["a message to the webhook waits", "8445", "certificate"]);
    assert!(other.next(Duration::ZERO).is_none() && old.next(Duration::ZERO).is_none());
}
