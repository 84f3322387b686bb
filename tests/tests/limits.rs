//! Strangers that ask for more than one may have: they are not answered and counted, and the
//! machines beside them boot.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use netbootd_tests::netbootd::{SERVER, program};
use netbootd_tests::spoof::Spoofer;
use netbootd_tests::{Lab, Netbootd};

const RULE: &str = "[[rule]]\nname = \"menu\"\naction.boot = { file = \"menu.efi\" }\n";
const MAC: &str = "52:54:00:4c:02:01";
const READ: &[u8] = b"\0\x01menu.efi\0octet\0";

/// A server, a client that boots, and a host that is no friend.
fn lab() -> (Lab, PathBuf) {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    for (host, address) in [("client", "10.77.0.50/24"), ("hostile", "10.77.0.66/24")] {
        lab.add_host(host);
        lab.plug(host, "eth0", "br0", address);
    }
    fs::write(root.join("menu.efi"), vec![0x5a; 300_000]).unwrap();
    (lab, root)
}

/// Whether a machine on this host is offered a boot, and gets its file by TFTP and by HTTP.
fn boots(lab: &Lab, host: &str) -> bool {
    let probe =
        |words: &[&str]| lab.run(host, &[&[program().as_str(), "probe"], words].concat()).status.success();
    probe(&["pxe", SERVER, "--mac", MAC, "--timeout", "2"])
        && probe(&["tftp", "--as-machine", SERVER, "menu.efi"])
        && lab
            .run(host, &["curl", "-sSf", "-o", "got", &format!("http://{SERVER}/menu.efi")])
            .status
            .success()
}

/// A metric, once it is at least so much.
fn counted(lab: &Lab, metric: &str, least: u64) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let curl = lab.command("server", "curl").args(["-sS", "http://127.0.0.1:9167/metrics"]).output();
        let text = String::from_utf8(curl.unwrap().stdout).unwrap();
        let count = text.lines().find_map(|line| line.strip_prefix(metric)?.trim().parse().ok());
        match count {
            Some(count) if count >= least => return count,
            _ => assert!(Instant::now() < deadline, "{metric} is not {least} in {text}"),
        }
    }
}

fn refused(outcome: &str, proto: &str) -> String {
    format!("netbootd_file_requests_total{{proto=\"{proto}\",outcome=\"{outcome}\"}}")
}

fn ignored(reason: &str) -> String {
    format!("netbootd_decisions_total{{decision=\"ignore\",reason=\"{reason}\"}}")
}

