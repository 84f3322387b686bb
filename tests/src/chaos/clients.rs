//! Machines that read files: by TFTP and by HTTP, as slowly as is wanted.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tftp::{Mode, Packet, RequestOptions};

use super::site::SERVER;

/// How a transfer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// With all of the file.
    Whole(Vec<u8>),
    /// With an error that the server told, in its words or its status.
    Told(String),
    /// By silence, or a connection that broke.
    Broke,
}

/// Reads a file by TFTP. `between` is called before each acknowledgement, and ends the transfer
/// when it says so.
pub(super) fn tftp(file: &str, between: impl FnMut(usize) -> bool) -> Ended {
    tftp_of(SERVER, file, between)
}

/// The same from a server that has another address.
pub(super) fn tftp_of(server: Ipv4Addr, file: &str, mut between: impl FnMut(usize) -> bool) -> Ended {
    let Ok(socket) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)) else { return Ended::Broke };
    let _ = socket.set_read_timeout(Some(PATIENCE));
    let options = RequestOptions::asking(Some(BLOCK), None, None, true);
    let Some(request) = Packet::read_request(file.as_bytes(), Mode::Octet, &options) else {
        return Ended::Broke;
    };
    let (mut last, mut to) = (request, SocketAddr::V4(SocketAddrV4::new(server, 69)));
    let (mut bytes, mut wanted, mut block_size) = (Vec::new(), 1_u16, 512_usize);
    let mut buf = vec![0; 2048];
    let mut silent = 0;
    let mut fresh = true;
    while silent < SILENCES {
        if !between(bytes.len()) {
            return Ended::Broke;
        }
        if fresh && socket.send_to(&last, to).is_err() {
            return Ended::Broke;
        }
        fresh = false;
        let Ok((length, from)) = socket.recv_from(&mut buf) else {
            silent += 1;
            fresh = true;
            continue;
        };
        match Packet::parse(&buf[..length]) {
            Ok(Packet::OptionAck(_)) if bytes.is_empty() => {
                (block_size, to, fresh) = (BLOCK.into(), from, true);
                last = Packet::Ack { block: 0, next_window: None }.emit().unwrap_or_default();
            }
            Ok(Packet::Data { block, payload: data }) if block == wanted => {
                silent = 0;
                bytes.extend(data);
                (to, fresh) = (from, true);
                last = Packet::Ack { block, next_window: None }.emit().unwrap_or_default();
                wanted = wanted.wrapping_add(1);
                if data.len() < block_size {
                    let _ = socket.send_to(&last, to); // the server hears it or waits in vain
                    return Ended::Whole(bytes);
                }
            }
            Ok(Packet::Error { message, .. }) => {
                return Ended::Told(String::from_utf8_lossy(message).into_owned());
            }
            _ => {}
        }
    }
    Ended::Broke
}

/// Reads a file by HTTP. `between` is called with how much has come, and ends the transfer when it
/// says so.
pub(super) fn http(file: &str, mut between: impl FnMut(usize) -> bool) -> Ended {
    let to = SocketAddr::V4(SocketAddrV4::new(SERVER, 80));
    let Ok(mut stream) = TcpStream::connect_timeout(&to, CONNECT) else { return Ended::Broke };
    let _ = stream.set_read_timeout(Some(READ));
    let request = format!("GET /{file} HTTP/1.1\r\nHost: {SERVER}\r\nConnection: close\r\n\r\n");
    if stream.write_all(request.as_bytes()).is_err() {
        return Ended::Broke;
    }
    let (mut bytes, mut buf) = (Vec::new(), vec![0; 16 << 10]);
    let mut head = None;
    loop {
        if !between(bytes.len()) {
            return Ended::Broke;
        }
        match stream.read(&mut buf) {
            Ok(0) | Err(_) => break,
            Ok(count) => bytes.extend(&buf[..count]),
        }
        if head.is_none() {
            head = bytes.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4);
        }
    }
    let Some(head) = head else { return Ended::Broke };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let status = text.split(' ').nth(1).unwrap_or_default();
    if status != "200" {
        return Ended::Told(status.to_owned());
    }
    let length = text.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.trim().parse().ok());
    let body = bytes.split_off(head);
    if length == Some(body.len()) { Ended::Whole(body) } else { Ended::Broke }
}

/// Reads a file again and again, one way and the other, until it shall stop. Gives how often all of
/// it came.
///
/// # Panics
/// When what came whole is not the file.
pub(super) fn readers(file: &str, content: &[u8], stop: &AtomicBool) -> usize {
    let goes_on = |_| !stop.load(Ordering::Relaxed);
    let mut whole = 0;
    while !stop.load(Ordering::Relaxed) {
        for ended in [tftp(file, goes_on), http(file, goes_on)] {
            if let Ended::Whole(bytes) = ended {
                assert!(bytes == content, "a file that came whole is not the file");
                whole += 1;
            }
        }
    }
    whole
}

const BLOCK: u16 = 1400;
const PATIENCE: Duration = Duration::from_millis(200);
const SILENCES: usize = 25;
const CONNECT: Duration = Duration::from_millis(500);
const READ: Duration = Duration::from_secs(5);
