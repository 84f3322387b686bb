//! Unicast to a client that cannot answer ARP yet.
//!
//! A client that leaves the broadcast flag clear wants its reply at the address it is about to get
//! (RFC 2131 §4.1), yet has no address to answer ARP with: iPXE does this. The datagram is
//! therefore framed here and handed to the interface as a packet of its own, addressed to the
//! client's hardware address.

use std::io;
use std::net::SocketAddrV4;

use nix::libc;
use pxe_policy::MacAddr;
use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};

/// A socket that sends framed datagrams. Needs `CAP_NET_RAW`.
#[derive(Debug)]
pub struct FrameSender {
    socket: Socket,
}

impl FrameSender {
    /// Opens the socket. It receives nothing (protocol 0).
    pub fn open() -> io::Result<Self> {
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(0)))?;
        socket.set_nonblocking(true)?;
        Ok(FrameSender { socket })
    }

    /// Sends `payload` as one UDP datagram in one Ethernet frame to `mac` on the interface
    /// `ifindex`.
    pub fn send(
        &self,
        ifindex: u32,
        mac: MacAddr,
        from: SocketAddrV4,
        to: SocketAddrV4,
        payload: &[u8],
    ) -> io::Result<()> {
        let packet = datagram(from, to, payload).ok_or(io::ErrorKind::InvalidInput)?;
        let sent = self.socket.send_to(&packet, &link_address(ifindex, mac, libc::ETH_P_IP)?)?;
        if sent == packet.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }
}

/// The IPv4 packet (RFC 791 §3.1) with the UDP datagram (RFC 768) inside; None when it is too long
/// for one.
fn datagram(from: SocketAddrV4, to: SocketAddrV4, payload: &[u8]) -> Option<Vec<u8>> {
    let udp_length = u16::try_from(payload.len() + UDP_HEADER).ok()?;
    let total_length = udp_length.checked_add(IPV4_HEADER as u16)?;

    let mut udp = Vec::with_capacity(usize::from(udp_length));
    udp.extend(from.port().to_be_bytes());
    udp.extend(to.port().to_be_bytes());
    udp.extend(udp_length.to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(payload);
    let pseudo =
        [&from.ip().octets()[..], &to.ip().octets(), &[0, IPPROTO_UDP], &udp_length.to_be_bytes()].concat();
    // A checksum of zero would mean "none"; its other spelling is all ones.
    let checksum = match internet_checksum(&[&pseudo, &udp]) {
        0 => 0xffff,
        sum => sum,
    };
    udp[6..8].copy_from_slice(&checksum.to_be_bytes());

    let mut packet = vec![0x45, 0];
    packet.extend(total_length.to_be_bytes());
    packet.extend([0, 0, 0x40, 0]); // no identification, do not fragment
    packet.extend([TTL, IPPROTO_UDP, 0, 0]);
    packet.extend(from.ip().octets());
    packet.extend(to.ip().octets());
    let checksum = internet_checksum(&[&packet]);
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    packet.extend(udp);
    Some(packet)
}

/// The Internet checksum (RFC 1071) over parts, each but the last of even length.
fn internet_checksum(parts: &[&[u8]]) -> u16 {
    let mut sum: u32 = 0;
    for pair in parts.iter().flat_map(|part| part.chunks(2)) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// An interface and a host on its link, for packets of a protocol (`ETH_P_IP`).
///
/// The one reason for unsafe here: no crate builds a `sockaddr_ll` from its parts.
#[allow(unsafe_code)]
pub(super) fn link_address(ifindex: u32, mac: MacAddr, protocol: i32) -> io::Result<SockAddr> {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: `sockaddr_ll` is a kernel socket address; all of it fits the zeroed storage, and
    // every bit pattern is valid.
    let link = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    link.sll_family = libc::AF_PACKET as u16;
    link.sll_protocol = (protocol as u16).to_be();
    link.sll_ifindex = i32::try_from(ifindex).map_err(|_| io::ErrorKind::InvalidInput)?;
    link.sll_halen = 6;
    link.sll_addr[..6].copy_from_slice(&mac.octets());
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the storage holds an initialised `sockaddr_ll` and `length` is its size.
    Ok(unsafe { SockAddr::new(storage, length) })
}

const IPV4_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const IPPROTO_UDP: u8 = 17;
const TTL: u8 = 64;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn both_checksums_verify_for_odd_and_even_payloads() {
        let from = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 67);
        let to = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 99), 68);
        for payload in [&b"odd"[..], b"even", b""] {
            let packet = datagram(from, to, payload).unwrap();
            assert_eq!(packet.len(), IPV4_HEADER + UDP_HEADER + payload.len());
            assert_eq!(internet_checksum(&[&packet[..IPV4_HEADER]]), 0);
            let length = u16::try_from(packet.len() - IPV4_HEADER).unwrap().to_be_bytes();
            let pseudo = [&packet[12..20], &[0, IPPROTO_UDP], &length].concat();
            assert_eq!(internet_checksum(&[&pseudo, &packet[IPV4_HEADER..]]), 0);
        }
    }

    #[test]
    fn a_link_address_is_as_long_as_the_kernels_and_of_its_family() {
        let address = link_address(7, MacAddr([2, 0, 0, 0, 0, 1]), libc::ETH_P_IP).unwrap();
        assert_eq!(i32::from(address.family()), libc::AF_PACKET);
        assert_eq!(address.len() as usize, size_of::<libc::sockaddr_ll>());
        assert!(link_address(u32::MAX, MacAddr([0; 6]), libc::ETH_P_ARP).is_err());
    }

    #[test]
    fn what_does_not_fit_one_packet_is_refused() {
        let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1);
        assert!(datagram(any, any, &vec![0; 65_508]).is_none());
        assert!(datagram(any, any, &vec![0; 65_507]).is_some());
    }
}