#[test]
fn a_client_beyond_its_transfers_is_refused_and_another_boots() {
    let (lab, root) = lab();
    let limits = "[limits]\ntransfers-per-client = 3\nunproved-per-client = 2\n";
    let _netbootd = Netbootd::start(&lab, &root, &format!("{limits}{RULE}"));
    let held = lab.inside("hostile", || {
        let ask = || {
            let socket = UdpSocket::bind("10.77.0.66:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            socket.send_to(READ, (SERVER, 69)).unwrap();
            socket
        };
        let hear = |socket: &UdpSocket| {
            let mut bytes = [0; 600];
            let (length, from) = socket.recv_from(&mut bytes).unwrap();
            (bytes[..length].to_vec(), from)
        };
        let begun: Vec<UdpSocket> = (0..3)
            .map(|_| {
                let socket = ask();
                let (block, from) = hear(&socket);
                assert_eq!(block[..4], [0, 3, 0, 1]);
                socket.send_to(&[0, 4, 0, 1], from).unwrap();
                // Its transfer is proved by now, and goes on.
                while hear(&socket).0[..4] != [0, 3, 0, 2] {}
                socket
            })
            .collect();
        let (error, _) = hear(&ask());
        assert_eq!(error, b"\0\x05\0\0too many transfers\0");
        begun
    });
    let held = held.join().unwrap();
    assert!(boots(&lab, "client"));
    assert_eq!(counted(&lab, &refused("client-full", "tftp"), 1), 1);
    drop(held);
}

#[test]
fn who_acknowledges_nothing_is_sent_little_and_another_boots() {
    let (lab, root) = lab();
    let limits = "[limits]\nunproved-per-client = 2\n";
    let _netbootd = Netbootd::start(&lab, &root, &format!("{limits}{RULE}"));
    let silent = lab.inside("hostile", || {
        let sockets: Vec<UdpSocket> = (0..50)
            .map(|_| {
                let socket = UdpSocket::bind("10.77.0.66:0").unwrap();
                socket.send_to(READ, (SERVER, 69)).unwrap();
                socket
            })
            .collect();
        sockets
    });
    let sockets = silent.join().unwrap();
    assert!(boots(&lab, "client"));
    let left_alone = counted(&lab, &refused("unproved", "tftp"), 1);
    counted(&lab, &refused("timed-out", "tftp"), 50 - left_alone);
    let mut heard = 0;
    for socket in &sockets {
        socket.set_nonblocking(true).unwrap();
        while socket.recv(&mut [0; 600]).is_ok() {
            heard += 1;
        }
    }
    // Two first blocks for each request that was answered at all.
    assert!(left_alone >= 40 && heard <= 2 * (50 - left_alone), "{left_alone} left alone, {heard} datagrams");
}

#[test]
fn a_flood_from_one_source_does_not_stop_another() {
    let (lab, root) = lab();
    let limits = "[limits]\nnew-machines = { at-once = 200, per-second = 10 }\n\
                  read-requests = { at-once = 300, per-second = 20 }\n\
                  http-requests = { at-once = 50, per-second = 5 }\n";
    let netbootd = Netbootd::start(&lab, &root, &format!("{limits}{RULE}"));
    assert!(boots(&lab, "client"));
    for round in 0..5_u32 {
        let flood = lab.inside("hostile", move || {
            let socket = UdpSocket::bind("10.77.0.66:67").unwrap();
            for n in 0..4000_u32 {
                let number = (round * 4000 + n).to_be_bytes();
                // Half of them claim to come through a relay, and none is heard of again.
                let relay = if n % 2 == 0 { [10, 77, 0, 66] } else { [0; 4] };
                // Packets that do not fit the network's buffers are lost like any datagram.
                let _ = socket.send_to(&discover(number, relay), (SERVER, 67));
                let _ = socket.send_to(READ, (SERVER, 69));
                let _ = socket.send_to(b"junk", (SERVER, 67));
            }
        });
        flood.join().unwrap();
        assert!(boots(&lab, "client"), "round {round}: {}", netbootd.log());
    }
    counted(&lab, &ignored("too-many-new-machines"), 1000);
    counted(&lab, &ignored("malformed"), 1000);
    counted(&lab, &refused("too-often", "tftp"), 1000);
    let url = format!("http://{SERVER}/menu.efi");
    let asked = lab
        .run("hostile", &["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} ", &format!("{url}?[1-200]")]);
    let codes = String::from_utf8(asked.stdout).unwrap();
    assert!(codes.starts_with("200 ") && codes.contains("429 "), "{codes}");
    assert!(boots(&lab, "client"));
    let config = lab.folder().join("netbootd.toml").display().to_string();
    let status = lab.run("server", &[&program(), "status", "--config", &config]);
    let told = String::from_utf8(status.stdout).unwrap();
    assert!(told.contains("dropped by limits: ") && told.contains("too-many-new-machines"), "{told}");
}

fn discover(number: [u8; 4], relay: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![0; 236];
    bytes[..3].copy_from_slice(&[1, 1, 6]);
    bytes[24..28].copy_from_slice(&relay);
    bytes[28..30].copy_from_slice(&[2, 0]);
    bytes[30..34].copy_from_slice(&number);
    bytes.extend([99, 130, 83, 99, 53, 1, 1, 60, 9]);
    bytes.extend(b"PXEClient");
    bytes.extend([93, 2, 0, 7, 94, 3, 1, 3, 16, 255]);
    bytes
}

#[test]
fn lists_keep_out_whom_they_do_not_name() {
    let (lab, root) = lab();
    let limits = "[limits]\nsubnets = \"10.77.0.48/28\"\nrelays = \"10.77.0.49\"\n";
    let _netbootd = Netbootd::start(&lab, &root, &format!("{limits}{RULE}"));
    assert!(boots(&lab, "client"));
    let asking = ["probe", "pxe", SERVER, "--mac", "52:54:00:4c:02:02", "--timeout", "1"];
    assert!(!lab.run("hostile", &[&[program().as_str()], &asking[..]].concat()).status.success());
    let reading = lab.inside("hostile", || {
        let socket = UdpSocket::bind("10.77.0.66:0").unwrap();
        socket.send_to(READ, (SERVER, 69)).unwrap();
        socket
    });
    let reading = reading.join().unwrap();
    let asked = lab.run("hostile", &["curl", "-sS", &format!("http://{SERVER}/menu.efi")]);
    assert!(!asked.status.success());
    let relayed = lab.inside("client", || {
        let socket = UdpSocket::bind("10.77.0.50:67").unwrap();
        socket.send_to(&discover([0, 0, 0, 1], [10, 77, 0, 50]), (SERVER, 67)).unwrap();
    });
    relayed.join().unwrap();
    counted(&lab, &ignored("not-allowed"), 2);
    counted(&lab, &refused("not-allowed", "http"), 1);
    counted(&lab, &refused("not-allowed", "tftp"), 1);
    reading.set_nonblocking(true).unwrap();
    assert!(reading.recv(&mut [0; 600]).is_err(), "it hears nothing");
}

#[test]
fn few_open_files_are_warned_of_and_forged_requests_take_none_of_them() {
    let (lab, root) = lab();
    lab.ip("server", "route add 10.99.0.0/16 via 10.77.0.66");
    let netbootd = Netbootd::start_with_files(&lab, &root, RULE, 1024);
    netbootd.logged(&["1024 files may be open", "raise LimitNOFILE"]);
    let forge = || {
        let spoofer = Spoofer::new();
        for n in 0..3000_u16 {
            let [high, low] = n.to_be_bytes();
            spoofer.send(([10, 99, high, low], 2070).into(), ([10, 77, 0, 1], 69).into(), READ);
        }
    };
    lab.inside("hostile", forge).join().unwrap();
    // 64 of 1024 files' transfers may wait for a first acknowledgement.
    counted(&lab, &refused("evicted", "tftp"), 2000);
    assert!(boots(&lab, "client"));
    assert!(!netbootd.log().contains("os error 24"), "{}", netbootd.log());
}
