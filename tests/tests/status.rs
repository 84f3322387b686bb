//! The operators' view of a running netbootd, over HTTP, HTTPS and on the command line.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use netbootd_tests::firmware;
use netbootd_tests::netbootd::{SERVER, program, write_secret};
use netbootd_tests::{Authority, DhcpServer, Lab, Netbootd, Process, wait};
use serde_json::Value;

const MAC: &str = "52:54:00:4c:01:01";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

struct Site {
    lab: Lab,
    netbootd: Netbootd,
    configuration: String,
}

impl Site {
    fn new(configuration: &str) -> Self {
        Site::prepared(configuration, |_| {})
    }

    /// With more files beside the configuration.
    fn prepared(configuration: &str, prepare: impl FnOnce(&Path)) -> Self {
        let mut lab = Lab::new();
        let root = Netbootd::prepare(&mut lab);
        prepare(&lab.folder());
        lab.add_host("client");
        lab.plug("client", "eth0", "br0", "10.77.0.50/24");
        fs::write(lab.folder().join("devices.csv"), "name,mac,image\nother,52:54:00:4c:01:02,winpe\n")
            .unwrap();
        write_secret(&lab.folder().join("token"), &format!("{TOKEN}\n"));
        let rule = "[[rule]]\nname = \"menu\"\nmatch = { arch = \"x64-uefi\" }\naction.boot = { file = \"menu.efi\" }\n";
        fs::write(root.join("menu.efi"), vec![0x5a; 300_000]).unwrap();
        let configuration = format!("{configuration}{rule}");
        let netbootd = Netbootd::start(&lab, &root, &configuration);
        Site { lab, netbootd, configuration }
    }

    fn restarted(self) -> Self {
        let Site { lab, netbootd, configuration } = self;
        let root = netbootd.root().to_owned();
        drop(netbootd);
        let netbootd = Netbootd::start(&lab, &root, &configuration);
        Site { lab, netbootd, configuration }
    }

