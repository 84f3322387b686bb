//! Where a reply goes, as a value (RFC 2131 §4.1, RFC 951 §4, RFC 1542 §4.1.2).

use std::net::{Ipv4Addr, SocketAddrV4};

use pxe_policy::MacAddr;

use super::{Arrival, Packet};

/// Where a reply goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// To the relay, which passes it on.
    Relay(SocketAddrV4),
    /// To an address that answers ARP.
    Unicast(SocketAddrV4),
    /// To a client that has no address yet, by its hardware address.
    Direct {
        /// The client's hardware address.
        mac: MacAddr,
        /// The address it is about to get.
        to: SocketAddrV4,
    },
    /// To everybody on the receiving interface.
    Broadcast(SocketAddrV4),
}

impl Destination {
    /// Of a reply to a packet on port 67. `given` is `yiaddr`, when the reply gives an address.
    pub fn of_reply(packet: &Packet, given: Option<Ipv4Addr>) -> Self {
        let header = &packet.header;
        if let Some(relay) = packet.relay() {
            return Destination::Relay(SocketAddrV4::new(relay, SERVER_PORT));
        }
        if !header.ciaddr().is_unspecified() {
            return Destination::Unicast(SocketAddrV4::new(header.ciaddr(), CLIENT_PORT));
        }
        match given {
            Some(addr) if !header.flags().broadcast() => {
                Destination::Direct { mac: packet.mac(), to: SocketAddrV4::new(addr, CLIENT_PORT) }
            }
            _ => Destination::BROADCAST,
        }
    }

    /// Of a DHCPNAK: the client's idea of its address is wrong, so it gets the reply by broadcast
    /// (RFC 2131 §4.3.2).
    pub fn of_nak(packet: &Packet) -> Self {
        match packet.relay() {
            Some(relay) => Destination::Relay(SocketAddrV4::new(relay, SERVER_PORT)),
            None => Destination::BROADCAST,
        }
    }

    /// Of a reply to a packet on port 4011: back to where it came from. EDK2 asks from 4011, iPXE
    /// and wdsmgfw from 68.
    pub fn of_boot_server_reply(packet: &Packet, arrival: &Arrival<'_>) -> Self {
        if let Some(relay) = packet.relay() {
            return Destination::Relay(SocketAddrV4::new(relay, SERVER_PORT));
        }
        if arrival.from.ip().is_unspecified() {
            return Destination::BROADCAST;
        }
        Destination::Unicast(arrival.from)
    }

    const BROADCAST: Destination =
        Destination::Broadcast(SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT));
}

/// Where servers and relays listen.
pub const SERVER_PORT: u16 = 67;
/// The port that DHCP clients listen on.
pub const CLIENT_PORT: u16 = 68;
/// Where boot servers listen (PXE 2.1 §2.2.4).
pub const BOOT_SERVER_PORT: u16 = 4011;

#[cfg(test)]
mod tests;
