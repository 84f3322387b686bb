//! Which hardware address sends the DHCP packets of a link while a flood of them lasts: their own
//! headers may name any machine, and their senders have no address yet.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use nix::libc;
use pxe_policy::MacAddr;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::frame::link_address;

/// The hardware address that sends most of the packets to port 67 on an interface, and its part of
/// those that came within `patience`, at most [`FRAMES`]. None where no one sends half of them.
/// Needs `CAP_NET_RAW`.
pub async fn busiest(ifindex: u32, patience: Duration) -> io::Result<Option<(MacAddr, u64)>> {
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
    socket.set_nonblocking(true)?;
    socket.attach_filter(&only_dhcp())?;
    socket.bind(&link_address(ifindex, MacAddr([0; 6]), libc::ETH_P_IP)?)?;
    // The runtime needs a descriptor that can be waited for, of whatever family.
    let socket = UdpSocket::from_std(socket.into())?;
    let until = Instant::now() + patience;
    let (mut buf, mut senders) = ([0; 64], HashMap::new());
    for _ in 0..FRAMES {
        let Ok(received) = tokio::time::timeout_at(until, socket.recv(&mut buf)).await else { break };
        if let Some(mac) = sender(&buf[..received?]) {
            *senders.entry(mac).or_insert(0) += 1;
        }
    }
    Ok(most(&senders))
}

fn most(senders: &HashMap<MacAddr, u64>) -> Option<(MacAddr, u64)> {
    let all: u64 = senders.values().sum();
    let busiest = senders.iter().max_by_key(|(_, count)| **count);
    busiest.filter(|(_, count)| **count * 2 >= all).map(|(mac, count)| (*mac, *count))
}

/// The source address of an Ethernet frame.
fn sender(frame: &[u8]) -> Option<MacAddr> {
    frame.get(6..12)?.try_into().ok().map(MacAddr)
}

/// Frames of IPv4 without options, with UDP to port 67.
fn only_dhcp() -> [SockFilter; 8] {
    let op = |code: u32, jump: u8, value| SockFilter::new(code as u16, 0, jump, value);
    let load = |size: u32, at| op(libc::BPF_LD | size | libc::BPF_ABS, 0, at);
    let unless = |value, skip| op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, skip, value);
    let end = |length| op(libc::BPF_RET | libc::BPF_K, 0, length);
    [
        load(libc::BPF_H, 12),
        unless(0x0800, 5),
        load(libc::BPF_B, 23),
        unless(17, 3),
        load(libc::BPF_H, 36),
        unless(67, 1),
        end(64),
        end(0),
    ]
}

/// Frames that are looked at.
const FRAMES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sender_of_most_frames_is_named_and_none_where_many_send() {
        let mac = |n| MacAddr([2, 0, 0, 0, 0, n]);
        let frame = [[0xff; 6], [2, 0, 0, 0, 0, 9]].concat();
        assert_eq!(sender(&frame), Some(mac(9)));
        assert_eq!(sender(&frame[..11]), None);
        assert_eq!(most(&HashMap::from([(mac(1), 40), (mac(2), 10)])), Some((mac(1), 40)));
        assert_eq!(most(&HashMap::from([(mac(1), 3), (mac(2), 3), (mac(3), 3)])), None);
        assert_eq!(most(&HashMap::new()), None);
    }
}
