use super::*;

#[tokio::test]
async fn transfers_share_the_ports_of_a_range() {
    let free = client().await.local_addr().unwrap().port();
    let f = serving(&format!("[tftp]\nport-range = \"{free}-{free}\""));
    let text: Vec<u8> = (0..5000_u16).flat_map(u16::to_be_bytes).collect();
    f.settled("file", &text);
    let options = RequestOptions::asking(Some(1000), None, None, true);
    let mut clients = Vec::new();
    for _ in 0..10 {
        let socket = client().await;
        f.ask(&socket, b"file", &options).await;
        assert_eq!(hear(&socket).await.1.port(), free);
        clients.push(socket);
    }
    // All of them go on by turns: what comes of one never ends another's.
    for block in 0..=10 {
        for socket in &clients {
            let ack = Packet::Ack { block, next_window: None }.emit().unwrap();
            socket.send_to(&ack, (Ipv4Addr::LOCALHOST, free)).await.unwrap();
        }
        for socket in &clients {
            loop {
                let (bytes, from) = hear(socket).await;
                assert_eq!(from.port(), free);
                match Packet::parse(&bytes).unwrap() {
                    Packet::Data { block: next, payload } if next == block + 1 => {
                        assert_eq!(payload, text.chunks(1000).nth(block.into()).unwrap_or_default());
                        break;
                    }
                    // Sent once more.
                    Packet::Data { block: next, .. } if next <= block => {}
                    Packet::OptionAck(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn a_range_serves_files_that_are_translated_beside_others() {
    let free = client().await.local_addr().unwrap().port();
    let f = serving(&format!("[tftp]\nport-range = \"{free}-{free}\""));
    let text = b"one\ntwo\r\n".repeat(200);
    f.settled("text", &text);
    let waiting = client().await;
    f.ask(&waiting, b"text", &RequestOptions::default()).await;
    assert_eq!(hear(&waiting).await.1.port(), free);
    assert_eq!(netascii::decode(&f.fetch(b"\0\x01text\0netascii\0", 512).await), text);
    assert_eq!(f.fetch(b"\0\x01text\0octet\0", 512).await, text);
}

#[tokio::test]
async fn a_lost_answer_is_sent_again_and_then_no_more() {
    let f = serving("");
    f.settled("file", &[7; 5000]);
    let silent = async |options: RequestOptions, answers| {
        let socket = client().await;
        let (watcher, from) = (f.services.recorder.watch(), socket.local_addr().unwrap());
        f.ask(&socket, b"file", &options).await;
        let mut heard = Vec::new();
        for _ in 0..answers {
            heard.push(hear(&socket).await);
        }
        assert!(heard.iter().all(|answer| *answer == heard[0]), "from one port, the same");
        let its_end = |event: &Event| matches!(event, Event::TransferFinished(end) if end.peer == from);
        let Event::TransferFinished(end) = f.until(its_end, watcher).await else { panic!() };
        assert_eq!((end.outcome.name(), end.proved), ("timed-out", false));
        assert!(socket.try_recv_from(&mut [0; 2000]).is_err(), "that was all");
    };
    let asked = RequestOptions::asking(Some(1000), None, None, true);
    tokio::join!(silent(RequestOptions::default(), 2), silent(asked, 3));
}

#[tokio::test]
async fn who_stands_beside_cannot_acknowledge_in_anothers_name_by_trying_the_ports() {
    let f = serving("");
    f.settled("file", &[7; 5000]);
    let victim = client().await;
    f.ask(&victim, b"file", &RequestOptions::default()).await;
    let (_, right) = hear(&victim).await;
    // Which ports others are answered from, everybody can find out.
    let (mut others, mut wrong) = (Vec::new(), Vec::new());
    while wrong.len() < 2 {
        let other = client().await;
        f.ask(&other, b"file", &RequestOptions::default()).await;
        let (_, port) = hear(&other).await;
        if port != right && !wrong.contains(&port) {
            wrong.push(port);
        }
        others.push(other);
    }
    let waiting = f.services.limits.transfers.unproved();
    for port in wrong {
        victim.send_to(b"\0\x04\0\x01", port).await.unwrap();
    }
    let it_left = async {
        while f.services.limits.transfers.unproved() == waiting {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), it_left).await.unwrap();
    victim.send_to(b"\0\x04\0\x01", right).await.unwrap();
    loop {
        match Packet::parse(&hear(&victim).await.0).unwrap() {
            Packet::Error { code: ErrorCode::UNKNOWN_TRANSFER, .. } => break,
            // Sent once more before that.
            Packet::Data { block: 1, .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn single_port_mode_answers_from_the_port_that_was_asked() {
    let f = serving("[tftp]\nsingle-port = true");
    f.settled("file", &[7; 5000]);
    let socket = client().await;
    f.ask(&socket, b"file", &RequestOptions::default()).await;
    assert_eq!(hear(&socket).await.1, f.server);
    assert_eq!(f.fetch(b"\0\x01file\0octet\0", 512).await, [7; 5000]);
}

#[tokio::test]
async fn ipv6_is_served_from_a_port_of_its_own_and_from_one_for_all() {
    for configuration in ["", "[tftp]\nsingle-port = true"] {
        let f = serving_on(Ipv6Addr::UNSPECIFIED.into(), configuration);
        f.settled("file", &[7; 5000]);
        let f = Fixture { server: SocketAddr::from((Ipv6Addr::LOCALHOST, f.server.port())), ..f };
        let socket = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).await.unwrap();
        assert_eq!(f.fetch_by(socket, b"\0\x01file\0octet\0", 512).await, [7; 5000], "{configuration}");
    }
}
