use super::*;

fn v4(addr: Ipv4Addr, port: u16) -> SocketAddr {
    SocketAddr::from((addr, port))
}

#[tokio::test]
async fn a_reply_leaves_from_the_address_that_was_asked() {
    let server = Endpoint::bind(v4(Ipv4Addr::UNSPECIFIED, 0), None).unwrap();
    let client = Endpoint::bind(v4(Ipv4Addr::LOCALHOST, 0), None).unwrap();
    let asked = Ipv4Addr::new(127, 0, 0, 9);
    let any = Source { addr: Ipv4Addr::LOCALHOST.into(), ifindex: 0 };
    client.send(b"ask", v4(asked, server.port().unwrap()), any).await.unwrap();

    let mut buf = [0; 16];
    let got = datagram(server.recv(&mut buf).await.unwrap());
    assert_eq!((&buf[..got.len], got.to), (b"ask".as_slice(), IpAddr::from(asked)));
    assert_ne!(got.ifindex, 0);
    server.send(b"answer", got.from, Source { addr: got.to, ifindex: 0 }).await.unwrap();
    let got = datagram(client.recv(&mut buf).await.unwrap());
    assert_eq!((&buf[..got.len], got.from.ip()), (b"answer".as_slice(), asked.into()));
}

fn datagram(incoming: Incoming) -> Received {
    match incoming {
        Incoming::Datagram(received) => received,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_closed_port_is_reported_with_its_address() {
    let server = Endpoint::bind(v4(Ipv4Addr::LOCALHOST, 0), None).unwrap();
    let closed = {
        let client = Endpoint::bind(v4(Ipv4Addr::LOCALHOST, 0), None).unwrap();
        v4(Ipv4Addr::LOCALHOST, client.port().unwrap())
    };
    let source = Source { addr: Ipv4Addr::LOCALHOST.into(), ifindex: 0 };
    server.send(b"anyone?", closed, source).await.unwrap();
    let mut buf = [0; 16];
    assert_eq!(server.recv(&mut buf).await.unwrap(), Incoming::Unreachable(closed));
}

#[tokio::test]
async fn ipv6_knows_both_addresses_and_reports_a_closed_port() {
    let local = Ipv6Addr::LOCALHOST;
    let server = Endpoint::bind((Ipv6Addr::UNSPECIFIED, 0).into(), None).unwrap();
    let client = Endpoint::bind_one((local, 0).into()).unwrap();
    let to = SocketAddr::from((local, server.port().unwrap()));
    client.send(b"ask", to, Source::BOUND).await.unwrap();

    let mut buf = [0; 16];
    let got = datagram(server.recv(&mut buf).await.unwrap());
    assert_eq!((&buf[..got.len], got.to), (b"ask".as_slice(), local.into()));
    let source = Source { addr: got.to, ifindex: 0 };
    server.send_segments(b"aaaabb", Some(4), got.from, source).await.unwrap();
    for expected in ["aaaa", "bb"] {
        let got = datagram(client.recv(&mut buf).await.unwrap());
        assert_eq!(&buf[..got.len], expected.as_bytes());
    }
    drop(client);
    server.send(b"anyone?", got.from, source).await.unwrap();
    assert_eq!(server.recv(&mut buf).await.unwrap(), Incoming::Unreachable(got.from));
}

#[tokio::test]
async fn one_call_sends_many_datagrams() {
    let server = Endpoint::bind(v4(Ipv4Addr::LOCALHOST, 0), None).unwrap();
    let client = Endpoint::bind(v4(Ipv4Addr::LOCALHOST, 0), None).unwrap();
    let to = v4(Ipv4Addr::LOCALHOST, client.port().unwrap());
    let source = Source { addr: Ipv4Addr::LOCALHOST.into(), ifindex: 0 };
    server.send_segments(b"aaaabbbbcc", Some(4), to, source).await.unwrap();
    let mut buf = [0; 16];
    for expected in ["aaaa", "bbbb", "cc"] {
        let got = datagram(client.recv(&mut buf).await.unwrap());
        assert_eq!(&buf[..got.len], expected.as_bytes());
    }
}

#[test]
fn the_route_to_loopback_has_its_mtu() {
    assert_eq!(path_mtu(v4(Ipv4Addr::LOCALHOST, 9)), Some(u16::MAX));
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    let first = Endpoint::bind(v4(Ipv4Addr::LOCALHOST, 0), None).unwrap();
    let taken = v4(Ipv4Addr::LOCALHOST, first.port().unwrap());
    assert_eq!(Endpoint::bind(taken, None).unwrap_err().kind(), io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn what_one_call_receives_comes_one_by_one_in_its_order() {
    let server = Endpoint::bind(v4(Ipv4Addr::LOCALHOST, 0), None).unwrap();
    let client = Endpoint::bind_one(v4(Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (to, back) =
        (v4(Ipv4Addr::LOCALHOST, server.port().unwrap()), v4(Ipv4Addr::LOCALHOST, client.port().unwrap()));
    for (from, at, to) in [(&client, &server, to), (&server, &client, back)] {
        for round in 0..3 {
            let count = 3 * AT_ONCE as u8 + round;
            for n in 0..count {
                from.send(&[n; 3], to, Source::BOUND).await.unwrap();
            }
            let mut buf = [0; 16];
            for n in 0..count {
                // Looking and waiting are the same to who asks.
                let looked = if n % 3 == 0 { at.look(&mut buf, Duration::ZERO) } else { None };
                let got = match looked {
                    Some(got) => got,
                    None => datagram(at.recv(&mut buf).await.unwrap()),
                };
                assert_eq!(&buf[..got.len], [n; 3], "of {count}");
            }
            assert_eq!(at.look(&mut buf, Duration::ZERO), None);
        }
    }
}

#[tokio::test]
async fn datagrams_of_any_length_leave_by_one_call() {
    for local in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
        let server = Endpoint::bind((local, 0).into(), None).unwrap();
        let client = Endpoint::bind_one((local, 0).into()).unwrap();
        let to = SocketAddr::from((local, client.port().unwrap()));
        let words = ["a", "bcd", "", "ef"].map(|word| [IoSlice::new(b"-"), IoSlice::new(word.as_bytes())]);
        for source in [Source::BOUND, Source { addr: local, ifindex: 0 }] {
            server.writable().await.unwrap();
            assert_eq!(server.try_send_each(&words, to, source).unwrap(), words.len());
            let mut buf = [0; 16];
            for expected in ["-a", "-bcd", "-", "-ef"] {
                let got = datagram(client.recv(&mut buf).await.unwrap());
                assert_eq!((&buf[..got.len], got.from.port()), (expected.as_bytes(), server.port().unwrap()));
            }
        }
    }
}

#[tokio::test]
async fn who_waited_for_room_hears_as_before() {
    let server = Endpoint::bind(v4(Ipv4Addr::LOCALHOST, 0), None).unwrap();
    let client = Endpoint::bind_one(v4(Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut buf = [0; 16];
    for text in [b"one", b"two"] {
        client.writable().await.unwrap();
        client.send(text, v4(Ipv4Addr::LOCALHOST, server.port().unwrap()), Source::BOUND).await.unwrap();
        server.writable().await.unwrap();
        let got = datagram(server.recv(&mut buf).await.unwrap());
        server.send(text, got.from, Source { addr: got.to, ifindex: 0 }).await.unwrap();
        let got = datagram(client.recv(&mut buf).await.unwrap());
        assert_eq!(&buf[..got.len], text);
    }
}
