//! The status port under everything that can be asked of it, and under too much of it.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use netbootd_tests::netbootd::{SERVER, program, write_secret};
use netbootd_tests::process::tool;
use netbootd_tests::{Lab, Netbootd, firmware, wait};
use socket2::{Domain, Socket, Type};

const RULE: &str =
    "[status]\ntoken-file = \"token\"\n[[rule]]\nname = \"menu\"\naction.boot = { file = \"menu.efi\" }\n";
const MAC: &str = "52:54:00:4c:01:01";

fn site() -> (Lab, Netbootd) {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    lab.add_host("client");
    lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    fs::write(root.join("menu.efi"), vec![0x5a; 300_000]).unwrap();
    write_secret(&lab.folder().join("token"), "0123456789abcdef0123456789abcdef\n");
    let netbootd = Netbootd::start(&lab, &root, RULE);
    (lab, netbootd)
}

fn boots(lab: &Lab) -> bool {
    let probe = |words: &[&str]| {
        lab.run("client", &[&[program().as_str(), "probe"], words].concat()).status.success()
    };
    probe(&["pxe", SERVER, "--mac", MAC, "--timeout", "1"])
        && probe(&["tftp", "--as-machine", SERVER, "menu.efi"])
}

/// Every operation with every kind of value, right and wrong; what comes back is what the document
/// says.
#[test]
fn the_openapi_document_is_kept_to() {
    let (lab, netbootd) = site();
    assert!(boots(&lab));
    let bearer = "Authorization: Bearer 0123456789abcdef0123456789abcdef";
    let asked = lab.run(
        "server",
        &[
            &tool("schemathesis"),
            "--config-file",
            concat!(env!("CARGO_MANIFEST_DIR"), "/schemathesis.toml"),
            "run",
            "http://127.0.0.1:9167/openapi.json",
            "--header",
            bearer,
            "--max-examples=20",
            "--generation-deterministic",
            // These never end.
            "--exclude-path=/events",
            "--exclude-path=/events/findings",
        ],
    );
    let said = String::from_utf8_lossy(&asked.stdout);
    assert!(asked.status.success() && said.contains(" passed"), "{said}");
    assert!(boots(&lab) && !netbootd.log().contains("panicked"));
}

#[test]
fn ten_thousand_machines_are_on_a_small_page() {
    let (lab, netbootd) = site();
    let machine = |n: u32| {
        let [a, b, c, d] = n.to_be_bytes();
        [0x52, 0x54, a, b, c, d]
    };
    firmware::ask(&lab, "client", (0..10_500).map(machine));
    let get = |path: &str| {
        let mut curl = lab.command("server", "curl");
        let got = curl.args(["-sS", "-f", &format!("http://127.0.0.1:9167{path}")]).output().unwrap();
        assert!(got.status.success(), "{path}: {}", netbootd.log());
        String::from_utf8(got.stdout).unwrap()
    };
    let status: serde_json::Value = serde_json::from_str(&get("/status")).unwrap();
    assert_eq!(status["machines"], 10_000);
    // The board follows a moment later; whatever there is, a page has fifty rows.
    let shown = || Some(get("/machines")).filter(|page| page.contains("52:54:00:00:29:03"));
    let page = wait::for_some(Duration::from_secs(20), shown, || "the last machine is not shown".into());
    assert!(page.len() < 130_000 && page.matches("<tr id=").count() == 50, "{} bytes", page.len());
    assert!(get("/").len() < 130_000);
    let found: serde_json::Value = serde_json::from_str(&get("/devices?search=52:54:00:00:10:00")).unwrap();
    assert_eq!(found.as_array().map(Vec::len), Some(1));
    assert!(boots(&lab));
}

/// Sixty-four pages are open while machines ask as fast as they are answered.
#[test]
fn sixty_four_viewers_follow_a_storm_and_every_machine_is_answered_at_once() {
    let (lab, netbootd) = site();
    let opened = lab.inside("server", || {
        let open = |n: u8| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            // One client, and one network, has fewer streams than there are.
            socket.bind(&SocketAddr::from(([127, n / 16, 0, 2], 0)).into()).unwrap();
            socket.connect(&SocketAddr::from(([127, 0, 0, 1], 9167)).into()).unwrap();
            let mut stream = TcpStream::from(socket);
            let view = ["%2F", "%2Fmachines", "%2Ffindings", "%2Fwall"][usize::from(n) % 4];
            let request =
                format!("GET /live?view={view} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).unwrap();
            stream
        };
        (0..64).map(open).collect::<Vec<TcpStream>>()
    });
    let mut streams = opened.join().unwrap();
    let machine = |n: u32| {
        let [a, b, c, d] = n.to_be_bytes();
        [0x52, 0x54, a, b, c, d]
    };
    // Each asks once: a question that is not answered fails.
    firmware::ask(&lab, "client", (0..3000).map(machine));
    assert!(boots(&lab), "{}", netbootd.log());
    for (n, stream) in streams.iter_mut().enumerate() {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (mut seen, mut bytes) = (String::new(), [0; 65_536]);
        // Findings of machines that are answered are none, and the day has no list.
        let wanted = if n % 4 < 2 { "event: parts" } else { "event: beat" };
        while !(seen.contains("event: hello") && seen.contains(wanted)) {
            let length =
                stream.read(&mut bytes).unwrap_or_else(|error| panic!("viewer {n}: {error}: {seen}"));
            assert!(length > 0, "viewer {n}: {seen}");
            seen.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
    }
    let more = lab.run(
        "server",
        &[
            "curl",
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "--max-time",
            "5",
            "http://127.0.0.1:9167/live?view=%2F",
        ],
    );
    assert_eq!(String::from_utf8_lossy(&more.stdout), "503", "one more than there are");
    assert!(!netbootd.log().contains("panicked"));
}

/// A machine's own names are text wherever they are shown.
#[test]
fn names_of_any_bytes_are_escaped_everywhere() {
    let (lab, _netbootd) = site();
    assert!(boots(&lab));
    let asked = lab.inside("client", || {
        let socket = UdpSocket::bind("10.77.0.50:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        for name in [vec![0xff; 128], b"<script>\x1b]0;owned\x07\r\n\xe2\x80\xae.efi".to_vec()] {
            let request = [&[0, 1], name.as_slice(), b"\0octet\0"].concat();
            socket.send_to(&request, format!("{SERVER}:69")).unwrap();
            let mut bytes = [0; 2048];
            let length = socket.recv(&mut bytes).unwrap();
            assert_eq!(&bytes[..2], [0, 5], "{:?}", &bytes[..length]);
        }
    });
    asked.join().unwrap();
    let config = lab.folder().join("netbootd.toml").display().to_string();
    let shown = |words: &[&str]| {
        let out = lab.command("server", words[0]).args(&words[1..]).output().unwrap();
        assert!(out.status.success(), "{words:?}");
        String::from_utf8(out.stdout).unwrap()
    };
    let device = shown(&["curl", "-sS", &format!("http://127.0.0.1:9167/devices/{MAC}")]);
    let page = shown(&["curl", "-sS", &format!("http://127.0.0.1:9167/machines/{MAC}")]);
    let status = shown(&[&program(), "status", MAC, "--config", &config]);
    for text in [&device, &page, &status] {
        assert!(text.contains("xff") && text.contains("script"), "{text}");
        assert!(!text.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202e}'), "{text:?}");
    }
    assert!(!page.contains("<script>\\") && page.contains("&lt;script&gt;"), "{page}");
}

