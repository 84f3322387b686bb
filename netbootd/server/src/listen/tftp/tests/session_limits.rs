use super::*;

#[tokio::test]
async fn a_client_of_a_full_server_gets_no_answer_and_boots_once_a_place_is_free() {
    let f = serving("[tftp]\nmax-transfers = 1");
    f.settled("file", &[7; 5000]);
    // It has its first answer before another client takes the only place.
    let waits = client().await;
    f.ask(&waits, b"file", &RequestOptions::default()).await;
    let (_, port) = hear(&waits).await;
    let (first, its_port) = f.proved().await;
    let late = client().await;
    f.ask(&late, b"file", &RequestOptions::default()).await;
    let acknowledge = Packet::Ack { block: 1, next_window: None }.emit().unwrap();
    waits.send_to(&acknowledge, port).await.unwrap();
    let both = async {
        while (f.counted("busy"), f.counted("deferred")) != (Some(1), Some(1)) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), both).await.unwrap();
    let abort = Packet::Error { code: ErrorCode::UNDEFINED, message: b"enough" };
    first.send_to(&abort.emit().unwrap(), its_port).await.unwrap();
    // The first block comes again, is acknowledged again, and the second one follows.
    loop {
        let (bytes, from) = hear(&waits).await;
        match Packet::parse(&bytes).unwrap() {
            Packet::Data { block: 1, .. } => drop(waits.send_to(&acknowledge, from).await.unwrap()),
            Packet::Data { block: 2, .. } => break,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_client_whose_transfer_was_evicted_goes_on_when_it_acknowledges() {
    let f = serving("[limits]\nunproved-transfers = 8");
    f.settled("file", &[7; 1000]);
    let (mut late, mut ports) = (Vec::new(), Vec::new());
    for host in 1..=20 {
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 1, host), 0)).await.unwrap();
        f.ask(&socket, b"file", &RequestOptions::default()).await;
        ports.push(hear(&socket).await.1);
        late.push(socket);
    }
    assert_eq!(f.counted("evicted"), Some(12));
    let acknowledge = Packet::Ack { block: 1, next_window: None }.emit().unwrap();
    for (socket, port) in late.iter().zip(&ports) {
        socket.send_to(&acknowledge, port).await.unwrap();
        loop {
            let (bytes, from) = hear(socket).await;
            assert_eq!(from, *port);
            match Packet::parse(&bytes).unwrap() {
                Packet::Data { block: 1, .. } => {} // sent once more
                Packet::Data { block: 2, payload } => break assert_eq!(payload.len(), 488),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn requests_that_nobody_acknowledges_take_nothing_from_those_who_do_and_hold_no_sockets_and_files() {
    let f = serving("[limits]\nunproved-transfers = 8\n[tftp]\nmax-transfers = 4");
    f.settled("file", &[7; 5000]);
    let first = f.proved().await;
    let sockets = || {
        let files = fs::read_dir("/proc/self/fd").unwrap().flatten();
        files
            .filter(|file| {
                fs::read_link(file.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
            })
            .count()
    };
    let (before, mut silent) = (sockets(), Vec::new());
    for host in 1..=100 {
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 1, host), 0)).await.unwrap();
        f.ask(&socket, b"file", &RequestOptions::default()).await;
        assert!(matches!(Packet::parse(&hear(&socket).await.0), Ok(Packet::Data { block: 1, .. })));
        silent.push(socket);
    }
    let transfers = &f.services.limits.transfers;
    assert_eq!((transfers.taken(), transfers.unproved()), (9, 8));
    assert_eq!(f.counted("evicted"), Some(92));
    let more = sockets() - before - silent.len();
    assert!(more <= 16, "they share {more} sockets");
    let place = f.folder.path().join("file");
    let open = || {
        let files = fs::read_dir("/proc/self/fd").unwrap().flatten();
        files.filter(|file| fs::read_link(file.path()).is_ok_and(|target| target == place)).count()
    };
    // The last block is heard a moment before its file is closed.
    let only_who_acknowledges_holds_the_file = async {
        while open() != 1 {
            tokio::task::yield_now().await;
        }
    };
    let patience = Duration::from_secs(10);
    tokio::time::timeout(patience, only_who_acknowledges_holds_the_file).await.unwrap();
    let second = f.proved().await;
    assert_eq!(transfers.taken() - transfers.unproved(), 2);
    drop((first, second, silent));
}

#[tokio::test]
async fn a_file_that_is_replaced_before_its_first_acknowledgement_is_not_mixed() {
    let f = serving("");
    f.file("file", &[7; 5000]);
    for old in [7, 8, 9] {
        let socket = client().await;
        f.ask(&socket, b"file", &RequestOptions::default()).await;
        let (first, from) = hear(&socket).await;
        assert_eq!(first[4..], [old; 512]);
        f.file("new", &[old + 1; 5000]);
        fs::rename(f.folder.path().join("new"), f.folder.path().join("file")).unwrap();
        socket.send_to(b"\0\x04\0\x01", from).await.unwrap();
        match Packet::parse(&hear(&socket).await.0).unwrap() {
            Packet::Data { block: 2, payload } => assert_eq!(payload, [old; 512]),
            Packet::Error { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

impl Fixture {
    /// Begins a transfer and acknowledges its first block.
    async fn proved(&self) -> (UdpSocket, SocketAddr) {
        let socket = client().await;
        self.ask(&socket, b"file", &RequestOptions::default()).await;
        let (_, from) = hear(&socket).await;
        socket.send_to(b"\0\x04\0\x01", from).await.unwrap();
        assert!(matches!(Packet::parse(&hear(&socket).await.0), Ok(Packet::Data { block: 2, .. })));
        (socket, from)
    }

    /// The client gets an ERROR, and then it is counted.
    async fn refuses(&self, refusal: Refusal) {
        let watcher = self.services.recorder.watch();
        assert_eq!(self.answer_to(REQUEST).await, REFUSED);
        self.until(|event| matches!(event, Event::FileRefused(it) if it.refusal == refusal), watcher).await;
    }

    fn reload(&self, configuration: &str) {
        let parsed = Config::parse(configuration, Path::new("test.toml"), Some(self.folder.path()));
        self.services.snapshot.store(Arc::new(Snapshot::new(parsed.unwrap().0, None).unwrap()));
    }

    fn counted(&self, word: &'static str) -> Option<u64> {
        self.services.recorder.counters().get(&("tftp", word)).copied()
    }
}

const REFUSED: &[u8] = b"\0\x05\0\0too many transfers\0";
const REQUEST: &[u8] = b"\0\x01file\0octet\0";

#[tokio::test]
async fn one_client_and_one_network_have_their_places_and_a_reload_changes_them() {
    let f = serving("[limits]\ntransfers-per-client = 1");
    f.settled("file", &[7; 5000]);
    let first = f.proved().await;
    f.refuses(Refusal::ClientFull).await;
    assert_eq!(f.counted("client-full"), Some(1));
    f.reload("[limits]\ntransfers-per-client = 9\ntransfers-per-subnet = 2");
    let second = f.proved().await;
    f.refuses(Refusal::SubnetFull).await;
    assert_eq!(f.counted("subnet-full"), Some(1));
    assert_eq!(f.services.limits.transfers.taken(), 2);
    drop((first, second));
}

#[tokio::test]
async fn who_acknowledges_nothing_begins_no_more_and_hears_nothing() {
    let f = serving("[limits]\nunproved-per-client = 2");
    f.settled("file", &[7; 5000]);
    let (first, second, third) = (client().await, client().await, client().await);
    for socket in [&first, &second] {
        f.ask(socket, b"file", &RequestOptions::default()).await;
        hear(socket).await;
    }
    let watcher = f.services.recorder.watch();
    f.ask(&third, b"file", &RequestOptions::default()).await;
    let refused =
        |event: &Event| matches!(event, Event::FileRefused(refused) if refused.refusal == Refusal::Unproved);
    f.until(refused, watcher).await;
    assert!(third.try_recv_from(&mut [0; 600]).is_err());
    // The same port may ask for something else: its first transfer ends.
    f.ask(&second, b"none", &RequestOptions::default()).await;
    loop {
        let answer = hear(&second).await.0;
        if matches!(Packet::parse(&answer), Ok(Packet::Error { code: ErrorCode::FILE_NOT_FOUND, .. })) {
            break;
        }
    }
    f.proved().await;
}

#[tokio::test]
async fn who_asks_too_often_or_from_elsewhere_is_left_alone() {
    let f = serving("[limits]\nread-requests = { at-once = 3, per-second = 1 }");
    f.file("file", b"x");
    for _ in 0..3 {
        f.answer_to(b"\0\x01none\0octet\0").await;
    }
    let socket = client().await;
    let mut watcher = f.services.recorder.watch();
    for _ in 0..20 {
        socket.send_to(REQUEST, f.server).await.unwrap();
    }
    let left_alone =
        |event: &Event, wanted| matches!(event, Event::FileRefused(refused) if refused.refusal == wanted);
    f.until(|event| left_alone(event, Refusal::TooOften), watcher).await;
    // netbootd has read all of them once another client, which asked later, is answered.
    let other = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 8), 0)).await.unwrap();
    other.send_to(b"\0\x01none\0octet\0", f.server).await.unwrap();
    hear(&other).await;
    f.reload("[limits]\nsubnets = \"10.0.0.0/8\"");
    watcher = f.services.recorder.watch();
    // Refusals of this address were logged lately and are only counted, so another address asks.
    let elsewhere = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 9), 0)).await.unwrap();
    elsewhere.send_to(REQUEST, f.server).await.unwrap();
    f.until(|event| left_alone(event, Refusal::NotAllowed), watcher).await;
    assert_eq!(f.counted("not-allowed"), Some(1));
    assert!(elsewhere.try_recv_from(&mut [0; 600]).is_err());
    f.reload("[limits]\nsubnets = \"127.0.0.0/8\"");
    assert!(matches!(Packet::parse(&f.answer_to(REQUEST).await), Ok(Packet::Data { block: 1, .. })));
}

#[tokio::test]
async fn windows_shrink_when_much_is_under_way() {
    let f = serving("[limits]\nbytes-in-flight = \"1M\"\n[tftp]\nclamp-to-mtu = false");
    f.settled("file", &vec![7; 4 << 20]);
    let asked = RequestOptions::asking(Some(32_768), Some(24), None, false);
    let mut granted = Vec::new();
    let mut sockets = Vec::new();
    for _ in 0..3 {
        let socket = client().await;
        f.ask(&socket, b"file", &asked).await;
        granted.push(String::from_utf8(hear(&socket).await.0.split_off(2)).unwrap());
        sockets.push(socket);
    }
    let window = |size| format!("blksize\x0032768\0windowsize\0{size}\0");
    assert_eq!(granted, [window(24), window(8), window(1)]);
    assert_eq!(f.services.limits.in_flight.held(), (24 + 8 + 1) * 32_768);
}
