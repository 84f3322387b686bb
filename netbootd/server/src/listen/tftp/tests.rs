use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use ::tftp::{Mode, RequestOptions, netascii};
use netbootd_config::Config;
use netbootd_telemetry::event::Recorded;
use tempfile::TempDir;
use tokio::net::UdpSocket;

use super::transfers::Mail;
use super::*;
use crate::services::Snapshot;

mod session_limits;
mod shared_ports;

struct Fixture {
    folder: TempDir,
    services: Arc<Services>,
    server: SocketAddr,
}

fn serving(configuration: &str) -> Fixture {
    serving_on(Ipv4Addr::LOCALHOST.into(), configuration)
}

fn serving_on(addr: IpAddr, configuration: &str) -> Fixture {
    let folder = TempDir::new().unwrap();
    let (config, _) = Config::parse(configuration, Path::new("test.toml"), Some(folder.path())).unwrap();
    let services = Arc::new(Services::in_memory(Snapshot::new(config, None).unwrap()));
    let listener = TftpListener::bind(Arc::clone(&services), None, addr, 0).unwrap();
    let server = SocketAddr::new(addr, listener.port().unwrap());
    tokio::spawn(listener.run());
    Fixture { folder, services, server }
}

async fn client() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap()
}

async fn hear(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buf = vec![0; 65536];
    let (len, from) =
        tokio::time::timeout(Duration::from_secs(10), socket.recv_from(&mut buf)).await.unwrap().unwrap();
    buf.truncate(len);
    (buf, from)
}

