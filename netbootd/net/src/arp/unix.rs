//! ARP probes (RFC 5227): whether anybody on the link uses an address.
//!
//! The kernel is not asked: its neighbour table may be out of date, and an echo to it goes to
//! the host that had the address before. A host answers ARP whatever its packet filter drops.

use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use nix::libc;
use parking_lot::Mutex;
use pxe_policy::MacAddr;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::frame::link_address;

/// Sends probes. Each link has one socket for all its probes: the kernel hands every ARP frame to
/// every such socket, and takes tens of milliseconds to close one.
#[derive(Debug, Default)]
pub struct Prober {
    links: Mutex<HashMap<u32, Arc<Link>>>,
}

/// The socket of an interface, and the probes that wait for its frames.
#[derive(Debug)]
struct Link {
    socket: UdpSocket,
    waiting: Mutex<HashMap<Ipv4Addr, mpsc::Sender<MacAddr>>>,
}

/// Whether this process may open such sockets: it needs `CAP_NET_RAW`.
pub fn can_probe() -> io::Result<()> {
    open().map(drop)
}

fn open() -> io::Result<Socket> {
    let socket = Socket::new(Domain::PACKET, Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

impl Prober {
    /// Asks the link of an interface for an address, as a host with the hardware address `own` that
    /// has none yet. Waits for as long as `patience` says for another host that has the address or
    /// wants it, and that `counts`. One probe of an address at a time.
    pub async fn probe(
        &self,
        ifindex: u32,
        own: MacAddr,
        address: Ipv4Addr,
        counts: impl Fn(MacAddr) -> bool,
        patience: Duration,
    ) -> io::Result<bool> {
        let link = self.link(ifindex)?;
        let (holders, mut heard) = mpsc::channel(HOLDERS);
        link.waiting.lock().insert(address, holders);
        let _entry = Entry { link: &link, address };
        let everybody = link_address(ifindex, MacAddr([0xff; 6]), libc::ETH_P_ARP)?;
        let deadline = Instant::now() + patience;
        // A frame may be lost: it is asked twice.
        for until in [deadline - patience / 2, deadline] {
            SockRef::from(&link.socket).send_to(&question(own, address), &everybody)?;
            while let Ok(Some(holder)) = tokio::time::timeout_at(until, heard.recv()).await {
                if counts(holder) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The socket of an interface. A task reads it until nothing was probed for a while.
    fn link(&self, ifindex: u32) -> io::Result<Arc<Link>> {
        let mut links = self.links.lock();
        if let Some(link) = links.get(&ifindex).filter(|link| Arc::strong_count(link) > 1) {
            return Ok(Arc::clone(link));
        }
        let socket = open()?;
        socket.bind(&link_address(ifindex, MacAddr([0; 6]), libc::ETH_P_ARP)?)?;
        // The runtime needs a descriptor that can be waited for, of whatever family.
        let socket = UdpSocket::from_std(socket.into())?;
        let link = Arc::new(Link { socket, waiting: Mutex::default() });
        tokio::spawn(Arc::clone(&link).read());
        links.insert(ifindex, Arc::clone(&link));
        Ok(link)
    }
}

impl Link {
    /// Tells the probes what hosts say of their addresses.
    async fn read(self: Arc<Self>) {
        let mut buf = [0; 64];
        loop {
            match tokio::time::timeout(IDLE, self.socket.recv(&mut buf)).await {
                Ok(Ok(len)) => {
                    let Some((address, holder)) = holder(&buf[..len]) else { continue };
                    if let Some(probe) = self.waiting.lock().get(&address) {
                        // A host that repeats itself is heard once.
                        let _ = probe.try_send(holder);
                    }
                }
                // The interface is gone.
                Ok(Err(_)) => return,
                Err(_) if self.waiting.lock().is_empty() => return,
                Err(_) => {}
            }
        }
    }
}

/// Leaves with its probe.
struct Entry<'a> {
    link: &'a Link,
    address: Ipv4Addr,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.link.waiting.lock().remove(&self.address);
    }
}

/// A probe: a request whose sender has no address yet (RFC 5227 §2.1.1).
fn question(own: MacAddr, address: Ipv4Addr) -> [u8; ARP_LENGTH] {
    let mut packet = [0; ARP_LENGTH];
    packet[..8].copy_from_slice(&[0, ETHERNET, 8, 0, 6, 4, 0, REQUEST]);
    packet[SENDER..SENDER + 6].copy_from_slice(&own.octets());
    packet[TARGET + 6..].copy_from_slice(&address.octets());
    packet
}

/// An address, and the host that has it or probes for it as well (RFC 5227 §2.1.1).
fn holder(packet: &[u8]) -> Option<(Ipv4Addr, MacAddr)> {
    let packet = packet.get(..ARP_LENGTH)?;
    if packet[..6] != [0, ETHERNET, 8, 0, 6, 4] {
        return None;
    }
    let addr = |at: usize| Ipv4Addr::from([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]);
    let (sender, target) = (addr(SENDER + 6), addr(TARGET + 6));
    let mac: [u8; 6] = packet[SENDER..SENDER + 6].try_into().ok()?;
    let address = match packet[7] {
        REQUEST if sender.is_unspecified() => target,
        _ => sender,
    };
    (!address.is_unspecified()).then_some((address, MacAddr(mac)))
}

/// Of Ethernet and IPv4 (RFC 826): eight bytes, then the sender's and the target's hardware address
/// and address.
const ARP_LENGTH: usize = 28;
const SENDER: usize = 8;
const TARGET: usize = 18;
const ETHERNET: u8 = 1;
const REQUEST: u8 = 1;
/// Hosts that answer one probe; more of them say nothing new.
const HOLDERS: usize = 8;
/// A socket that no probe needs is closed after so long.
const IDLE: Duration = Duration::from_secs(60);

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
    fn a_host_that_has_the_address_or_probes_for_it_holds_it() {
        let other = Ipv4Addr::new(10, 77, 0, 7);
        let none = Ipv4Addr::UNSPECIFIED;
        let table = [
            (answer(ADDRESS, 2, none), Some(ADDRESS)),
            (answer(ADDRESS, 1, ADDRESS), Some(ADDRESS)),
            (answer(none, 1, ADDRESS), Some(ADDRESS)),
            (answer(none, 2, ADDRESS), None),
            (answer(other, 1, ADDRESS), Some(other)),
            (answer(other, 2, none), Some(other)),
        ];
        for (packet, held) in table {
            assert_eq!(holder(&packet), held.map(|address| (address, OWN)), "{packet:?}");
            for length in 0..packet.len() {
                assert_eq!(holder(&packet[..length]), None);
            }
        }
        let mut broken = answer(ADDRESS, 2, none);
        broken[4] = 8;
        assert_eq!(holder(&broken), None);
    }
}
