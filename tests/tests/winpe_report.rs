//! The report of a started Windows PE: the generated scripts, run by Wine's `cmd` and Windows Script
//! Host against the running daemon. Wine is not Windows PE; it shows that the scripts' words work.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use netbootd_tests::netbootd::SERVER;
use netbootd_tests::wine::Wine;
use netbootd_tests::{Lab, Netbootd, firmware};
use serde_json::Value;

const MAC: [u8; 6] = [0x52, 0x54, 0, 0x4c, 1, 0x51];
const MAC_TEXT: &str = "52:54:00:4c:01:51";
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 50);
const RULE: &str = "[winpe]\nwimboot = \"wimboot\"\n[unattended]\nwinpe = \"unattend.xml\"\n\
    [[rule]]\nname = \"pe\"\naction.boot = { file = \"winpe/wimboot.ipxe\" }\n";

/// netbootd, and a machine that has asked it.
fn site(configuration: &str) -> (Lab, Netbootd) {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    lab.add_host("client");
    lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    for file in ["wimboot", "winpe/sources/boot.wim", "winpe/boot/boot.sdi"] {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "MZ").unwrap();
    }
    fs::write(lab.folder().join("unattend.xml"), "<unattend/>").unwrap();
    let netbootd = Netbootd::start(&lab, &root, &format!("{configuration}{RULE}"));
    firmware::ask_boot_server(&lab, "client", CLIENT, SERVER, MAC);
    netbootd.status_when(&lab, MAC_TEXT, |status| status["steps"].as_array().is_some());
    (lab, netbootd)
}

/// Puts the small files that iPXE's script names where wimboot shows them; gives their names.
fn put_by_wimboot(lab: &Lab, wine: &Wine<'_>) -> Vec<String> {
    let get = |url: &str| lab.run("client", &["curl", "-sSf", url]).stdout;
    let script = String::from_utf8(get(&format!("http://{SERVER}/winpe/wimboot.ipxe"))).unwrap();
    let lines: Vec<&str> = script.lines().collect();
    let mut names = Vec::new();
    for pair in lines.windows(2) {
        let name = pair[1].strip_prefix("initrd --name ").and_then(|rest| rest.split(' ').next());
        let Some((url, name)) = pair[0].strip_prefix("set file ").zip(name) else { continue };
        if ["xml", "cmd", "ini", "js"].iter().any(|kind| name.ends_with(&format!(".{kind}"))) {
            fs::write(wine.system().join(name), get(url)).unwrap();
            names.push(name.to_owned());
        }
    }
    names
}

/// Runs what winpeshl.ini names; gives what is on the screen.
fn start_windows_pe(wine: &Wine<'_>) -> String {
    wine.lend(Path::new("/bin/true"), "wpeinit.exe");
    let screen = wine.run(&["cmd", "/c", "C:\\windows\\system32\\netbootd.cmd"]);
    assert!(wine.drive().join("unattend.xml").exists(), "{screen}");
    for word in ["recognize", "rror", "annot"] {
        assert!(!screen.contains(word), "{screen}");
    }
    screen
}

fn reports(status: &Value) -> Vec<&Value> {
    let steps = status["steps"].as_array().into_iter().flatten();
    steps.filter(|step| step["proto"] == "report").collect()
}

#[test]
#[ignore = "needs Wine, which make nightly installs"]
fn windows_pe_reports_that_it_is_up_with_whatever_it_has() {
    let (lab, netbootd) = site("");
    let wine = Wine::start(&lab, "client");
    let names = put_by_wimboot(&lab, &wine);
    assert_eq!(
        names,
        ["netbootd-report.js", "netbootd-report.cmd", "unattend.xml", "netbootd.cmd", "winpeshl.ini"]
    );
    // Windows Script Host, as in ConfigMgr's boot images.
    start_windows_pe(&wine);
    let status = netbootd.status_when(&lab, MAC_TEXT, |status| reports(status).len() == 1);
    let report = reports(&status)[0];
    assert_eq!(report["what"], "up", "{status:#}");
    let detail = report["detail"].as_str().unwrap();
    assert!(detail.contains("Windows PE") && detail.contains("version 7601"), "{status:#}");
    assert!(status["finding"].is_null() && status["expected"].is_null(), "{status:#}");

    // curl, which some images bring.
    let system = wine.system();
    fs::remove_file(system.join("wscript.exe")).unwrap();
    wine.lend(Path::new("/usr/bin/curl"), "curl.exe");
    start_windows_pe(&wine);
    netbootd.status_when(&lab, MAC_TEXT, |status| reports(status).len() == 2);

    // Nothing of it: nothing is reported, and nothing is on the screen.
    fs::remove_file(system.join("curl.exe")).unwrap();
    fs::remove_dir_all(system.join("WindowsPowerShell")).unwrap();
    let without = start_windows_pe(&wine);
    let ran = wine.run(&["cmd", "/c", "C:\\windows\\system32\\netbootd-report.cmd", "up"]);
    assert_eq!(ran, "", "{without}");
    assert_eq!(reports(&netbootd.status(&lab, MAC_TEXT)).len(), 2);
}

#[test]
fn windows_pe_gets_no_scripts_for_reports_that_are_off() {
    let (lab, _netbootd) = site("[reports]\nenabled = false\n");
    let get = |path: &str| {
        let url = format!("http://{SERVER}/{path}");
        let answer = lab.run("client", &["curl", "-sS", "-w", "%{http_code}", &url]).stdout;
        String::from_utf8(answer).unwrap()
    };
    let script = get("winpe/wimboot.ipxe");
    assert!(script.contains("netbootd.cmd") && !script.contains("report"), "{script}");
    let start = get("unattended/image/winpe/52-54-00-4c-01-51/netbootd.cmd");
    assert!(start.contains("wpeinit\r\nif exist %SYSTEMDRIVE%\\setup.exe (\r\n"), "{start}");
    assert!(get("netbootd/winpe/netbootd-report.js").ends_with("404"));
}
