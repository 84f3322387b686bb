//! Datagrams in the name of somebody else.

use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, sendto, socket,
};

/// Sends datagrams whose sender is made up, by raw sockets of the namespace that it was opened in.
#[derive(Debug)]
pub struct Spoofer {
    v4: OwnedFd,
    v6: OwnedFd,
}

impl Spoofer {
    /// Opens the sockets.
    ///
    /// # Panics
    /// Without root.
    #[allow(clippy::new_without_default)] // it opens sockets
    pub fn new() -> Self {
        let open = |family| {
            let raw = socket(family, SockType::Raw, SockFlag::empty(), SockProtocol::Raw);
            raw.unwrap_or_else(|error| panic!("a raw socket: {error}"))
        };
        Spoofer { v4: open(AddressFamily::Inet), v6: open(AddressFamily::Inet6) }
    }

    /// Sends one datagram. One that does not fit the socket is lost, as on any wire.
    ///
    /// # Panics
    /// When the addresses are not of one kind.
    pub fn send(&self, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        let udp = udp(from, to, payload);
        let _ = match (from, to) {
            (SocketAddr::V4(from), SocketAddr::V4(to)) => {
                let packet = [&ipv4(from, to, udp.len())[..], &udp].concat();
                sendto(self.v4.as_raw_fd(), &packet, &SockaddrIn::from(to), MsgFlags::empty())
            }
            (SocketAddr::V6(from), SocketAddr::V6(to)) => {
                let packet = [&ipv6(from, to, udp.len())[..], &udp].concat();
                // A raw socket of IPv6 has no ports.
                let to = SocketAddrV6::new(*to.ip(), 0, 0, to.scope_id());
                sendto(self.v6.as_raw_fd(), &packet, &SockaddrIn6::from(to), MsgFlags::empty())
            }
            _ => panic!("{from} and {to} are not of one kind"),
        };
    }
}

fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).unwrap_or(u16::MAX).to_be_bytes()
}

/// RFC 791 §3.1; the kernel fills in the checksum.
fn ipv4(from: SocketAddrV4, to: SocketAddrV4, payload: usize) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend(length(20 + payload));
    header.extend([0, 0, 0, 0, 64, UDP, 0, 0]);
    header.extend(from.ip().octets());
    header.extend(to.ip().octets());
    header
}

/// Writes a header of IPv6 (RFC 8200 §3).
fn ipv6(from: SocketAddrV6, to: SocketAddrV6, payload: usize) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0];
    header.extend(length(payload));
    header.extend([UDP, 64]);
    header.extend(from.ip().octets());
    header.extend(to.ip().octets());
    header
}

/// RFC 768, with its checksum, which IPv6 wants.
fn udp(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::with_capacity(8 + payload.len());
    datagram.extend(from.port().to_be_bytes());
    datagram.extend(to.port().to_be_bytes());
    datagram.extend(length(8 + payload.len()));
    datagram.extend([0, 0]);
    datagram.extend(payload);
    let octets = |addr: IpAddr| match addr {
        IpAddr::V4(addr) => addr.octets().to_vec(),
        IpAddr::V6(addr) => addr.octets().to_vec(),
    };
    let pseudo = [octets(from.ip()), octets(to.ip()), vec![0, UDP], length(datagram.len()).to_vec()].concat();
    let pairs = pseudo.chunks(2).chain(datagram.chunks(2));
    let mut sum: u32 =
        pairs.map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // A checksum of zero would mean that there is none.
    let checksum = match !(sum as u16) {
        0 => 0xffff,
        checksum => checksum,
    };
    datagram[6..8].copy_from_slice(&checksum.to_be_bytes());
    datagram
}

const UDP: u8 = 17;
