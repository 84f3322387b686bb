//! Files that change while they are served.

use super::*;

#[tokio::test]
async fn a_file_that_shrinks_ends_its_transfer_with_an_error() {
    let f = serving(&[], "").await;
    let path = f.folder.path().join("shrinking");
    fs::File::create(&path).unwrap().set_len(64 << 20).unwrap();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, f.port)).await.unwrap();
    stream.write_all(b"GET /shrinking HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut head = [0; 1000];
    stream.read_exact(&mut head).await.unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(1 << 20).unwrap();
    let mut rest = Vec::new();
    // The connection breaks, cleanly or not: the promised length is never reached.
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.len() < 63 << 20);
    assert_eq!(f.services.recorder.counters().get(&("http", "read-failed")), Some(&1));
}

/// Reads an answer to its end, and calls `between` once after the first bytes of it.
async fn whole_or_not(f: &Fixture, headers: &str, between: impl FnOnce()) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, f.port)).await.unwrap();
    let request = format!("GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    between();
    let head = String::from_utf8(head).unwrap();
    let length: usize =
        head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap().parse().unwrap();
    let mut body = Vec::new();
    let _ = stream.read_to_end(&mut body).await;
    (body.len() == length).then_some(body)
}

#[tokio::test]
async fn a_file_that_is_overwritten_in_place_never_arrives_and_one_that_is_replaced_arrives_whole() {
    // More than a socket holds, by the kernel; and less, by copies.
    for (length, headers) in [(40 << 20, ""), (6 << 20, "Range: bytes=100-\r\n")] {
        let f = serving(&[], "").await;
        let place = f.folder.path().join("file");
        fs::write(&place, vec![7; length]).unwrap();
        let replaced = whole_or_not(&f, headers, || {
            fs::write(f.folder.path().join("new"), vec![8; length]).unwrap();
            fs::rename(f.folder.path().join("new"), &place).unwrap();
        });
        let body = replaced.await.unwrap();
        assert!(body.iter().all(|byte| *byte == 7), "the version that was opened");
        let body = whole_or_not(&f, headers, || {}).await.unwrap();
        assert!(body.iter().all(|byte| *byte == 8));
        // Only its first bytes, which the client may have already.
        let overwritten = whole_or_not(&f, headers, || {
            let file = fs::File::options().write(true).open(&place).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, &[9; 10], 0).unwrap();
        });
        assert!(overwritten.await.is_none(), "{length} {headers}");
        let counters = f.services.recorder.counters();
        assert_eq!(counters.get(&("http", "completed")), Some(&2));
        assert_eq!(counters.get(&("http", "read-failed")), Some(&1));
    }
}
