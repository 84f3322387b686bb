//! The way that a DHCP packet came, for both families.

use std::net::{Ipv4Addr, Ipv6Addr};

use netbootd_config::Limits as Settings;
use netbootd_dhcp::{v4, v6};

/// The way of a DHCP packet. Machines behind one relay or interface share a bucket, so a flood on
/// one way does not slow the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ingress<A> {
    /// Through a relay with this address.
    Relay(A),
    /// Through any relay that the configuration does not name: everybody can claim to be one.
    AnyRelay,
    /// From the link of the interface with this index.
    Link(u32),
    /// By unicast from elsewhere, to the interface with this index.
    Routed(u32),
}

impl Ingress<Ipv4Addr> {
    /// Which way a packet came.
    pub fn of_packet(packet: &v4::Packet, arrival: &v4::Arrival<'_>) -> Self {
        let (iface, from) = (arrival.iface, *arrival.from.ip());
        match packet.relay() {
            Some(relay) => Ingress::Relay(relay),
            None if from.is_unspecified() || iface.addrs.iter().any(|net| net.contains(&from)) => {
                Ingress::Link(iface.index)
            }
            None => Ingress::Routed(iface.index),
        }
    }
}

impl Ingress<Ipv6Addr> {
    /// Which way a message came. From the link, whatever address it says.
    pub fn of_packet(packet: &v6::Packet, arrival: &v6::Arrival<'_>) -> Self {
        let (iface, from) = (arrival.iface, *arrival.from.ip());
        if !packet.relays.is_empty() {
            return Ingress::Relay(from);
        }
        let near = from.is_unicast_link_local() || iface.addrs6.iter().any(|net| net.contains(&from));
        if near { Ingress::Link(iface.index) } else { Ingress::Routed(iface.index) }
    }
}

/// Whether the configuration lets a packet's sender be answered, by its relay or by the network it
/// is in.
pub fn allows(settings: &Settings, packet: &v4::Packet, arrival: &v4::Arrival<'_>) -> bool {
    match packet.relay() {
        Some(relay) => {
            (settings.relays.is_empty() || settings.relays.contains(&relay))
                && settings.allows_client(relay.into())
        }
        // A machine that has no address yet is in one of the interface's own networks.
        None if arrival.from.ip().is_unspecified() => {
            arrival.iface.addrs.iter().any(|net| settings.allows_client(net.addr().into()))
        }
        None => settings.allows_client((*arrival.from.ip()).into()),
    }
}
