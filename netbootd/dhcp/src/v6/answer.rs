//! The outcome of a message: an answer or silence, and the event for it.

use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use pxe_policy::{MacAddr, Reason};

use super::guard::Malformed;
use super::intake::class_of;
use super::option::MessageType;
use super::reply::ReplyBuilder;
use super::{Arrival, Packet};
use crate::outcome::{Answered, Decided, Proto};
use crate::{SharedError, v4};

/// The outcome of a DHCPv6 message.
pub type Answer = v4::Answer<Reply>;

/// Bytes with their destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The DHCPv6 message as bytes.
    pub bytes: Vec<u8>,
    /// The address and port that it goes to.
    pub to: SocketAddrV6,
    /// The own address that was asked; None lets the route choose.
    pub from: Option<Ipv6Addr>,
}

/// The port that DHCPv6 clients listen on.
pub const CLIENT_PORT: u16 = dhcproto::v6::CLIENT_PORT;
/// The servers' and relays' port.
pub const SERVER_PORT: u16 = dhcproto::v6::SERVER_PORT;
/// Where EDK2's PXE asks for the boot file, from the same port.
pub const BOOT_SERVER_PORT: u16 = 4011;

/// Silence about bytes that are no message.
pub fn malformed(error: Malformed, arrival: &Arrival<'_>) -> Answer {
    let mut event = ignored(arrival, Reason::Malformed);
    event.detail = Some(SharedError::new(error));
    Answer { reply: None, event, gives: None }
}

/// Silence about a message, with what is known of it.
pub fn silence(packet: &Packet, arrival: &Arrival<'_>, mac: Option<MacAddr>, reason: Reason) -> Answer {
    let mut event = ignored(arrival, reason);
    (event.xid, event.mac, event.class) = (Some(packet.xid()), mac, class_of(packet));
    Answer { reply: None, event, gives: None }
}

/// Turns silence into an answer; one that is too long stays silence, with its reason.
pub fn with_reply(
    mut answer: Answer,
    kind: MessageType,
    reply: ReplyBuilder<'_>,
    packet: &Packet,
    arrival: &Arrival<'_>,
) -> Answer {
    match reply.finish() {
        Ok(bytes) => {
            let offer = kind == MessageType::Advertise;
            answer.event.decision = if offer { Answered::Offer } else { Answered::Ack };
            let from = Some(arrival.to).filter(|to| !to.is_multicast());
            answer.reply = Some(Reply { bytes, to: destination(packet, arrival), from });
        }
        Err(reason) => answer.event.reason = reason,
    }
    answer
}

/// The pauses after which a reply is sent again. EDK2 (PxeBcRequestBootService) asks port 4011
/// once, listens only after it has asked, so that a fast reply is lost to it, and gives up after 3
/// s; a client that received the first reply ignores the second. A reply longer than its question
/// is sent once: the question may be forged.
pub fn repeated_after(port: u16, question: usize, reply: usize) -> &'static [Duration] {
    if port == BOOT_SERVER_PORT && reply <= question { &REPEATED_AFTER } else { &[] }
}

const REPEATED_AFTER: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];

/// The answer goes to the sender of the packet: the client, or the nearest relay.
fn destination(packet: &Packet, arrival: &Arrival<'_>) -> SocketAddrV6 {
    let mut to = arrival.from;
    match arrival.port {
        SERVER_PORT if packet.relays.is_empty() => to.set_port(CLIENT_PORT),
        SERVER_PORT => to.set_port(SERVER_PORT),
        _ => {}
    }
    to
}

fn ignored(arrival: &Arrival<'_>, reason: Reason) -> Decided {
    Decided::ignored(Proto::Dhcp6, &arrival.iface.name, SocketAddr::V6(arrival.from), reason)
}