#[test]
fn a_thousand_streams_of_one_client_keep_no_machine_from_booting() {
    let (lab, netbootd) = site();
    let opened = lab.inside("server", || {
        let open = |n: usize| {
            let mut stream = TcpStream::connect("127.0.0.1:9167").unwrap();
            // Of pages and of scripts: they share the places.
            let path = ["/events", "/live?view=%2F", "/live?view=%2Fmachines"][n % 3];
            let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).unwrap();
            stream
        };
        (0..1000).map(open).collect::<Vec<TcpStream>>()
    });
    let mut streams = opened.join().unwrap();
    assert!(boots(&lab), "{}", netbootd.log());
    let mut told = 0;
    for stream in &mut streams {
        stream.set_nonblocking(true).unwrap();
        let mut bytes = [0; 4096];
        let length = stream.read(&mut bytes).unwrap_or_default();
        told += usize::from(String::from_utf8_lossy(&bytes[..length]).contains("200 OK"));
    }
    // A peer has fewer than there are.
    assert!((1..=24).contains(&told), "{told} streams");
}

/// The status code of the status port, by curl.
fn status_of(lab: &Lab, words: &[&str]) -> String {
    let curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "20"];
    String::from_utf8(lab.run("server", &[&curl, words].concat()).stdout).unwrap()
}

#[test]
fn one_peer_of_the_status_port_keeps_no_other_out() {
    let (lab, netbootd) = site();
    let held = lab.inside("server", || {
        let open = |_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.bind(&SocketAddr::from(([127, 0, 0, 9], 0)).into()).unwrap();
            socket.connect(&SocketAddr::from(([127, 0, 0, 1], 9167)).into()).unwrap();
            socket
        };
        (0..600).map(open).collect::<Vec<Socket>>()
    });
    let held = held.join().unwrap();
    for path in ["status", "history?search=none", ""] {
        let url = format!("http://127.0.0.1:9167/{path}");
        assert_eq!(status_of(&lab, &[&url]), "200", "{}", netbootd.log());
    }
    drop(held);
}

#[test]
fn the_status_port_is_served_under_its_own_names_and_takes_its_token_in_any_case() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    write_secret(&lab.folder().join("token"), "0123456789abcdef0123456789abcdef\n");
    let _netbootd =
        Netbootd::start(&lab, &root, "[status]\ntoken-file = \"token\"\nnames = \"boot.corp.example\"\n");
    let url = "http://127.0.0.1:9167/status";
    let table: [(&[&str], &str); 7] = [
        (&["-H", "Host: localhost:9167"], "200"),
        (&["-H", "Host: [::1]:9167"], "200"),
        (&["-H", "Host: Boot.Corp.Example."], "200"),
        (&["-H", "Host: rebound.example"], "421"),
        (&["-H", "Host: corp.example"], "421"),
        (&["-H", "Host:"], "400"),
        (&["--http1.0", "-H", "Host:"], "200"),
    ];
    for (words, status) in table {
        assert_eq!(status_of(&lab, &[words, &[url]].concat()), status, "{words:?}");
    }
    let twice = lab.inside("server", || {
        let mut stream = TcpStream::connect("127.0.0.1:9167").unwrap();
        let hosts = "Host: localhost\r\nHost: rebound.example\r\n";
        let request = format!("GET /status HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    assert!(twice.join().unwrap().starts_with("HTTP/1.1 400"));
    for (scheme, status) in
        [("Bearer", "200"), ("bearer", "200"), ("BEARER ", "200"), ("Basic", "401"), ("", "401")]
    {
        let header = format!("Authorization: {scheme} 0123456789abcdef0123456789abcdef");
        let rescan = "http://127.0.0.1:9167/rescan";
        assert_eq!(status_of(&lab, &["-X", "POST", "-H", &header, rescan]), status, "{scheme}");
    }
}
