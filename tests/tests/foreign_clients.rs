//! Clients that this project did not write, against netbootd: TFTP, HTTP and DHCP clients of
//! Debian's packages.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use netbootd_tests::netbootd::{ADDRESSES, SERVER, program};
use netbootd_tests::{DhcpServer, Lab, Netbootd, Process};
use sha2::{Digest, Sha256};

/// A server and one client host on a segment.
fn site(configuration: &str) -> (Lab, Netbootd) {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(root.join("Big.bin"), bytes).unwrap();
    fs::write(root.join("text.txt"), "one\ntwo\r\nthree\n".repeat(1000)).unwrap();
    lab.add_host("client");
    lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    let netbootd = Netbootd::start(&lab, &root, configuration);
    (lab, netbootd)
}

fn digest(path: &Path) -> String {
    Sha256::digest(fs::read(path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A DHCP client's one attempt; gives the address it got.
fn udhcpc(lab: &Lab, more: &[&str]) -> Option<String> {
    let words =
        [&["udhcpc", "-i", "eth0", "-f", "-n", "-q", "-t", "4", "-T", "1", "-s", "/bin/true"], more].concat();
    let output = lab.run("client", &words);
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    let rest = text.split("lease of ").nth(1)?;
    Some(rest.split(' ').next()?.trim_end_matches(',').to_owned())
}

#[test]
fn foreign_tftp_clients_get_the_same_bytes() {
    let (lab, netbootd) = site("");
    let wanted = digest(&netbootd.root().join("Big.bin"));
    let out = lab.folder().join("out");
    let table: [&[&str]; 8] = [
        &["tftp", "-m", "octet", SERVER, "-c", "get", "Big.bin", "out"],
        &["atftp", "-g", "-r", "Big.bin", "-l", "out", SERVER, "69"],
        &[
            "atftp",
            "--option",
            "blksize 1428",
            "--option",
            "windowsize 16",
            "-g",
            "-r",
            "big.BIN",
            "-l",
            "out",
            SERVER,
            "69",
        ],
        &[
            "atftp",
            "--option",
            "blksize 8192",
            "--option",
            "windowsize 8",
            "-g",
            "-r",
            "\\Big.bin",
            "-l",
            "out",
            SERVER,
            "69",
        ],
        &["curl", "-sS", "-o", "out", "tftp://10.77.0.1/Big.bin"],
        &["curl", "-sS", "--tftp-blksize", "1468", "-o", "out", "tftp://10.77.0.1//Big.bin"],
        &["busybox", "tftp", "-g", "-r", "Big.bin", "-l", "out", SERVER],
        &["busybox", "tftp", "-b", "1468", "-g", "-r", "/Big.bin", "-l", "out", SERVER],
    ];
    for words in table {
        lab.run("client", words);
        assert_eq!(digest(&out), wanted, "{words:?}");
        fs::remove_file(&out).unwrap();
    }
    // tftp-hpa's default mode is netascii.
    lab.run("client", &["tftp", SERVER, "-c", "get", "text.txt", "out"]);
    assert_eq!(digest(&out), digest(&netbootd.root().join("text.txt")));
    lab.run("client", &["curl", "-sS", "-o", "out", "http://10.77.0.1/big.bin"]);
    assert_eq!(digest(&out), wanted);
}

#[test]
fn a_foreign_client_is_refused_in_words() {
    let (lab, _netbootd) = site("");
    let none = lab.run("client", &["curl", "-sS", "-o", "out", "tftp://10.77.0.1/none"]);
    assert_eq!(none.status.code(), Some(68), "curl's code for a file that is not found");
    fs::write(lab.folder().join("mine"), "x").unwrap();
    let put = lab.run("client", &["curl", "-sS", "-T", "mine", "tftp://10.77.0.1/mine"]);
    assert_eq!(put.status.code(), Some(69), "curl's code for a permission problem");
}

#[test]
fn a_host_gets_a_lease_keeps_it_over_a_restart_and_renews_it() {
    let (lab, netbootd) = site(ADDRESSES);
    lab.ip("client", "addr flush dev eth0");
    let first = udhcpc(&lab, &[]).expect("a lease");
    assert_eq!(first, "10.77.0.100");
    let root = netbootd.root().to_owned();
    drop(netbootd);
    let netbootd = Netbootd::start(&lab, &root, ADDRESSES);
    lab.ip("client", "link set eth0 address 02:00:00:00:00:99");
    assert_eq!(udhcpc(&lab, &[]).as_deref(), Some("10.77.0.101"), "the first one's address is remembered");
    assert_eq!(udhcpc(&lab, &["-r", "10.77.0.101"]).as_deref(), Some("10.77.0.101"));
    let log = netbootd.log();
    assert!(log.lines().any(|line| line.contains(" ack ") && line.contains("address=10.77.0.101")), "{log}");
}

#[test]
fn a_reservation_is_honoured_and_a_wish_too() {
    let reserved = format!(
        "{ADDRESSES}[[dhcp.subnet.reservation]]\nmac = \"02:00:00:00:00:07\"\naddress = \"10.78.0.7\"\n"
    );
    let reserved = reserved.replacen(
        "[[dhcp.subnet]]\nsubnet = \"10.78",
        "[[dhcp.subnet.reservation]]\nmac = \"02:00:00:00:00:09\"\naddress = \"10.77.0.9\"\n\n[[dhcp.subnet]]\nsubnet = \"10.78",
        1,
    );
    let (lab, _netbootd) = site(&reserved);
    lab.ip("client", "addr flush dev eth0");
    assert_eq!(udhcpc(&lab, &["-r", "10.77.0.150"]).as_deref(), Some("10.77.0.150"));
    lab.ip("client", "link set eth0 address 02:00:00:00:00:09");
    assert_eq!(udhcpc(&lab, &[]).as_deref(), Some("10.77.0.9"));
}

#[test]
fn an_address_that_somebody_uses_unasked_is_not_given() {
    let (mut lab, netbootd) = site(ADDRESSES);
    lab.add_host("squatter");
    lab.plug("squatter", "eth0", "br0", "10.77.0.100/24");
    lab.ip("client", "addr flush dev eth0");
    assert_eq!(udhcpc(&lab, &[]).as_deref(), Some("10.77.0.101"));
    assert!(netbootd.log().contains("address in use"), "{}", netbootd.log());
}

#[test]
fn a_host_that_does_not_boot_is_left_alone_by_the_proxy() {
    let (lab, netbootd) = site("");
    lab.ip("client", "addr flush dev eth0");
    assert_eq!(udhcpc(&lab, &[]), None);
    assert!(netbootd.log().contains("reason=not-a-boot-request"), "{}", netbootd.log());
    assert!(!netbootd.log().contains(" offer "), "{}", netbootd.log());
}

const RULE: &str = "[[rule]]\nname = \"x64\"\naction.boot = { file = \"Big.bin\", via = \"tftp\" }\n";

#[test]
fn beside_a_dhcp_server_on_its_own_host_only_port_4011_is_served() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    fs::write(root.join("Big.bin"), "x").unwrap();
    let leases = lab.folder().join("leases");
    let mut command = lab.command("server", "dnsmasq");
    command.args(["--no-daemon", "--conf-file=/dev/null", "--port=0", "--user=root", "--interface=lan0"]);
    command.args([
        "--bind-interfaces",
        "--dhcp-range=10.77.0.100,10.77.0.199",
        "--dhcp-option-force=60,PXEClient",
    ]);
    let dhcp = Process::start("dnsmasq", command.arg(format!("--dhcp-leasefile={}", leases.display())));
    dhcp.wait_for("DHCP, IP range", Duration::from_secs(10));
    lab.add_host("client");
    lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    let _netbootd = Netbootd::start(&lab, &root, &format!("[dhcp]\nports = \"4011-only\"\n{RULE}"));

    let probe = lab.run("client", &[&program(), "probe", "pxe", SERVER, "--timeout", "2"]);
    let text = String::from_utf8(probe.stdout).unwrap();
    assert!(text.contains("Ack from 10.77.0.1:4011") && text.contains("boot file: Big.bin"), "{text}");
}

#[test]
fn a_probe_shows_every_offer_and_a_silent_network_is_said_so() {
    let (mut lab, netbootd) = site(RULE);
    let _foreign = DhcpServer::start(&mut lab);
    let asked = [
        program(),
        "probe".into(),
        "pxe".into(),
        "--iface".into(),
        "eth0".into(),
        "--timeout".into(),
        "2".into(),
    ];
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    let probe =
        lab.run("client", &[asked.as_slice(), &["--class", "http", "--arch", "x64-uefi-http"]].concat());
    let text = String::from_utf8(probe.stdout).unwrap();
    assert!(text.contains("Offer from 10.77.0.1:67") && text.contains("vendor class: HTTPClient"), "{text}");
    assert!(text.contains("Offer from 10.77.0.2:67"), "the address server's offer is shown too: {text}");
    drop((netbootd, _foreign));
    let silent = lab.run("client", &asked);
    assert_eq!(silent.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&silent.stderr).contains("no answer from the network of eth0"));
}

#[test]
fn each_interface_answers_with_its_own_address() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    lab.add_segment("br1");
    lab.plug("server", "lan1", "br1", "10.78.0.1/24");
    fs::write(root.join("Big.bin"), "x").unwrap();
    let file = lab.folder().join("two.toml");
    let text = format!("[boot]\nroot = {:?}\n{RULE}", root.display().to_string());
    fs::write(&file, text).unwrap();
    let mut command = lab.command("server", &program());
    let netbootd = Process::start(
        "netbootd",
        command.args(["serve", "--config"]).arg(&file).arg("--state-dir").arg(lab.folder().join("state")),
    );
    netbootd.wait_for(" ready ", Duration::from_secs(20));
    for (host, bridge, address, server) in
        [("one", "br0", "10.77.0.50/24", "10.77.0.1"), ("two", "br1", "10.78.0.50/24", "10.78.0.1")]
    {
        lab.add_host(host);
        lab.plug(host, "eth0", bridge, address);
        let probe = lab.run(host, &[&program(), "probe", "pxe", "--iface", "eth0", "--timeout", "2"]);
        let text = String::from_utf8(probe.stdout).unwrap();
        assert!(text.contains(&format!("Offer from {server}:67")), "{text}");
        assert!(text.contains(&format!("server identifier: {server}")), "{text}");
        let fetched = lab.run(host, &["curl", "-sS", &format!("tftp://{server}/Big.bin")]);
        assert_eq!(fetched.stdout, b"x");
    }
}

