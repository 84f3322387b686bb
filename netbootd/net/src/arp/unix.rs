//! ARP probes (RFC 5227): whether anybody on the link uses an address.
//!
//! The kernel is not asked: its neighbour table may be out of date, and an echo to it goes to whoever had the address before. A host
//! answers ARP whatever its packet filter drops.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use nix::libc;
use pxe_policy::MacAddr;
use socket2::{Domain, SockFilter, SockRef, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::frame::link_address;

/// A socket for packets of ARP that receives nothing yet. Needs `CAP_NET_RAW`.
pub fn open() -> io::Result<Socket> {
    let socket = Socket::new(Domain::PACKET, Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Asks the link of an interface for an address, as a host with the hardware address `own` that has none yet. Waits for as long as
/// `patience` says for somebody who has the address or wants it, and of whom `counts` says that he counts.
pub async fn probe(
    ifindex: u32,
    own: MacAddr,
    address: Ipv4Addr,
    counts: impl Fn(MacAddr) -> bool,
    patience: Duration,
) -> io::Result<bool> {
    let socket = open()?;
    socket.attach_filter(&only(address))?;
    socket.bind(&link_address(ifindex, MacAddr([0; 6]), libc::ETH_P_ARP)?)?;
    // The runtime needs a descriptor that can be waited for, of whatever family.
    let socket = UdpSocket::from_std(socket.into())?;
    let everybody = link_address(ifindex, MacAddr([0xff; 6]), libc::ETH_P_ARP)?;
    let deadline = Instant::now() + patience;
    let mut buf = [0; 64];
    // A frame may be lost: it is asked twice.
    for until in [deadline - patience / 2, deadline] {
        SockRef::from(&socket).send_to(&question(own, address), &everybody)?;
        while let Ok(received) = tokio::time::timeout_at(until, socket.recv(&mut buf)).await {
            if holder(&buf[..received?], address).is_some_and(&counts) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// A probe: a request whose sender has no address yet (RFC 5227 §2.1.1).
fn question(own: MacAddr, address: Ipv4Addr) -> [u8; ARP_LENGTH] {
    let mut packet = [0; ARP_LENGTH];
    packet[..8].copy_from_slice(&[0, ETHERNET, 8, 0, 6, 4, 0, REQUEST]);
    packet[SENDER..SENDER + 6].copy_from_slice(&own.octets());
    packet[TARGET + 6..].copy_from_slice(&address.octets());
    packet
}

/// The host that has the address, or probes for it as well (RFC 5227 §2.1.1).
fn holder(packet: &[u8], address: Ipv4Addr) -> Option<MacAddr> {
    let packet = packet.get(..ARP_LENGTH)?;
    if packet[..6] != [0, ETHERNET, 8, 0, 6, 4] {
        return None;
    }
    let addr = |at: usize| Ipv4Addr::from([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]);
    let (sender, target) = (addr(SENDER + 6), addr(TARGET + 6));
    let probes = packet[7] == REQUEST && sender.is_unspecified() && target == address;
    let mac: [u8; 6] = packet[SENDER..SENDER + 6].try_into().ok()?;
    (sender == address || probes).then_some(MacAddr(mac))
}

/// The kernel passes on what speaks of the address; the rest of a busy link wakes nobody.
fn only(address: Ipv4Addr) -> [SockFilter; 6] {
    let op = |code: u32, jump: u8, value| SockFilter::new(code as u16, jump, 0, value);
    let (load, equal) =
        (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K);
    let (address, end) = (u32::from(address), libc::BPF_RET | libc::BPF_K);
    [
        op(load, 0, SENDER as u32 + 6),
        op(equal, 3, address),
        op(load, 0, TARGET as u32 + 6),
        op(equal, 1, address),
        op(end, 0, 0),
        op(end, 0, u32::MAX),
    ]
}

/// Of Ethernet and IPv4 (RFC 826): eight bytes, then the sender's and the target's hardware address and address.
const ARP_LENGTH: usize = 28;
const SENDER: usize = 8;
const TARGET: usize = 18;
const ETHERNET: u8 = 1;
const REQUEST: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);
    const OWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

    fn answer(from: Ipv4Addr, operation: u8, to: Ipv4Addr) -> Vec<u8> {
        let mut packet = question(OWN, to).to_vec();
        packet[7] = operation;
        packet[SENDER + 6..TARGET].copy_from_slice(&from.octets());
        packet
    }

    #[test]
    fn whoever_has_the_address_or_probes_for_it_holds_it() {
        let other = Ipv4Addr::new(10, 77, 0, 7);
        let none = Ipv4Addr::UNSPECIFIED;
        let table = [
            (answer(ADDRESS, 2, none), true),
            (answer(ADDRESS, 1, ADDRESS), true),
            (answer(none, 1, ADDRESS), true),
            (answer(none, 2, ADDRESS), false),
            (answer(other, 1, ADDRESS), false),
            (answer(other, 2, none), false),
        ];
        for (packet, holds) in table {
            assert_eq!(holder(&packet, ADDRESS), holds.then_some(OWN), "{packet:?}");
            for length in 0..packet.len() {
                assert_eq!(holder(&packet[..length], ADDRESS), None);
            }
        }
        let mut broken = answer(ADDRESS, 2, none);
        broken[4] = 8;
        assert_eq!(holder(&broken, ADDRESS), None);
    }
}
