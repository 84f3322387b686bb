//! BSDP inside DHCP: what the `bsdp` crate asks for is read from a packet, what it answers is
//! written into a reply.

use std::net::{Ipv4Addr, SocketAddrV4};

use ::bsdp::{BsdpMessageType, DhcpMessage, ReplyKind, Request, SubOption, VendorClass, option43};
use pxe_policy::{BootRequest, Reason};

use super::destination::{CLIENT_PORT, SERVER_PORT};
use super::option::{self, MessageType};
use super::reply::ReplyBuilder;
use super::{Arrival, Destination, Packet, Reply, intake};

/// The BSDP request in a Mac's packet.
pub fn request(packet: &Packet, arrival: &Arrival<'_>) -> Request {
    let size = packet.first(option::MAX_MESSAGE_SIZE).and_then(|value| value.try_into().ok());
    let message = match packet.message_type() {
        MessageType::Discover => DhcpMessage::Discover,
        MessageType::Inform => DhcpMessage::Inform,
        _ => DhcpMessage::Other,
    };
    Request {
        message,
        mac: packet.mac().octets(),
        client_addr: packet.header.ciaddr(),
        // Behind a relay the sender is the relay.
        sender: if packet.relay().is_some() { Ipv4Addr::UNSPECIFIED } else { *arrival.from.ip() },
        vendor_class: packet.first(option::VENDOR_CLASS).unwrap_or_default().to_vec(),
        vendor_options: packet.all(option::VENDOR_OPTIONS).map(<[u8]>::to_vec).collect(),
        max_message_size: size.map(u16::from_be_bytes),
    }
}

/// The request as policy decides about it. A Mac that has chosen this server (`owns` knows its
/// addresses) waits for no other, so it counts as having waited for long.
pub fn boot_request(
    packet: &Packet,
    arrival: &Arrival<'_>,
    owns: impl Fn(Ipv4Addr) -> bool,
) -> Result<BootRequest, Reason> {
    let request = intake::boot_request(packet, arrival)?;
    let options = option43::parse(packet.all(option::VENDOR_OPTIONS)).unwrap_or_default();
    let selects = options.contains(&SubOption::MessageType(BsdpMessageType::Select));
    let chosen = |option: &SubOption| matches!(option, SubOption::ServerIdentifier(addr) if owns(*addr));
    let secs = if selects && options.iter().any(chosen) { u16::MAX } else { request.secs };
    Ok(BootRequest { secs, ..request })
}

/// The reply that a Mac is sent. The options stand in the order of Apple's server.
pub fn reply(packet: &Packet, arrival: &Arrival<'_>, answer: &::bsdp::Reply) -> Result<Reply, Reason> {
    let kind = if answer.kind == ReplyKind::Offer { MessageType::Offer } else { MessageType::Ack };
    let mut builder = ReplyBuilder::new(packet, kind, arrival.local)
        .bsdp_server(answer.next_server, &answer.server_name)
        .limit(MAX_REPLY)
        .option(option::VENDOR_CLASS, VendorClass::OF_SERVERS);
    if !answer.boot_file.is_empty() {
        builder = builder.boot_file(&answer.boot_file, false);
    }
    if let Some(root) = &answer.root_path {
        builder = builder.option(option::ROOT_PATH, root.as_bytes());
    }
    for value in &answer.vendor_options {
        builder = builder.option(option::VENDOR_OPTIONS, value);
    }
    Ok(Reply { bytes: builder.finish()?, to: destination(packet, answer.to), from: arrival.local })
}

/// An answer to INFORM goes straight to the client, past any relay. An offer has no address to go
/// to: the Mac hears it by its hardware address.
fn destination(packet: &Packet, to: Option<SocketAddrV4>) -> Destination {
    match (to, packet.relay()) {
        (Some(to), _) => Destination::Unicast(to),
        (None, Some(relay)) => Destination::Relay(SocketAddrV4::new(relay, SERVER_PORT)),
        (None, None) => {
            let to = SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT);
            Destination::Direct { mac: packet.mac(), to }
        }
    }
}

/// The largest list that the `bsdp` crate allows, in bytes without the IP and UDP headers.
const MAX_REPLY: usize = 8192 - 28;
