//! TFTP as clients speak it, well and badly (RFC 1350, RFC 2348).

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

const BLOCK: usize = 1468;
/// Between two blocks of a slow client.
const PACE: Duration = Duration::from_millis(8);
/// Blocks after which a client that gives up does so.
const GIVES_UP_AFTER: u16 = 2;

/// One request. `get` fetches all, `miss` wants an ERROR, `stall` acknowledges the options and nothing more, `mute` nothing at all,
/// `abort` ends it with an ERROR after some blocks.
pub(super) fn tftp(address: Ipv4Addr, how: &str, path: &str) {
    let socket = UdpSocket::bind((address, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // `\x01` in a case is that byte: some names are no text.
    let name = path.replace("\\x01", "\u{1}").replace("%20", " ");
    let request =
        [&[0, 1], name.as_bytes(), b"\0octet\0blksize\0", BLOCK.to_string().as_bytes(), b"\0"].concat();
    socket.send_to(&request, "10.77.0.1:69").unwrap();
    if how == "mute" {
        return keep(socket);
    }
    let (answer, from) = receive(&socket);
    match (how, answer[1]) {
        ("miss", 5) => {}
        ("stall", 6) => {
            acknowledge(&socket, from, 0);
            keep(socket);
        }
        ("get" | "abort" | "slow", 6) => {
            acknowledge(&socket, from, 0);
            fetch(&socket, how);
        }
        (how, code) => panic!("{how} {path}: answered with opcode {code}: {answer:?}"),
    }
}

/// A closed port would be answered with ICMP, which ends the transfer: a client that is silent keeps it.
fn keep(socket: UdpSocket) {
    std::mem::forget(socket);
}

fn fetch(socket: &UdpSocket, how: &str) {
    let mut expected: u16 = 1;
    loop {
        let (data, from) = receive(socket);
        assert_eq!(data[1], 3, "no block: {data:?}");
        let block = u16::from_be_bytes([data[2], data[3]]);
        if block != expected {
            continue;
        }
        if how == "abort" && block == GIVES_UP_AFTER {
            let error = [&[0, 5, 0, 0], b"NBP is too big to fit in free base memory\0".as_slice()].concat();
            socket.send_to(&error, from).unwrap();
            return;
        }
        if how == "slow" {
            std::thread::sleep(PACE); // its link's rate
        }
        acknowledge(socket, from, block);
        if data.len() < BLOCK + 4 {
            return;
        }
        expected = expected.wrapping_add(1);
    }
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut bytes = [0; 2048];
    let (length, from) = socket.recv_from(&mut bytes).unwrap();
    (bytes[..length].to_vec(), from)
}

fn acknowledge(socket: &UdpSocket, to: SocketAddr, block: u16) {
    socket.send_to(&[&[0, 4], block.to_be_bytes().as_slice()].concat(), to).unwrap();
}