    /// The body of an answer, and its status.
    fn curl(&self, words: &[&str]) -> (String, String) {
        let out = self.lab.run("server", &[&["curl", "-sS", "-w", "\n%{http_code}"], words].concat());
        let text = String::from_utf8(out.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (body.to_owned(), status.to_owned())
    }

    fn get(&self, path: &str) -> Value {
        let (body, status) = self.curl(&[&format!("http://127.0.0.1:9167{path}")]);
        assert_eq!(status, "200", "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// The machine's finding, once there is one.
    fn finding(&self) -> Value {
        let device = || self.get(&format!("/devices/{MAC}"));
        let finding = || Some(device()["finding"].clone()).filter(|finding| !finding.is_null());
        wait::for_some(Duration::from_secs(20), finding, || format!("no finding in {:#}", device()))
    }

    fn probe(&self, words: &[&str]) -> bool {
        self.lab.run("client", &[&[program().as_str(), "probe"], words].concat()).status.success()
    }

    fn netbootd(&self, words: &[&str]) -> String {
        let config = self.lab.folder().join("netbootd.toml").display().to_string();
        let out = self.lab.run("server", &[&[program().as_str()], words, &["--config", &config]].concat());
        String::from_utf8(out.stdout).unwrap()
    }
}

#[test]
fn a_machines_steps_and_what_is_wrong_are_shown_while_they_happen() {
    let site = Site::new("");
    assert_eq!(site.get("/devices"), Value::Array(Vec::new()));
    assert!(site.netbootd(&["status"]).contains("no machine seen yet"));
    assert!(site.probe(&["pxe", SERVER, "--mac", MAC, "--timeout", "1"]));
    assert!(site.probe(&["tftp", "--as-machine", SERVER, "menu.efi"]));
    let device = site.get(&format!("/devices/{MAC}"));
    let steps: Vec<String> = device["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| format!("{} {}", step["proto"], step["what"]))
        .collect();
    assert_eq!(steps, ["\"pxe\" \"ack\"", "\"tftp\" \"transfer\"", "\"tftp\" \"completed\""]);
    assert_eq!(device["finding"], Value::Null);
    assert!(device["steps"][0]["asked"].as_str().unwrap().ends_with(" probe"), "{device}");
    assert_eq!(device["steps"][2]["bytes"], 300_000);
    // A test by the administrator from the machine's address is not the machine's boot.
    assert!(!site.probe(&["tftp", SERVER, "no-such-file"]));
    assert!(!site.probe(&["http", &format!("http://{SERVER}/no-such-file")]));
    assert!(site.probe(&["tftp", SERVER, "menu.efi"]));
    assert_eq!(site.get(&format!("/devices/{MAC}"))["steps"].as_array().unwrap().len(), 3);
    // A file that is not there has a finding once the machine does not go on.
    assert!(!site.probe(&["tftp", "--as-machine", SERVER, "winpe\\boot\\x64\\<b>bootmgr.exe"]));
    let finding = site.finding();
    assert_eq!(finding["cause"], "file-not-found");
    assert!(finding["headline"].as_str().unwrap().contains("bootmgr.exe"), "{finding}");
    let text = site.netbootd(&["status", MAC]);
    for words in ["pxe ack", "completed", "292.97 KiB in ", "file-not-found", "-> put the file where"] {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
    assert!(text.contains("asked as ") && text.contains("Expected next: the program goes on"), "{text}");
    let explained: Value =
        serde_json::from_str(&site.netbootd(&["explain", "--mac", MAC, "--json"])).unwrap();
    assert_eq!(
        (explained["decision"].as_str(), explained["reason"].as_str(), explained["boot_file"].as_str()),
        (Some("boot"), Some("rule"), Some("menu.efi"))
    );
    let listed = site.netbootd(&["status", "4c:01"]);
    assert!(listed.contains(MAC) && listed.contains("file-not-found"), "{listed}");
    assert_eq!(site.get("/devices?search=nobody"), Value::Array(Vec::new()));
    assert_eq!(site.get("/devices?search=52:54").as_array().unwrap().len(), 1);
    let status = site.get("/status");
    assert_eq!((status["machines"].as_u64(), status["mode"].as_str()), (Some(1), Some("proxy")));
    // The steps are still known after a restart.
    let deadline = Instant::now() + Duration::from_secs(10);
    while site.get(&format!("/devices/{MAC}/history")).as_array().unwrap().len() < 4 {
        assert!(Instant::now() < deadline, "the steps are not on the disk");
    }
    let site = site.restarted();
    assert_eq!(site.get("/devices"), Value::Array(Vec::new()));
    let history = site.netbootd(&["status", MAC, "--history"]);
    assert!(history.contains("pxe ack") && history.contains("bootmgr.exe"), "{history}");
    assert!(!history.contains("no-such-file"), "{history}");
    for word in ["4c:01:01", "MENU.efi", "not-found"] {
        let found = site.netbootd(&["status", word, "--history"]);
        assert!(found.starts_with(MAC) && found.lines().count() == 1, "{word}: {found}");
    }
    assert_eq!(site.netbootd(&["status", "nobody", "--history"]), "");
    let (_, missing) = site.curl(&["http://127.0.0.1:9167/devices/02:00:00:00:00:99"]);
    let (_, nonsense) = site.curl(&["http://127.0.0.1:9167/devices/%00%ff"]);
    assert_eq!((missing.as_str(), nonsense.as_str()), ("404", "400"));
    let (_, health) = site.curl(&["http://127.0.0.1:9167/healthz"]);
    assert_eq!(health, "200");
    let refused =
        site.lab.run("client", &["curl", "-sS", "--max-time", "2", &format!("http://{SERVER}:9167/status")]);
    assert!(!refused.status.success(), "it listens on loopback only");
}

#[test]
fn another_servers_boot_file_is_named_when_a_machine_does_not_go_on() {
    let mut site = Site::new("");
    // A client on this host still can.
    let probe = site.lab.run("server", &[&program(), "probe", "pxe", "--iface", "lan0", "--timeout", "1"]);
    assert!(!String::from_utf8_lossy(&probe.stderr).contains("in use"), "{probe:?}");
    let _other = DhcpServer::start_with_boot_file(&mut site.lab, "boot/x64/wdsnbp.com");
    let deadline = Instant::now() + Duration::from_secs(30);
    let device = loop {
        // It asks, hears both, and asks nobody for a file.
        firmware::ask(&site.lab, "client", [[0x52, 0x54, 0, 0x4c, 1, 1]]);
        let device = site.get(&format!("/devices/{MAC}"));
        if device.to_string().contains("other-offer") {
            break device;
        }
        assert!(Instant::now() < deadline, "{device}\n{}", site.netbootd.log());
    };
    assert!(!device["steps"].to_string().contains("10.77.0.1 offers"), "its own offers are none");
    let finding = site.finding();
    assert_eq!(finding["cause"], "another-server", "{finding}");
    let seen = finding["evidence"][0].as_str().unwrap();
    assert!(seen.contains("10.77.0.2 offers boot file boot/x64/wdsnbp.com, next server"), "{seen}");
}

#[test]
fn metrics_are_what_prometheus_wants() {
    let site = Site::new("");
    assert!(site.probe(&["pxe", SERVER, "--mac", MAC, "--timeout", "1"]));
    assert!(site.probe(&["tftp", "--as-machine", SERVER, "menu.efi"]));
    let (text, status) = site.curl(&["http://127.0.0.1:9167/metrics"]);
    assert_eq!(status, "200");
    for sample in [
        "netbootd_decisions_total{decision=\"ack\",reason=\"rule\"} 1",
        "netbootd_file_requests_total{proto=\"tftp\",outcome=\"completed\"} 1",
        "netbootd_transfer_bytes_total{proto=\"tftp\"} 300000",
        "netbootd_machines 1",
    ] {
        assert!(text.contains(sample), "{sample} is not in {text}");
    }
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let checked = promtool.wait_with_output().unwrap();
    let said =
        String::from_utf8_lossy(&checked.stderr).into_owned() + &String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && said.is_empty(), "{said}");
}

/// The rules for Prometheus and the dashboard for Grafana name metrics that exist, and Prometheus
/// accepts the rules.
#[test]
fn rules_and_dashboard_use_metrics_that_exist() {
    let site = Site::new("");
    let (text, _) = site.curl(&["http://127.0.0.1:9167/metrics"]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pkg/monitoring");
    for file in ["netbootd.rules.yml", "grafana-dashboard.json"] {
        let content = fs::read_to_string(folder.join(file)).unwrap();
        let words = content.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let used: Vec<&str> = words.filter(|word| word.starts_with("netbootd_")).collect();
        assert!(used.len() > 5);
        for name in used {
            assert!(text.contains(&format!("# TYPE {name} ")), "{file}: {name}");
        }
    }
    let rules = folder.join("netbootd.rules.yml").display().to_string();
    let checked = site.lab.run("server", &["promtool", "check", "rules", &rules]);
    assert!(checked.status.success());
}

#[test]
fn an_action_needs_the_token() {
    let site = Site::new(
        "[policy]\nunknown-machines = \"approve\"\n[devices]\nfile = \"devices.csv\"\n[status]\ntoken-file = \"token\"\n",
    );
    let url = format!("http://127.0.0.1:9167/pending/{MAC}/approve");
    let (body, status) = site.curl(&["-X", "POST", &url]);
    assert_eq!(status, "401", "{body}");
    for wrong in ["Bearer ", "Bearer 0123456789abcdef0123456789abcdee", "Basic x"] {
        let (_, status) = site.curl(&["-X", "POST", "-H", &format!("Authorization: {wrong}"), &url]);
        assert_eq!(status, "401", "{wrong}");
    }
    assert!(!site.probe(&["pxe", SERVER, "--mac", MAC, "--timeout", "1"]), "it waits");
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let (body, status) = site.curl(&["-X", "POST", "-H", &bearer, &url]);
    assert_eq!(status, "200", "{body}");
    assert!(site.probe(&["pxe", SERVER, "--mac", MAC, "--timeout", "1"]), "it was approved");
    let (_, status) = site.curl(&["-X", "POST", "-H", &bearer, "http://127.0.0.1:9167/rescan"]);
    assert_eq!(status, "200");
}

/// Event streams that one address may hold (docs/limits.md).
const STREAMS_OF_A_PEER: usize = 24;

#[test]
fn events_arrive_as_they_happen_and_streams_are_bounded() {
    let site = Site::new("");
    let stream = |n: u32| {
        let mut command = site.lab.command("server", "curl");
        Process::start(&format!("stream {n}"), command.args(["-sSN", "http://127.0.0.1:9167/events"]))
    };
    let config = site.lab.folder().join("netbootd.toml").display().to_string();
    let mut watch = site.lab.command("server", &program());
    let watch = Process::start("watch", watch.args(["watch", "4c:01", "--config", &config]));
    let deadline = Instant::now() + Duration::from_secs(60);
    // It has its place once it shows what happens.
    while !watch.printed().contains("pxe ack") {
        assert!(Instant::now() < deadline, "{}", watch.printed());
        site.probe(&["pxe", SERVER, "--mac", MAC, "--timeout", "1"]);
    }
    let streams: Vec<Process> = (0..70).map(stream).collect();
    let refused = |stream: &&Process| stream.printed().contains("too many event streams");
    let bounded = || streams.iter().filter(refused).count() >= 70 - STREAMS_OF_A_PEER;
    wait::until(Duration::from_secs(60), bounded, || "streams without end".into());
    assert_eq!(site.curl(&["--max-time", "1", "http://127.0.0.1:9167/events"]).1, "503");
    // The boot path goes on meanwhile.
    assert!(site.probe(&["pxe", SERVER, "--mac", MAC, "--timeout", "1"]));
    assert!(site.probe(&["tftp", "--as-machine", SERVER, "menu.efi"]));
    watch.wait_for("tftp completed", Duration::from_secs(10));
    assert!(watch.printed().contains("52:54:00:4c:01:01  pxe ack menu.efi (asked as "));
    let served: Vec<&Process> = streams.iter().filter(|stream| !refused(stream)).collect();
    assert_eq!(served.len(), STREAMS_OF_A_PEER);
    for stream in served {
        stream.wait_for("\"what\":\"completed\"", Duration::from_secs(20));
        assert!(stream.printed().contains("\"what\":\"ack\""), "{}", stream.printed());
    }
}

#[test]
fn it_speaks_tls_with_a_certificate_of_its_own() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    let authority = Authority::new(&lab.folder());
    let certificate = authority.sign("status", "DNS:boot.nb.test,IP:10.77.0.1", 30);
    let config = format!(
        "[status]\nlisten = \"10.77.0.1:9443\"\ncertificate = {:?}\nkey = {:?}\n",
        certificate.certificate, certificate.key
    );
    let _netbootd = Netbootd::start(&lab, &root, &config);
    let ca = authority.certificate().display().to_string();
    lab.add_host("client");
    lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    let get = |words: &[&str]| {
        lab.run(
            "client",
            &[&["curl", "-sS", "--max-time", "5"], words, &["https://10.77.0.1:9443/status"]].concat(),
        )
    };
    assert!(String::from_utf8_lossy(&get(&["--cacert", &ca]).stdout).contains("\"version\""));
    assert!(!get(&[]).status.success(), "nobody else vouches for it");
}

#[test]
fn each_role_may_do_its_part_and_the_api_has_a_folder_of_its_own() {
    let operator = |name: &str, role: &str| {
        format!("[[status.operator]]\nname = \"{name}\"\nrole = \"{role}\"\ntoken-file = \"{name}\"\n")
    };
    let configuration = format!(
        "[policy]\nunknown-machines = \"approve\"\n[devices]\nfile = \"devices.csv\"\n[status]\ntoken-file = \"token\"\n{}{}",
        operator("anna", "operator"),
        operator("eve", "viewer")
    );
    let (anna, eve) = ("aaaaaaaaaaaaaaaaaaaaaaaa", "eeeeeeeeeeeeeeeeeeeeeeee");
    let site = Site::prepared(&configuration, |folder| {
        write_secret(&folder.join("anna"), &format!("{anna}\n"));
        write_secret(&folder.join("eve"), &format!("{eve}\n"));
    });
    let post = |token: &str, path: &str| {
        let bearer = format!("Authorization: Bearer {token}");
        site.curl(&["-X", "POST", "-H", &bearer, &format!("http://127.0.0.1:9167{path}")])
    };
    let approve = format!("/api/pending/{MAC}/approve");
    let (words, status) = post(eve, &approve);
    assert_eq!((status.as_str(), words.contains("eve needs the role operator")), ("403", true), "{words}");
    assert_eq!(post(anna, &approve).1, "200");
    assert_eq!(post(anna, "/api/reload").1, "403");
    assert_eq!(post(TOKEN, "/api/reload").1, "200");
    assert_eq!(post("nobody's token, long enough", &approve).1, "401");
    // With the folder and, for a release, without it; browsers get a page where both have one.
    for path in ["/api/status", "/status", "/api/openapi.json", "/api/images", "/images"] {
        site.get(path);
    }
    let (page, _) = site.curl(&["-H", "Accept: text/html", "http://127.0.0.1:9167/images"]);
    assert!(page.contains("<h1>Images</h1>"), "{page}");
    // All of it is in the audit, with what a change changed.
    let (audit, _) = site.curl(&["http://127.0.0.1:9167/server/audit.csv"]);
    let first = format!("anna,127.0.0.1,POST /pending/{MAC}/approve,200,undecided,approved");
    assert!(audit.contains(&first) && audit.contains("admin,127.0.0.1,POST /reload,200"), "{audit}");
    site.netbootd(&["pending", "reject", MAC]);
    let (audit, _) = site.curl(&["http://127.0.0.1:9167/server/audit.csv?q=command"]);
    assert!(audit.contains("command line,,") && audit.contains("approved,rejected"), "{audit}");
}
