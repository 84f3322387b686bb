//! Firmware that asks a full DHCP service for its address and boot file, by way of a relay:
//! DISCOVER, OFFER, REQUEST, ACK.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use crate::relayed::{ACK, DISCOVER, OFFER, REQUEST, Reply, question};
use crate::{Lab, netbootd};

/// A machine with a number.
#[derive(Debug, Clone, Copy)]
pub struct DhcpClient {
    /// The last octet of its hardware address, [`DhcpClient::mac`].
    pub adapter: u8,
    /// The last octet of its GUID; without one its firmware sends none.
    pub guid: Option<u8>,
    /// Whether it is iPXE that asks.
    pub ipxe: bool,
}

/// The host that the machines are behind, once [`DhcpClient::plug`] has made it.
const HOST: &str = "relay";
const PATIENCE: Duration = Duration::from_secs(10);
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 50);

impl DhcpClient {
    /// A PC with one adapter.
    pub fn pc(number: u8) -> Self {
        DhcpClient { adapter: number, guid: Some(number), ipxe: false }
    }

    /// The machine's hardware address.
    pub fn mac(self) -> String {
        format!("02:0b:00:00:00:{:02x}", self.adapter)
    }

    /// Its GUID, as it is printed.
    pub fn guid(self) -> Option<String> {
        self.guid.map(|guid| format!("0000424e-0000-0010-8000-020b000000{guid:02x}"))
    }

    /// Adds the relay to a network.
    pub fn plug(lab: &mut Lab) {
        lab.add_host(HOST);
        lab.plug(HOST, "eth0", "br0", &format!("{RELAY}/24"));
    }

    /// Switches the machine on; whether its lease names a boot file.
    ///
    /// # Panics
    /// When the server gives no lease.
    pub fn boots(self, lab: &Lab) -> bool {
        let asking = lab.inside(HOST, move || {
            let socket = UdpSocket::bind((RELAY, 67)).unwrap_or_else(|error| panic!("port 67: {error}"));
            socket.set_read_timeout(Some(PATIENCE)).unwrap_or_else(|error| panic!("{error}"));
            let offer = self.ask(&socket, DISCOVER, OFFER, &[]);
            let wants = [&[50, 4][..], &offer.address.octets(), &[54, 4], &offer.identifier].concat();
            self.ask(&socket, REQUEST, ACK, &wants).boots
        });
        asking.join().unwrap_or_else(|_| panic!("{self:?} has no lease"))
    }

    /// Asks for an offer alone, as firmware does that then takes another one; whether it names a
    /// boot file.
    ///
    /// # Panics
    /// When the server offers nothing.
    pub fn is_offered(self, lab: &Lab) -> bool {
        let asking = lab.inside(HOST, move || {
            let socket = UdpSocket::bind((RELAY, 67)).unwrap_or_else(|error| panic!("port 67: {error}"));
            socket.set_read_timeout(Some(PATIENCE)).unwrap_or_else(|error| panic!("{error}"));
            self.ask(&socket, DISCOVER, OFFER, &[]).boots
        });
        asking.join().unwrap_or_else(|_| panic!("{self:?} has no offer"))
    }

    fn ask(self, socket: &UdpSocket, kind: u8, wanted: u8, more: &[u8]) -> Reply {
        let ipxe = if self.ipxe { &b"\x4d\x04iPXE"[..] } else { &[] };
        let mut packet = question(u32::from(self.adapter), kind, RELAY, &[more, ipxe].concat());
        let guid = packet.windows(3).position(|bytes| bytes == [97, 17, 0]).map(|at| at + 3);
        let guid = guid.unwrap_or_else(|| panic!("it has a GUID"));
        match self.guid {
            Some(last) => packet[guid + 15] = last,
            None => drop(packet.drain(guid - 3..guid + 16)),
        }
        let server = netbootd::SERVER;
        socket.send_to(&packet, (server, 67)).unwrap_or_else(|error| panic!("{server}: {error}"));
        let mut bytes = [0; 2048];
        loop {
            let length = socket.recv(&mut bytes).unwrap_or_else(|error| panic!("no reply: {error}"));
            if let Some(reply) = Reply::parse(&bytes[..length]).filter(|reply| reply.kind == wanted) {
                return reply;
            }
        }
    }
}
