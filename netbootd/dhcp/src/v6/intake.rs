//! The facts of a message about a machine.

use std::net::{Ipv6Addr, SocketAddrV6};

use pxe_policy::{ArchType, BootRequest, Class, MAX_ARCH_TYPES, MacAddr, Reason};

use super::guard::texts;
use super::{Duid, Packet, option};
use crate::Iface;

/// How a message came in.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// The interface that received the message.
    pub iface: &'a Iface,
    /// Where it was sent: an own address, or a group.
    pub to: Ipv6Addr,
    /// The sender's address and port.
    pub from: SocketAddrV6,
    /// The port that it came to.
    pub port: u16,
}

impl Arrival<'_> {
    /// The own address in answers to a client: the one that was asked, or the interface's own in
    /// the client's link.
    pub fn local(&self, packet: &Packet) -> Option<Ipv6Addr> {
        let asked = Some(self.to).filter(|to| self.iface.owns6(*to) && !to.is_unicast_link_local());
        asked.or_else(|| self.iface.addr6_towards(self.link(packet)))
    }

    /// An address of the client's link: the relay's word, or an own one.
    pub fn link(&self, packet: &Packet) -> Ipv6Addr {
        let told = packet.relays.iter().rev().map(|relay| relay.link).find(|link| !link.is_unspecified());
        let own = || self.iface.addr6_towards(*self.from.ip());
        told.or_else(own).unwrap_or(Ipv6Addr::UNSPECIFIED)
    }
}

/// The class of the client, or None for a machine that did not ask to boot from the network.
/// Firmware that sends its architecture alone did ask.
pub fn class_of(packet: &Packet) -> Option<Class> {
    let vendor = packet.options.all(option::VENDOR_CLASS).filter_map(|value| value.get(ENTERPRISE..));
    let vendor = vendor.flat_map(texts).find_map(|text| {
        let is = |prefix: &[u8]| text.starts_with(prefix);
        let http = is(b"HTTPClient").then_some(Class::Http);
        http.or_else(|| is(b"PXEClient").then_some(Class::Pxe))
    });
    let by_arch = || match archs(packet).as_slice() {
        [] => None,
        archs if archs.iter().any(|arch| arch.boots_by_http()) => Some(Class::Http),
        _ => Some(Class::Pxe),
    };
    let class = vendor.or_else(by_arch)?;
    let ipxe = packet.options.all(option::USER_CLASS).flat_map(texts).any(|text| text == b"iPXE");
    Some(if ipxe { Class::Ipxe } else { class })
}

/// The client's hardware address, which DHCPv6 does not carry: as its relay saw it (RFC 6939), or
/// as its link-local address is made of it (EDK2 and iPXE do so). Its identifier may have that of
/// another interface.
pub fn mac_seen(packet: &Packet, from: Ipv6Addr) -> Option<MacAddr> {
    let relay = packet.nearest_relay();
    let seen = relay.and_then(|relay| match relay.options.first(option::CLIENT_LINK_LAYER)? {
        [0, 1, mac @ ..] => mac.try_into().ok().map(MacAddr),
        _ => None,
    });
    let peer = relay.map_or(from, |relay| relay.peer);
    seen.or_else(|| of_link_local(peer))
}

/// The client's DUID (option 1).
pub fn client_id(packet: &Packet) -> Option<Duid> {
    packet.options.first(option::CLIENT_ID).map(|bytes| Duid(bytes.to_vec()))
}

/// The request that a message makes of a machine with this hardware address, or why it makes none.
pub fn boot_request(
    packet: &Packet,
    arrival: &Arrival<'_>,
    mac: Option<MacAddr>,
) -> Result<BootRequest, Reason> {
    let class = class_of(packet).ok_or(Reason::NotABootRequest)?;
    let mac = mac.ok_or(Reason::NoHardwareAddress)?;
    let archs = archs(packet);
    if archs.is_empty() {
        return Err(Reason::NoArchitecture);
    }
    let link = arrival.link(packet);
    let waited = packet.options.first(option::ELAPSED_TIME).and_then(|value| value.try_into().ok());
    let speaks_from = Some(*arrival.from.ip()).filter(|addr| !addr.is_unicast_link_local());
    Ok(BootRequest {
        mac,
        uuid: client_id(packet).and_then(|duid| duid.uuid(class == Class::Ipxe)),
        archs,
        class,
        relay: packet.nearest_relay().map(|_| link.into()),
        segment: link.into(),
        address: speaks_from.filter(|_| packet.relays.is_empty()).map(Into::into),
        boot_program: false,
        iface: arrival.iface.name.clone(),
        secs: waited.map_or(0, |hundredths| u16::from_be_bytes(hundredths) / 100),
        item: None,
        tags: Vec::new(),
    })
}

/// Option 61 as a list; an odd last byte is left out.
fn archs(packet: &Packet) -> Vec<ArchType> {
    let pairs = packet.options.all(option::ARCH).flat_map(|value| value.chunks_exact(2));
    pairs.take(MAX_ARCH_TYPES).map(|pair| ArchType(u16::from_be_bytes([pair[0], pair[1]]))).collect()
}

/// RFC 4291, appendix A: the hardware address with `ff:fe` in its middle and a bit turned round.
fn of_link_local(addr: Ipv6Addr) -> Option<MacAddr> {
    match addr.octets() {
        [0xfe, 0x80, 0, 0, 0, 0, 0, 0, a, b, c, 0xff, 0xfe, d, e, f] => Some(MacAddr([a ^ 2, b, c, d, e, f])),
        _ => None,
    }
}

/// Before the texts of a vendor class: the enterprise's number.
const ENTERPRISE: usize = 4;

#[cfg(test)]
mod tests;
