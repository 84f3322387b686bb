//! Connections to the HTTP port that are of no use: such as ask for nothing, and such as never take
//! their answer.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use super::clients::{Ended, http};
use super::site::{FILE, FLEET, SERVER, Site};

/// A network of 256 addresses opens so many connections and asks for nothing; a machine of the same
/// network fetches a file all the same, again and again. Gives the words for the line.
///
/// # Panics
/// When the machine does not get its file.
pub fn idle_connections(count: u32) -> String {
    let mut site = site("");
    // A bound that so many reach: it is a quarter of all by default.
    site.configure(&format!("[limits]\nconnections-per-subnet = {}\n", count / 2));
    site.start();
    let idle = site.lab.inside(HOSTILE, move || open(count)).join().expect("the connections are opened");
    let content = site.content.clone();
    for _ in 0..FETCHES {
        let ended = site.lab.inside(FLEET, || http(FILE, |_| true)).join().expect("the client goes on");
        assert!(ended == Ended::Whole(content.clone()), "{}", site.process().printed());
    }
    format!("{FETCHES} of {FETCHES} fetches beside {} idle connections of the same network", idle.len())
}

/// So many clients ask for a file and take nothing of it, and one sends its request byte by byte:
/// their connections are cut, and others are served meanwhile and after. Gives the words for the
/// line.
///
/// # Panics
/// When one of them stays, or when another client is not served.
pub fn stuck_connections(count: u32) -> String {
    let mut site = site("[http]\nsend-timeout = \"2s\"\n");
    let huge = fs::File::create(site.lab.folder().join("root/huge.img")).expect("the folder can be written");
    huge.set_len(1 << 30).expect("zeros need no room");
    site.start();
    let began = Instant::now();
    let slow = site.lab.inside(HOSTILE, slow_head);
    let stuck = site.lab.inside(HOSTILE, move || {
        let mut stuck = open(count);
        for stream in &mut stuck {
            let request = format!("GET /huge.img HTTP/1.1\r\nHost: {SERVER}\r\n\r\n");
            // One that was cut meanwhile is what is wanted.
            let _ = stream.write_all(request.as_bytes());
        }
        stuck
    });
    let stuck = stuck.join().expect("the connections are opened");
    let ended = site.lab.inside(FLEET, || http(FILE, |_| true)).join().expect("the client goes on");
    assert!(ended == Ended::Whole(site.content.clone()), "{}", site.process().printed());
    while site.api("/status")["transfers"].as_u64() != Some(0) {
        assert!(began.elapsed() < PATIENCE, "they stay: {}", site.api("/status"));
        thread::yield_now();
    }
    let cut_after = began.elapsed().as_secs();
    for mut stream in stuck {
        let mut rest = [0; 64 << 10];
        while stream.read(&mut rest).is_ok_and(|count| count > 0) {}
        assert!(stream.take_error().is_ok());
    }
    let written = slow.join().expect("the head is cut");
    assert!(written < HEAD.len(), "a head that came byte by byte was waited for");
    format!("all cut within {cut_after} s of the first, others served meanwhile")
}

/// Sends a request byte by byte until the connection is closed; gives how many bytes there were.
fn slow_head() -> usize {
    let mut stream = TcpStream::connect((SERVER, 80)).expect("the connection is accepted");
    stream.set_read_timeout(Some(BETWEEN_BYTES)).expect("a time can be set");
    for (written, byte) in HEAD.iter().enumerate() {
        let sent = stream.write_all(&[*byte]);
        match stream.read(&mut [0]) {
            Err(error)
                if sent.is_ok() && matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            _ => return written,
        }
    }
    HEAD.len()
}

fn site(more: &str) -> Site {
    let mut site = Site::new(None, 0, more);
    site.lab.add_host(HOSTILE);
    site.lab.plug(HOSTILE, "lan0", "br0", "10.77.0.60/24");
    for host in 61..60 + ADDRESSES {
        site.lab.ip(HOSTILE, &format!("addr add 10.77.0.{host}/24 dev lan0"));
    }
    site
}

/// Connections from several addresses of one network: one address alone may have fewer.
fn open(count: u32) -> Vec<TcpStream> {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // With too few, opening fails below.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
    let connect = |number: u32| {
        let host = 60 + u8::try_from(number % u32::from(ADDRESSES)).unwrap_or_default();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let from = IpAddr::from(Ipv4Addr::new(10, 77, 0, host));
        socket.bind(&SocketAddr::from((from, 0)).into())?;
        socket.connect_timeout(&SocketAddr::from((SERVER, 80)).into(), PATIENCE)?;
        Ok::<_, std::io::Error>(TcpStream::from(socket))
    };
    (0..count).map(|number| connect(number).expect("the connection is accepted")).collect()
}

const HOSTILE: &str = "hostile";
/// Of the hostile host.
const ADDRESSES: u8 = 8;
/// A head that takes a minute and a half.
const HEAD: &[u8] = &[b'G'; 450];
const BETWEEN_BYTES: Duration = Duration::from_millis(200);
const FETCHES: u32 = 20;
const PATIENCE: Duration = Duration::from_secs(60);
