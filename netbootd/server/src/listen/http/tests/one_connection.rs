//! Requests that share a connection, and clients that leave it.

use super::*;

/// Every byte differs from the one that a wrong offset would give.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// Reads one answer from a connection that stays open, at most `piece` bytes at a time.
pub(super) async fn answer_on(stream: &mut TcpStream, piece: usize, has_body: bool) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut left: usize = if has_body { length.parse().unwrap() } else { 0 };
    let mut body = Vec::new();
    while left > 0 {
        let mut bytes = vec![0; piece.min(left)];
        let count = stream.read(&mut bytes).await.unwrap();
        assert_ne!(count, 0, "{head}");
        body.extend_from_slice(&bytes[..count]);
        left -= count;
    }
    (head, body)
}

#[tokio::test]
async fn requests_sent_together_are_answered_in_order_with_the_right_bytes() {
    let (large, small) = (pattern(5 << 20), pattern(900));
    let f = serving(&[("large", &large), ("small", &small), ("empty", b"")], "").await;
    let asked: [(&str, &str, &str, &[u8]); 8] = [
        ("GET /large", "", "200", &large),
        ("HEAD /large", "", "200", b""),
        ("GET /large", "Range: bytes=1048570-3145735\r\n", "206", &large[1_048_570..3_145_736]),
        ("GET /none", "", "404", b"no such file"),
        ("GET /small", "", "200", &small),
        ("GET /empty", "", "200", b""),
        ("GET /large", "Range: bytes=-20000\r\n", "206", &large[(5 << 20) - 20_000..]),
        ("GET /large", "", "200", &large),
    ];
    let request: String = asked
        .iter()
        .map(|(what, headers, ..)| format!("{what} HTTP/1.1\r\nHost: x\r\n{headers}\r\n"))
        .collect();
    // A client that takes little at a time makes the server stop in the middle of everything.
    for piece in [1 << 20, 4097] {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, f.port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        for (what, headers, status, expected) in &asked {
            let (head, body) = answer_on(&mut stream, piece, !what.starts_with("HEAD")).await;
            assert!(head.starts_with(&format!("http/1.1 {status}")), "{what} {headers}{head}");
            assert!(body == *expected, "{what} {headers}other bytes");
        }
    }
    assert_eq!(f.services.recorder.counters().get(&("http", "completed")), Some(&12));
}

#[tokio::test]
async fn a_request_may_come_in_pieces_after_silence() {
    let f = serving(&[("file", b"0123456789")], "").await;
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, f.port)).await.unwrap();
    for _ in 0..3 {
        for piece in ["GET /fi", "le HTTP/1.1\r\nHo", "st: x\r\n", "\r\n"] {
            stream.write_all(piece.as_bytes()).await.unwrap();
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(answer_on(&mut stream, 100, true).await.1, b"0123456789");
    }
}

#[tokio::test]
async fn what_is_sent_along_with_a_request_is_no_request() {
    let f = serving(&[("file", b"0123456789")], "").await;
    let inner = "GET /file HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, f.port)).await.unwrap();
    let request = format!("POST /file HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{inner}", inner.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 405") && answer.contains("Connection: close"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}

#[tokio::test]
async fn a_client_that_goes_away_is_recorded_with_what_it_was_sent() {
    let f = serving(&[], "").await;
    fs::File::create(f.folder.path().join("large")).unwrap().set_len(1 << 30).unwrap();
    let mut watcher = f.services.recorder.watch();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, f.port)).await.unwrap();
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut some = vec![0; 1 << 20];
    stream.read_exact(&mut some).await.unwrap();
    drop(stream);
    let finished = loop {
        if let Event::TransferFinished(finished) = watcher.recv().await.unwrap().event.clone() {
            break finished;
        }
    };
    assert_eq!(finished.outcome, TransferOutcome::ClientGone);
    assert!(((1 << 20) - 1000..1 << 30).contains(&finished.bytes), "{}", finished.bytes);
}
