//! Whether somebody uses an address that is about to be offered (RFC 2131 §2.2): an ICMP echo, and a short wait.

use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

/// Whether the address answers. No right to send ICMP counts as no answer.
pub(super) async fn is_in_use(address: Ipv4Addr, local: Ipv4Addr) -> bool {
    let asked = tokio::task::spawn_blocking(move || ask(address, local).unwrap_or(false));
    asked.await.unwrap_or(false)
}

/// A raw ICMP socket. Needs `CAP_NET_RAW`.
pub(super) fn open() -> io::Result<Socket> {
    Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))
}

fn ask(address: Ipv4Addr, local: Ipv4Addr) -> io::Result<bool> {
    let socket = open()?;
    socket.bind(&SocketAddrV4::new(local, 0).into())?;
    let id = (u32::from(address) as u16).to_be_bytes();
    socket.send_to(&echo(id), &SocketAddrV4::new(address, 0).into())?;
    let deadline = Instant::now() + PATIENCE;
    let mut buf = [MaybeUninit::uninit(); 256];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        socket.set_read_timeout(Some(left))?;
        match socket.recv_from(&mut buf) {
            Ok((_, from)) if from.as_socket_ipv4().is_some_and(|from| *from.ip() == address) => {
                return Ok(true);
            }
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
    }
}

/// An echo request (RFC 792) with sequence number 1 and no data.
fn echo(id: [u8; 2]) -> [u8; 8] {
    let mut packet = [8, 0, 0, 0, id[0], id[1], 0, 1];
    let words = packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    packet[2..4].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    packet
}

/// A neighbour answers within milliseconds; firmware collects offers for seconds.
const PATIENCE: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_echo_carries_a_right_checksum() {
        let packet = echo([0x12, 0x34]);
        let sum: u32 = packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
    }
}
