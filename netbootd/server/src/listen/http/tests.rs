mod changed_files;
mod one_connection;

use std::fs;
use std::path::Path;

use netbootd_config::Config;
use netbootd_telemetry::event::{Event, TransferOutcome};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::services::Snapshot;
use one_connection::answer_on;

struct Fixture {
    folder: TempDir,
    services: Arc<Services>,
    port: u16,
}

async fn serving(files: &[(&str, &[u8])], configuration: &str) -> Fixture {
    serving_with(files, configuration, |_| {}).await
}

async fn serving_with(
    files: &[(&str, &[u8])],
    configuration: &str,
    adjust: impl FnOnce(&mut HttpListener),
) -> Fixture {
    let folder = TempDir::new().unwrap();
    for (path, bytes) in files {
        fs::write(folder.path().join(path), bytes).unwrap();
    }
    let (config, _) = Config::parse(configuration, Path::new("test.toml"), Some(folder.path())).unwrap();
    let services = Arc::new(Services::in_memory(Snapshot::new(config, None).unwrap()));
    let mut listener = HttpListener::bind(Arc::clone(&services), 0).await.unwrap();
    adjust(&mut listener);
    let port = listener.port().unwrap();
    tokio::spawn(listener.run());
    Fixture { folder, services, port }
}

impl Fixture {
    /// Sends a request with `Connection: close`; gives the head and the body.
    async fn ask(&self, request: &str, headers: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.unwrap();
        let text = format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        (String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase(), answer[end + 4..].to_vec())
    }