impl Fixture {
    fn file(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join(name), bytes).unwrap();
    }

    /// A file that nobody writes to any more: its transfers wait without a task.
    fn settled(&self, name: &str, bytes: &[u8]) {
        self.file(name, bytes);
        let file = fs::File::options().write(true).open(self.folder.path().join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
    }

    async fn ask(&self, socket: &UdpSocket, name: &[u8], options: &RequestOptions) {
        let request = Packet::read_request(name, Mode::Octet, options).unwrap();
        socket.send_to(&request, self.server).await.unwrap();
    }

    async fn answer_to(&self, bytes: &[u8]) -> Vec<u8> {
        let socket = client().await;
        socket.send_to(bytes, self.server).await.unwrap();
        hear(&socket).await.0
    }

    /// Fetches in lockstep, acknowledging all.
    async fn fetch(&self, request: &[u8], block_size: usize) -> Vec<u8> {
        self.fetch_by(client().await, request, block_size).await
    }

    async fn fetch_by(&self, socket: UdpSocket, request: &[u8], block_size: usize) -> Vec<u8> {
        socket.send_to(request, self.server).await.unwrap();
        let mut file = Vec::new();
        loop {
            let (bytes, from) = hear(&socket).await;
            match Packet::parse(&bytes).unwrap() {
                Packet::Data { block, payload } => {
                    file.extend(payload);
                    let ack = Packet::Ack { block, next_window: None }.emit().unwrap();
                    socket.send_to(&ack, from).await.unwrap();
                    if payload.len() < block_size {
                        return file;
                    }
                }
                Packet::OptionAck(_) => {
                    let ack = Packet::Ack { block: 0, next_window: None }.emit().unwrap();
                    socket.send_to(&ack, from).await.unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
    }

    async fn until(
        &self,
        wanted: impl Fn(&Event) -> bool,
        mut watcher: tokio::sync::broadcast::Receiver<Arc<Recorded>>,
    ) -> Event {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(10), watcher.recv()).await;
            let event = next.unwrap().unwrap().event.clone();
            if wanted(&event) {
                return event;
            }
        }
    }
}

fn finished(event: &Event) -> bool {
    matches!(event, Event::TransferFinished(_))
}

#[tokio::test]
async fn files_arrive_whole_in_octet_and_netascii() {
    let f = serving("");
    let text = b"one\ntwo\r\nthree\r".repeat(100);
    f.file("text", &text);
    assert_eq!(f.fetch(b"\0\x01TEXT\0octet\0", 512).await, text);
    assert_eq!(netascii::decode(&f.fetch(b"\0\x01\\text\0NetAscii\0", 512).await), text);
    assert_eq!(f.fetch(b"\0\x01text\0octet\0blksize\x00100\0", 100).await, text);
}

#[tokio::test]
async fn refusals_carry_the_errors_of_the_rfc() {
    let f = serving("");
    f.file("file", b"x");
    std::os::unix::fs::symlink("/etc/passwd", f.folder.path().join("link")).unwrap();
    let table: [(&[u8], u16); 9] = [
        (b"\0\x01none\0octet\0", 1),
        (b"\0\x01../file\0octet\0", 2),
        (b"\0\x01a\\..\\..\\file\0octet\0", 2),
        (b"\0\x01link\0octet\0", 2),
        (b"\0\x02file\0octet\0", 2),
        (b"\0\x01file\0mail\0", 4),
        (b"\0\x09", 4),
        (b"\0\x01", 4),
        (b"\0\x04\0\x01", 5),
    ];
    for (request, code) in table {
        let answer = f.answer_to(request).await;
        assert!(
            matches!(Packet::parse(&answer), Ok(Packet::Error { code: got, .. }) if got.0 == code),
            "{request:?}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn an_error_is_never_answered() {
    let f = serving("");
    f.file("file", b"x");
    let socket = client().await;
    socket.send_to(b"\0\x05\0\x08no\0", f.server).await.unwrap();
    f.ask(&socket, b"file", &RequestOptions::default()).await;
    assert!(
        matches!(Packet::parse(&hear(&socket).await.0), Ok(Packet::Data { block: 1, .. })),
        "the first thing heard"
    );
}

#[tokio::test]
async fn asking_for_the_size_and_leaving_is_recorded_as_a_probe() {
    let f = serving("");
    f.settled("nbp.efi", &[7; 100_000]);
    let watcher = f.services.recorder.watch();
    let socket = client().await;
    f.ask(&socket, b"nbp.efi", &RequestOptions::asking(Some(1468), Some(4), None, true)).await;
    let (bytes, from) = hear(&socket).await;
    assert_eq!(bytes, b"\0\x06tsize\x00100000\0blksize\x001468\0windowsize\x004\0");
    socket.send_to(b"\0\x05\0\x08User aborted the transfer\0", from).await.unwrap();
    let Event::TransferFinished(end) = f.until(finished, watcher).await else { panic!() };
    assert_eq!(end.outcome.name(), "probed");
}

#[tokio::test]
async fn a_client_that_is_gone_frees_its_place() {
    let f = serving("");
    f.settled("file", &[7; 100_000]);
    let watcher = f.services.recorder.watch();
    let socket = client().await;
    f.ask(&socket, b"file", &RequestOptions::default()).await;
    let (_, from) = hear(&socket).await;
    socket.send_to(&Packet::Ack { block: 1, next_window: None }.emit().unwrap(), from).await.unwrap();
    drop(socket); // its port is closed when the second block comes
    let Event::TransferFinished(end) = f.until(finished, watcher).await else { panic!() };
    assert_eq!(end.outcome.name(), "client-gone");
}

#[tokio::test]
async fn a_repeated_request_starts_no_second_transfer() {
    let f = serving("");
    f.settled("file", b"short");
    let socket = client().await;
    for _ in 0..3 {
        f.ask(&socket, b"file", &RequestOptions::default()).await;
    }
    let (_, from) = hear(&socket).await;
    // Requests are handled in order: once this one is answered, the repeated ones were handled.
    let other = client().await;
    f.ask(&other, b"missing", &RequestOptions::default()).await;
    hear(&other).await;
    let watcher = f.services.recorder.watch();
    socket.send_to(&Packet::Ack { block: 1, next_window: None }.emit().unwrap(), from).await.unwrap();
    f.until(finished, watcher).await;
    assert_eq!(f.services.recorder.counters().get(&("tftp", "completed")), Some(&1));
    assert!(socket.try_recv_from(&mut [0; 600]).is_err(), "one answer only");
}

#[tokio::test]
async fn who_asks_again_from_the_same_port_is_served_while_the_first_transfer_ends() {
    let f = serving("");
    f.settled("file", &[7; 600]);
    let socket = client().await;
    let ack = |block| Packet::Ack { block, next_window: None }.emit().unwrap();
    let mut ports = Vec::new();
    for _ in 0..2 {
        f.ask(&socket, b"file", &RequestOptions::default()).await;
        let (_, port) = hear(&socket).await;
        socket.send_to(&ack(1), port).await.unwrap();
        let (last, from) = hear(&socket).await;
        assert!(matches!(Packet::parse(&last), Ok(Packet::Data { block: 2, .. })) && from == port);
        ports.push(port);
    }
    for port in ports {
        let watcher = f.services.recorder.watch();
        socket.send_to(&ack(2), port).await.unwrap();
        f.until(finished, watcher).await;
    }
    assert_eq!(f.services.recorder.counters().get(&("tftp", "completed")), Some(&2));
    let no_place_is_taken = f.services.limits.transfers.room(|| 1);
    tokio::time::timeout(Duration::from_secs(10), no_place_is_taken).await.unwrap();
}

#[tokio::test]
async fn who_goes_on_to_another_file_from_the_same_port_has_fetched_the_first() {
    let f = serving("");
    f.settled("one", &[7; 100]);
    f.settled("another", &[7; 100]);
    // A worker that is busy reads its mail before it asks for its sockets.
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(client().await);
    }
    for turn in 0..20 {
        let name: &[u8] = if turn % 2 == 0 { b"one" } else { b"another" };
        for socket in &clients {
            f.ask(socket, name, &RequestOptions::default()).await;
        }
        for socket in &clients {
            let (_, port) = hear(socket).await;
            // The next request follows at once.
            let last = Packet::Ack { block: 1, next_window: None }.emit().unwrap();
            socket.send_to(&last, port).await.unwrap();
        }
    }
    let all_are_over = async {
        while f.services.recorder.counters().get(&("tftp", "completed")) != Some(&400) {
            tokio::task::yield_now().await;
        }
    };
    let over = tokio::time::timeout(Duration::from_secs(10), all_are_over).await;
    assert!(over.is_ok(), "{:?}", f.services.recorder.counters());
}

#[tokio::test]
async fn a_last_acknowledgement_counts_when_word_of_the_next_request_is_read_first() {
    let f = serving("");
    f.file("file", &[7; 100]);
    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let peer = socket.local_addr().unwrap();
    let line = TransferSocket::own(Ipv4Addr::LOCALHOST.into(), None, peer).unwrap();
    let port = line.own_socket().unwrap().port().unwrap();
    let (mail, inbox) = tokio::sync::mpsc::channel(1);
    mail.try_send(Mail::Superseded).unwrap();
    socket.send_to(b"\0\x04\0\x01", (Ipv4Addr::LOCALHOST, port)).unwrap();
    let workers = Arc::new(Workers::start().unwrap());
    let handshakes = Handshakes::new(Arc::clone(&f.services), Arc::default(), Arc::clone(&workers));
    // Nothing has asked the runtime for its sockets since.
    let transfer = Transfer {
        services: Arc::clone(&f.services),
        line,
        inbox,
        server: Ipv4Addr::LOCALHOST.into(),
        path: Arc::new(Requested::new(*b"file")),
        requester: Requester { peer, probe: false },
        admitted: Admitted { transfers: Arc::default(), from: peer, number: 1 },
        worker: workers.next().clone(),
        busy_poll: BusyPoll::default(),
        superseded: None,
        handshakes: Arc::new(handshakes),
        port: None,
    };
    transfer.run(Mode::Octet, RequestOptions::default()).await;
    assert_eq!(f.services.recorder.counters().get(&("tftp", "completed")), Some(&1));
}

#[tokio::test]
async fn a_stranger_is_told_so_and_the_transfer_goes_on() {
    let f = serving("");
    f.settled("file", &[7; 600]);
    let (socket, stranger) = (client().await, client().await);
    f.ask(&socket, b"file", &RequestOptions::default()).await;
    let (_, from) = hear(&socket).await;
    stranger.send_to(b"\0\x04\0\x01", from).await.unwrap();
    assert!(matches!(
        Packet::parse(&hear(&stranger).await.0),
        Ok(Packet::Error { code: ErrorCode::UNKNOWN_TRANSFER, .. })
    ));
    socket.send_to(b"\0\x04\0\x01", from).await.unwrap();
    assert!(
        matches!(Packet::parse(&hear(&socket).await.0), Ok(Packet::Data { block: 2, payload }) if payload.len() == 88)
    );
}

#[tokio::test]
async fn a_file_that_shrinks_ends_its_transfer_with_an_error() {
    let f = serving("");
    f.file("file", &[7; 5000]);
    let watcher = f.services.recorder.watch();
    let socket = client().await;
    f.ask(&socket, b"file", &RequestOptions::default()).await;
    let (_, from) = hear(&socket).await;
    socket.send_to(b"\0\x04\0\x01", from).await.unwrap();
    hear(&socket).await;
    f.file("file", b"");
    socket.send_to(b"\0\x04\0\x02", from).await.unwrap();
    assert!(matches!(Packet::parse(&hear(&socket).await.0), Ok(Packet::Error { .. })));
    let Event::TransferFinished(end) = f.until(finished, watcher).await else { panic!() };
    assert_eq!(end.outcome.name(), "read-failed");
    assert!(end.detail.unwrap().to_string().contains("shrunk"));
}

/// Fetches a file in lockstep and does something after the first block; gives the file, or the
/// words of the error.
async fn fetch_while(f: &Fixture, name: &str, change: impl FnOnce()) -> Result<Vec<u8>, String> {
    let socket = client().await;
    let options = RequestOptions::asking(Some(1000), None, Some(4), false);
    f.ask(&socket, name.as_bytes(), &options).await;
    let (mut file, mut change, mut wanted) = (Vec::new(), Some(change), 1_u16);
    loop {
        let (bytes, from) = hear(&socket).await;
        let acknowledged = match Packet::parse(&bytes).unwrap() {
            Packet::OptionAck(_) => 0,
            Packet::Data { block, payload } if block == wanted => {
                file.extend(payload);
                if let Some(change) = change.take() {
                    change();
                }
                wanted += 1;
                if payload.len() < 1000 {
                    let ack = Packet::Ack { block, next_window: None }.emit().unwrap();
                    socket.send_to(&ack, from).await.unwrap();
                    return Ok(file);
                }
                block
            }
            Packet::Data { .. } => wanted - 1,
            Packet::Error { message, .. } => return Err(String::from_utf8_lossy(message).into_owned()),
            other => panic!("{other:?}"),
        };
        let ack = Packet::Ack { block: acknowledged, next_window: None }.emit().unwrap();
        socket.send_to(&ack, from).await.unwrap();
    }
}

#[tokio::test]
async fn a_file_that_is_overwritten_in_place_is_never_completed_and_one_that_is_replaced_arrives_whole() {
    // Read, and sent from the page cache; the last one ends with an empty block.
    for length in [9_500, 500_500, 500_000] {
        let f = serving("");
        let place = f.folder.path().join("file");
        f.file("file", &vec![7; length]);
        let replaced = fetch_while(&f, "file", || {
            fs::write(f.folder.path().join("new"), vec![8; length]).unwrap();
            fs::rename(f.folder.path().join("new"), &place).unwrap();
        });
        assert_eq!(replaced.await.unwrap(), vec![7; length]);
        assert_eq!(fetch_while(&f, "file", || {}).await.unwrap(), vec![8; length]);
        let watcher = f.services.recorder.watch();
        // Its length stays, and only its end changes.
        let overwritten = fetch_while(&f, "file", || {
            let file = fs::File::options().write(true).open(&place).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, &[9; 10], length as u64 - 10).unwrap();
        });
        assert_eq!(overwritten.await, Err("the file cannot be read to its end".to_owned()), "{length}");
        // The end of the transfer before may come first.
        let failed = |event: &Event| matches!(event, Event::TransferFinished(end) if end.detail.is_some());
        let Event::TransferFinished(end) = f.until(failed, watcher).await else { panic!() };
        assert_eq!(end.outcome.name(), "read-failed");
        assert!(end.detail.unwrap().to_string().contains("changed in place"));
    }
}
