//! TFTP as clients speak it, well and badly (RFC 1350, RFC 2348).

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Type};

use super::script::How;

use crate::wait;

const DATA: u8 = 3;
const ERROR: u8 = 5;
const OPTION_ACK: u8 = 6;
const BLOCK: usize = 1468;
const PLAIN_BLOCK: usize = 512;
/// Between two blocks of a slow client.
const PACE: Duration = Duration::from_millis(8);
/// Blocks after which a client that gives up does so.
const GIVES_UP_AFTER: u16 = 2;

/// Plays one read request to its end.
pub(super) fn tftp(address: Ipv4Addr, how: How, path: &str) {
    let socket = UdpSocket::bind((address, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // `\x01` in a case is that byte: some names are no text. `-` is an empty name.
    let name = if path == "-" { String::new() } else { path.replace("\\x01", "\u{1}").replace("%20", " ") };
    let block = BLOCK.to_string();
    let options: &[(&str, &str)] = match how {
        How::Probe => &[("blksize", &block), ("tsize", "0")],
        // Small blocks, so that a small file has many.
        How::Wrap => &[("blksize", "8"), ("windowsize", "64")],
        How::Plain => &[],
        How::StallLarge => &[("blksize", "8192")],
        _ => &[("blksize", &block)],
    };
    let options: String = options.iter().map(|(option, value)| format!("{option}\0{value}\0")).collect();
    let request = [&[0, 1], name.as_bytes(), b"\0octet\0", options.as_bytes()].concat();
    socket.send_to(&request, "10.77.0.1:69").unwrap();
    if how == How::Mute {
        return keep(socket);
    }
    let (answer, from) = receive(&socket);
    match (how, answer[1]) {
        (How::Miss, ERROR) => {}
        (How::Probe, OPTION_ACK) => {
            send_error(&socket, from, 8, "User aborted the transfer");
        }
        (How::Wrap, OPTION_ACK) => {
            acknowledge(&socket, from, 0);
            fetch_to_the_wrap(&socket);
            keep(socket);
        }
        (How::Stall | How::StallLarge, OPTION_ACK) => {
            acknowledge(&socket, from, 0);
            keep(socket);
        }
        (How::Plain, DATA) => fetch_plain(&socket, (answer, from)),
        (How::Get | How::Abort | How::Peek | How::Vanish | How::Slow | How::Lossy, OPTION_ACK) => {
            acknowledge(&socket, from, 0);
            fetch(&socket, how);
            if how == How::Vanish {
                keep(socket);
            }
        }
        (how, code) => panic!("{how:?} {path}: answered with opcode {code}: {answer:?}"),
    }
}

/// Asks for a file and reads nothing of it.
pub(super) fn stall_http(address: Ipv4Addr, request: &str) {
    let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((address, 0)).into()).unwrap();
    socket.connect(&SocketAddr::from(([10, 77, 0, 1], 80)).into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.write_all(request.as_bytes()).unwrap();
    std::mem::forget(stream);
}

/// A closed port would be answered with ICMP, which ends the transfer: a client that is silent
/// keeps it.
fn keep(socket: UdpSocket) {
    std::mem::forget(socket);
}

/// Blocks of 512 bytes, from the first one on.
fn fetch_plain(socket: &UdpSocket, first: (Vec<u8>, SocketAddr)) {
    let (mut data, from) = first;
    loop {
        acknowledge(socket, from, u16::from_be_bytes([data[2], data[3]]));
        if data.len() < PLAIN_BLOCK + 4 {
            return;
        }
        (data, _) = receive(socket);
    }
}

fn fetch(socket: &UdpSocket, how: How) {
    let mut expected: u16 = 1;
    let mut lost: u16 = 0;
    loop {
        let (data, from) = receive(socket);
        assert_eq!(data[1], 3, "no block: {data:?}");
        let block = u16::from_be_bytes([data[2], data[3]]);
        if block != expected {
            continue;
        }
        match how {
            How::Lossy if block.is_multiple_of(10) && lost < block => {
                lost = block;
                continue;
            }
            How::Abort if block == GIVES_UP_AFTER => {
                return send_error(socket, from, 0, "NBP is too big to fit in free base memory");
            }
            How::Peek if block == GIVES_UP_AFTER => return send_error(socket, from, 0, "closed"),
            How::Vanish if block > GIVES_UP_AFTER => return,
            _ => {}
        }
        if how == How::Slow {
            wait::pass(PACE); // its link's rate
        }
        acknowledge(socket, from, block);
        if data.len() < BLOCK + 4 {
            return;
        }
        expected = expected.wrapping_add(1);
    }
}

fn send_error(socket: &UdpSocket, to: SocketAddr, code: u8, words: &str) {
    socket.send_to(&[&[0, ERROR, 0, code], words.as_bytes(), b"\0"].concat(), to).unwrap();
}

/// Takes window after window, and nothing any more once block numbers start again.
fn fetch_to_the_wrap(socket: &UdpSocket) {
    let mut last: u16 = 0;
    while last < u16::MAX {
        let (data, from) = receive(socket);
        let block = u16::from_be_bytes([data[2], data[3]]);
        if block == last + 1 {
            last = block;
        }
        // The last block of a window, or one that is out of turn.
        if last.is_multiple_of(64) || block != last || last == u16::MAX {
            acknowledge(socket, from, last);
        }
    }
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut bytes = [0; 9000];
    let (length, from) = socket.recv_from(&mut bytes).unwrap();
    (bytes[..length].to_vec(), from)
}

fn acknowledge(socket: &UdpSocket, to: SocketAddr, block: u16) {
    socket.send_to(&[&[0, 4], block.to_be_bytes().as_slice()].concat(), to).unwrap();
}