    async fn header(&self, path: &str, name: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.unwrap();
        let text = format!("HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut head = String::new();
        stream.read_to_string(&mut head).await.unwrap();
        let values = head.lines().filter_map(|line| line.split_once(": "));
        let value =
            values.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next();
        value.unwrap_or_else(|| panic!("{name} is not in {head}")).to_owned()
    }
}

#[tokio::test]
async fn get_and_head_say_the_same_and_files_are_never_chunked() {
    let f = serving(&[("boot.efi", b"0123456789")], "").await;
    let (get, body) = f.ask("GET /boot.efi", "").await;
    let (head, nothing) = f.ask("HEAD /BOOT.EFI", "").await;
    assert_eq!((body.as_slice(), nothing.as_slice()), (&b"0123456789"[..], &b""[..]));
    for answer in [&get, &head] {
        assert!(answer.starts_with("http/1.1 200"), "{answer}");
        for line in [
            "content-length: 10",
            "content-type: application/efi",
            "accept-ranges: bytes",
            "etag: \"",
            "last-modified: ",
        ] {
            assert!(answer.contains(line), "{line}\n{answer}");
        }
        assert!(!answer.contains("chunked"), "{answer}");
    }
}

#[tokio::test]
async fn ranges_are_served_and_refused_as_rfc_9110_says() {
    let f = serving(&[("file", b"0123456789")], "").await;
    let table = [
        ("Range: bytes=2-4\r\n", "206", "234", "content-range: bytes 2-4/10"),
        ("Range: bytes=-3\r\n", "206", "789", "content-range: bytes 7-9/10"),
        ("Range: bytes=5-\r\n", "206", "56789", "content-length: 5"),
        ("Range: bytes=10-\r\n", "416", "the file has no such bytes", "content-range: bytes */10"),
        ("Range: bytes=0-1,4-5\r\n", "200", "0123456789", "content-length: 10"),
    ];
    for (header, status, body, line) in table {
        let (head, got) = f.ask("GET /file", header).await;
        assert!(head.starts_with(&format!("http/1.1 {status}")) && head.contains(line), "{header}{head}");
        assert_eq!(String::from_utf8(got).unwrap(), body, "{header}");
    }
}

#[tokio::test]
async fn conditions_hold_against_the_etag() {
    let f = serving(&[("file", b"0123456789")], "").await;
    let (etag, modified) = (f.header("/file", "etag").await, f.header("/file", "last-modified").await);
    let table = [
        (format!("If-Range: {etag}\r\nRange: bytes=0-0\r\n"), "206"),
        ("If-Range: \"other\"\r\nRange: bytes=0-0\r\n".to_owned(), "200"),
        (format!("If-Match: {etag}\r\nRange: bytes=0-0\r\n"), "206"),
        ("If-Match: \"other\"\r\n".to_owned(), "412"),
        (format!("If-Match: \"other\", {etag}\r\n"), "200"),
        (format!("If-Match: W/{etag}\r\n"), "412"),
        ("If-Match: *\r\n".to_owned(), "200"),
        (format!("If-None-Match: {etag}\r\n"), "304"),
        (format!("If-None-Match: W/{etag}\r\n"), "304"),
        (format!("If-None-Match: \"other\", W/{etag}\r\n"), "304"),
        ("If-None-Match: W/\"other\"\r\n".to_owned(), "200"),
        (format!("If-Range: W/{etag}\r\nRange: bytes=0-0\r\n"), "200"),
        (format!("If-Modified-Since: {modified}\r\n"), "304"),
        (format!("If-Modified-Since: {LATER}\r\n"), "304"),
        (format!("If-Modified-Since: {EARLIER}\r\n"), "200"),
        ("If-Modified-Since: yesterday\r\n".to_owned(), "200"),
        (format!("If-Unmodified-Since: {modified}\r\n"), "200"),
        (format!("If-Unmodified-Since: {EARLIER}\r\n"), "412"),
        // A tag goes before a date.
        (format!("If-None-Match: \"other\"\r\nIf-Modified-Since: {LATER}\r\n"), "200"),
        (format!("If-Match: {etag}\r\nIf-Unmodified-Since: {EARLIER}\r\n"), "200"),
        (format!("If-Range: {modified}\r\nRange: bytes=0-0\r\n"), "206"),
        (format!("If-Range: {LATER}\r\nRange: bytes=0-0\r\n"), "200"),
    ];
    for (headers, status) in table {
        let (head, _) = f.ask("GET /file", &headers).await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{headers}{head}");
    }
}

const EARLIER: &str = "Sat, 01 Jan 2000 00:00:00 GMT";
const LATER: &str = "Fri, 01 Jan 2100 00:00:00 GMT";

#[tokio::test]
async fn a_request_names_its_host_once_and_a_path_has_an_end() {
    let f = serving(&[("file", b"x")], "").await;
    let long = "/a".repeat(300);
    let table = [
        ("GET /file HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(), "400"),
        ("GET /file HTTP/1.1\r\nHost: x\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(), "400"),
        ("GET /file HTTP/1.0\r\n\r\n".to_owned(), "200"),
        (format!("GET {long} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), "414"),
    ];
    for (request, status) in table {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, f.port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer.split(' ').nth(1), Some(status), "{request}{answer}");
    }
}

/// The headers of a PE program that runs under this subsystem.
fn program(subsystem: u8) -> Vec<u8> {
    let mut head = vec![0; 20_000];
    head[..2].copy_from_slice(b"MZ");
    head[0x3c] = 0x80;
    head[0x80..0x84].copy_from_slice(b"PE\0\0");
    head[0x98..0x9a].copy_from_slice(&0x20b_u16.to_le_bytes());
    head[0x98 + 68] = subsystem;
    head
}

#[tokio::test]
async fn a_program_for_uefi_is_known_by_its_content_whatever_its_name() {
    let (efi, windows) = (program(10), program(3));
    let f =
        serving(&[("vmlinuz", &efi), ("setup.exe", &windows), ("initrd", b"MZ"), ("empty", b"")], "").await;
    for (path, expected) in [
        ("/vmlinuz", "application/efi"),
        ("/setup.exe", "application/octet-stream"),
        ("/initrd", "application/octet-stream"),
        ("/empty", "application/octet-stream"),
    ] {
        assert_eq!(f.header(path, "content-type").await, expected, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_served_is_told_and_recorded() {
    let f = serving(&[("file", b"x")], "").await;
    std::os::unix::fs::symlink("/etc/passwd", f.folder.path().join("link")).unwrap();
    let table = [
        ("GET /none", "404"),
        ("GET /../file", "400"),
        ("GET /%2e%2e/file", "400"),
        ("GET /a%00b", "400"),
        ("GET /a%zz", "400"),
        ("GET /link", "400"),
        ("POST /file", "405"),
        ("GET //file", "200"),
        ("GET /x/../file", "200"),
        ("GET /x/../../file", "400"),
    ];
    for (request, status) in table {
        let (head, _) = f.ask(request, "").await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{request}: {head}");
    }
    let counters = f.services.recorder.counters();
    assert_eq!(counters.get(&("http", "not-found")), Some(&1));
    assert_eq!(counters.get(&("http", "access-denied")), Some(&4));
    assert_eq!(counters.get(&("http", "malformed")), Some(&2));
    assert_eq!(counters.get(&("http", "completed")), Some(&2));
}

#[tokio::test]
async fn many_ranges_come_over_one_connection_and_the_bytes_beyond_four_gigabytes_too() {
    let f = serving(&[], "").await;
    let file = fs::File::create(f.folder.path().join("big.dmg")).unwrap();
    file.set_len((1 << 32) + 100).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"here", (1 << 32) + 50).unwrap();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, f.port)).await.unwrap();
    for _ in 0..200 {
        let request = "GET /big.dmg HTTP/1.1\r\nHost: x\r\nRange: bytes=4294967346-4294967349\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\nhere") {
            let mut byte = [0];
            assert_eq!(stream.read(&mut byte).await.unwrap(), 1, "{}", answer.escape_ascii());
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 206"));
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_left_and_one_that_asks_nothing_gives_its_place() {
    let configuration = "[http]\nsend-timeout = \"1s\"\n[limits]\nconnections-per-client = 2\n";
    let f = serving(&[("small", b"x")], configuration).await;
    fs::File::create(f.folder.path().join("large")).unwrap().set_len(1 << 30).unwrap();
    let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, f.port));
    let mut silent = connect().await.unwrap();
    let mut stuck = connect().await.unwrap();
    stuck.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_eq!(stuck.read_u8().await.unwrap(), b'H');
    // The oldest connection without a request goes; the one that is answered stays.
    assert!(f.ask("GET /small", "").await.0.starts_with("http/1.1 200"));
    assert!(!matches!(silent.read(&mut [0; 10]).await, Ok(1..)));
    let mut watcher = f.services.recorder.watch();
    let finished = loop {
        match watcher.recv().await.unwrap().event.clone() {
            Event::TransferFinished(finished) if &*finished.path == "/large" => break finished,
            _ => {}
        }
    };
    assert_eq!(finished.outcome, TransferOutcome::ClientGone);
    // The kernel does not offer queued bytes for ever: the connection is reset.
    let mut rest = Vec::new();
    assert!(stuck.read_to_end(&mut rest).await.is_err());
}

#[tokio::test]
async fn a_generated_file_is_rendered_for_who_asks() {
    let configuration =
        "[[file]]\npath = \"boot.ipxe\"\ntemplate = \"#!ipxe {{ server }} {{ client_addr }}\"";
    let f = serving(&[("boot.ipxe", b"stored")], configuration).await;
    let (head, body) = f.ask("GET /boot.ipxe", "").await;
    assert!(head.contains("content-type: text/plain"), "{head}");
    assert_eq!(String::from_utf8(body).unwrap(), "#!ipxe 127.0.0.1 127.0.0.1\n");
}

#[tokio::test]
async fn ipv6_is_served_by_a_socket_of_its_own_and_templates_name_its_address() {
    let f = serving_with(
        &[("boot.efi", b"0123456789")],
        "[[file]]\npath = \"where\"\ntemplate = \"{{ http_url }}\"\n",
        |listener| listener.bind_ipv6().unwrap(),
    )
    .await;
    let mut stream = TcpStream::connect((Ipv6Addr::LOCALHOST, f.port)).await.unwrap();
    let request = b"GET /boot.efi HTTP/1.1\r\nHost: x\r\n\r\nGET /where HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("0123456789") && answer.ends_with("http://[::1]\n"), "{answer}");
    assert!(f.ask("GET /boot.efi", "").await.0.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn who_asks_too_often_is_told_so() {
    let f = serving(&[("file", b"x")], "[limits]\nhttp-requests = { at-once = 2, per-second = 1 }").await;
    assert!(f.ask("GET /file", "").await.0.starts_with("http/1.1 200"));
    assert!(f.ask("GET /file", "").await.0.starts_with("http/1.1 200"));
    // A second may go by before the third request: as many follow as no second holds.
    let mut refused = false;
    for _ in 0..50 {
        refused |= f.ask("GET /file", "").await.0.starts_with("http/1.1 429");
    }
    assert!(refused);
    assert!(f.services.recorder.counters().contains_key(&("http", "too-often")));
}

#[tokio::test]
async fn a_client_holds_so_many_connections_and_another_is_served() {
    let f = serving(&[("file", b"0123456789")], "[limits]\nconnections-per-client = 2").await;
    let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, f.port));
    let (mut first, mut second) = (connect().await.unwrap(), connect().await.unwrap());
    fs::File::create(f.folder.path().join("large")).unwrap().set_len(1 << 30).unwrap();
    for stream in [&mut first, &mut second] {
        stream.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'H');
    }
    let mut third = connect().await.unwrap();
    // Closed or reset, without a byte.
    assert!(!matches!(third.read(&mut [0; 10]).await, Ok(1..)));
    assert_eq!(f.services.recorder.counters().get(&("http", "client-full")), Some(&1));
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::new(127, 0, 0, 9), 0).into()).unwrap();
    let mut other = socket.connect((Ipv4Addr::LOCALHOST, f.port).into()).await.unwrap();
    other.write_all(b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_eq!(answer_on(&mut other, 100, true).await.1, b"0123456789");
}

#[tokio::test]
async fn networks_that_are_not_named_get_no_connection() {
    let f = serving(&[("file", b"x")], "[limits]\nsubnets = \"10.0.0.0/8\"").await;
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, f.port)).await.unwrap();
    assert!(!matches!(stream.read(&mut [0; 10]).await, Ok(1..)));
    assert_eq!(f.services.recorder.counters().get(&("http", "not-allowed")), Some(&1));
}