#[test]
fn what_stands_in_the_way_of_a_start_is_one_line_and_an_exit_code() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    let serve = |text: String| {
        let file = lab.folder().join("bad.toml");
        fs::write(&file, text).unwrap();
        let (program, file) = (program(), file.display().to_string());
        let state = lab.folder().join("other-state").display().to_string();
        let output = lab.run("server", &[&program, "serve", "--config", &file, "--state-dir", &state]);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let good = format!("[boot]\nroot = {:?}\n", root.display().to_string());
    let (code, text) = serve(format!("{good}[server]\ninterfaces = [\"lan9\"]"));
    assert_eq!(code, Some(78));
    assert!(text.contains("interface lan9 is not there") && text.contains("lan0"), "{text}");
    let (code, text) = serve("[boot]\nroot = \"/nonexistent\"".into());
    assert_eq!(code, Some(78));
    assert!(text.contains("cannot open the folder /nonexistent") && text.contains("bad.toml:2:8"), "{text}");

    let _running = Netbootd::start(&lab, &root, "");
    let (code, text) = serve(good);
    assert_eq!(code, Some(78));
    assert!(text.contains("port 67 on lan0 is taken"), "{text}");
}

#[test]
fn without_rights_the_exit_code_is_77() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    let copy = Path::new("/tmp").join(format!("netbootd-{}", std::process::id()));
    fs::copy(program(), &copy).unwrap();
    fs::set_permissions(lab.folder(), fs::Permissions::from_mode(0o755)).unwrap();
    let (own, others) = (lab.folder().join("own"), lab.folder().join("others"));
    fs::create_dir(&own).unwrap();
    chown(&own, Some(65534), None).unwrap();
    fs::create_dir(&others).unwrap();
    let serve = |state: &Path| {
        let mut command: Command = lab.command("server", "setpriv");
        command
            .args(["--reuid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"])
            .arg(&copy);
        command.args(["serve", "--root"]).arg(&root).arg("--state-dir").arg(state).output().unwrap()
    };
    let table = [(own, "CAP_NET_BIND_SERVICE"), (others, "--state-dir")];
    let outputs: Vec<Output> = table.iter().map(|(state, _)| serve(state)).collect();
    fs::remove_file(&copy).unwrap();
    for (output, (_, words)) in outputs.iter().zip(&table) {
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(77), "{text}");
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn the_probes_for_files_show_bytes_and_what_was_negotiated() {
    let (lab, netbootd) = site("");
    let tftp = lab.run("client", &[&program(), "probe", "tftp", SERVER, "\\BIG.bin"]);
    let text = String::from_utf8(tftp.stdout).unwrap();
    assert!(tftp.status.success() && text.contains("3000000 bytes") && text.contains("windowsize"), "{text}");
    assert_eq!(lab.run("client", &[&program(), "probe", "tftp", SERVER, "none"]).status.code(), Some(1));
    let http = lab.run("client", &[&program(), "probe", "http", &format!("http://{SERVER}/Big.bin")]);
    let text = String::from_utf8(http.stdout).unwrap();
    assert!(http.status.success() && text.contains("200 OK, 3000000 bytes"), "{text}");
    assert!(netbootd.log().contains("completed"));
}
