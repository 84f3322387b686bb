//! Whether somebody uses an address that is about to be offered (RFC 2131 §2.2): an ARP probe on
//! the own link, an ICMP echo behind a relay.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use netbootd_dhcp::v4::{Arrival, Packet};
use netbootd_net::arp;
use parking_lot::Mutex;
use pxe_policy::MacAddr;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, watch};
use tracing::debug;

/// The probes under way. A machine that asks again meanwhile waits for the same one.
#[derive(Debug)]
pub(super) struct Probes {
    under_way: Mutex<HashMap<Ipv4Addr, watch::Receiver<bool>>>,
    places: Semaphore,
    arp: arp::Prober,
}

impl Probes {
    /// Whether the address is in use by anybody but the machine that asks. `fresh` says that the
    /// machine did not have the address before. No right to probe counts as no answer.
    pub(super) async fn is_in_use(
        &self,
        address: Ipv4Addr,
        fresh: bool,
        packet: &Packet,
        arrival: &Arrival<'_>,
    ) -> bool {
        if let Some(mut result) = self.under_way(address) {
            // It ends without a change when nobody answers.
            let _ = result.changed().await;
            return *result.borrow();
        }
        if !fresh {
            return false;
        }
        let Ok(_place) = self.places.try_acquire() else {
            debug!(%address, "too many probes at once: not probed");
            return false;
        };
        let (result, others) = watch::channel(false);
        self.with(|under_way| under_way.insert(address, others));
        let entry = Entry { probes: self, address };
        let used = self.ask(address, packet, arrival).await;
        drop(entry);
        if used {
            result.send_replace(true);
        }
        used
    }

    async fn ask(&self, address: Ipv4Addr, packet: &Packet, arrival: &Arrival<'_>) -> bool {
        let (iface, asker) = (arrival.iface, packet.mac());
        let on_link = packet.relay().is_none() || iface.addrs.iter().any(|net| net.contains(&address));
        if let Some(own) = iface.mac.filter(|_| on_link) {
            let is_other = |holder: MacAddr| holder != asker && holder != own;
            match self.arp.probe(iface.index, own, address, is_other, PATIENCE).await {
                Ok(used) => return used,
                Err(error) => debug!(%error, %address, "no ARP probe"),
            }
        }
        match echo(address, arrival.local).await {
            Ok(used) => used,
            Err(error) => {
                debug!(%error, %address, "no ICMP echo");
                false
            }
        }
    }

    fn under_way(&self, address: Ipv4Addr) -> Option<watch::Receiver<bool>> {
        self.with(|under_way| under_way.get(&address).cloned())
    }

    fn with<T>(&self, action: impl FnOnce(&mut HashMap<Ipv4Addr, watch::Receiver<bool>>) -> T) -> T {
        action(&mut self.under_way.lock())
    }
}

impl Default for Probes {
    fn default() -> Self {
        Probes {
            under_way: Mutex::default(),
            places: Semaphore::new(MAX_PROBES),
            arp: arp::Prober::default(),
        }
    }
}

/// Leaves with its probe, however that ends.
struct Entry<'a> {
    probes: &'a Probes,
    address: Ipv4Addr,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.probes.with(|under_way| under_way.remove(&self.address));
    }
}

/// Whether probes are possible here.
pub(super) fn can_probe() -> io::Result<()> {
    let on_link = arp::can_probe();
    // Where the platform has no ARP for programs, the echo does for the own link too.
    on_link.or_else(|error| if error.kind() == io::ErrorKind::Unsupported { Ok(()) } else { Err(error) })?;
    open().map(drop)
}

/// Whether the address answers an echo request.
async fn echo(address: Ipv4Addr, local: Ipv4Addr) -> io::Result<bool> {
    let socket = open()?;
    socket.bind(&SocketAddrV4::new(local, 0).into())?;
    // Only what comes from the address is received.
    socket.connect(&SocketAddrV4::new(address, 0).into())?;
    socket.set_nonblocking(true)?;
    let socket = UdpSocket::from_std(socket.into())?;
    socket.send(&echo_request((u32::from(address) as u16).to_be_bytes())).await?;
    match tokio::time::timeout(PATIENCE, socket.recv(&mut [0; 256])).await {
        Ok(received) => received.map(|_| true),
        Err(_) => Ok(false),
    }
}

/// A raw ICMP socket. Needs `CAP_NET_RAW`.
fn open() -> io::Result<Socket> {
    Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))
}

/// An echo request (RFC 792) with sequence number 1 and no data.
fn echo_request(id: [u8; 2]) -> [u8; 8] {
    let mut packet = [8, 0, 0, 0, id[0], id[1], 0, 1];
    let words = packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    packet[2..4].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    packet
}

/// A host answers within milliseconds; firmware collects offers for seconds.
const PATIENCE: Duration = Duration::from_millis(300);
/// Beyond that an address is offered without a probe: some 3,000 new machines a second.
const MAX_PROBES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_echo_carries_a_right_checksum() {
        let packet = echo_request([0x12, 0x34]);
        let sum: u32 = packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
    }
}
