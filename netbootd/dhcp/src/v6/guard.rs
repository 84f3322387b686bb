//! The guard before the DHCPv6 codec: hostile bytes become a [`Packet`] or a [`Malformed`].
//!
//! Options are walked here, every length checked before it is used and relays only so deep.
//! dhcproto gives the message types and reads fixed structures, once their lengths are known to be
//! sound: it keeps no order of options, and a length of its own it trusts.

use std::net::Ipv6Addr;

use dhcproto::v6::IAAddr;
use dhcproto::{Decodable, Decoder};
use thiserror::Error;

use super::option::{self, MessageType};

/// A message of a client, with the relays that passed it on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The message type of the inner message.
    pub kind: MessageType,
    /// The transaction's three bytes.
    pub xid: [u8; 3],
    /// The options of the message.
    pub options: Options,
    /// The relays on the way, the nearest to this server first.
    pub relays: Vec<Relay>,
}

/// The envelope that one relay puts around a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// How many relays were before it.
    pub hops: u8,
    /// An address of the link that it heard the message on; unspecified when it has none to tell.
    pub link: Ipv6Addr,
    /// Whom it heard it from.
    pub peer: Ipv6Addr,
    /// The options of the envelope.
    pub options: Options,
}

/// Options in the order sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options(Vec<(u16, Vec<u8>)>);

/// An identity association for addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Association {
    /// The client's number for it.
    pub id: u32,
    /// The addresses in it.
    pub addresses: Vec<Ipv6Addr>,
}

/// Why bytes are no DHCPv6 message that this server can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Shorter than its header.
    #[error("{have} bytes are no DHCPv6 message, the header alone has {need}")]
    Truncated {
        /// Bytes that a header has.
        need: usize,
        /// Bytes that were received.
        have: usize,
    },
    /// An option that is longer than what is there.
    #[error("option {code} claims {need} bytes, and {have} are left")]
    Option {
        /// The code of the option.
        code: u16,
        /// Its length, as it says.
        need: usize,
        /// Bytes that are left.
        have: usize,
    },
    /// A server's message, or one that no client sends.
    #[error("message type {0} does not belong here")]
    Type(u8),
    /// A relay's envelope with nothing inside.
    #[error("a relay's message carries none (option 9 is missing)")]
    NoRelayedMessage,
    /// More envelopes are in each other than RFC 8415 allows.
    #[error("more than {MAX_RELAYS} relays")]
    TooManyRelays,
    /// The client does not say who it is.
    #[error("a client identifier (option 1) of 3 to {MAX_DUID} bytes is missing")]
    NoClientId,
}

impl Packet {
    /// Reads a client's message, or what relays made of it.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut relays: Vec<Relay> = Vec::new();
        let mut message = bytes.to_vec();
        while let [RELAY_FORWARD, rest @ ..] = message.as_slice() {
            if relays.len() == MAX_RELAYS {
                return Err(Malformed::TooManyRelays);
            }
            let (relay, inside) = unwrap(rest)?;
            relays.push(relay);
            message = inside;
        }
        let [kind, a, b, c, rest @ ..] = message.as_slice() else {
            return Err(Malformed::Truncated { need: HEADER, have: message.len() });
        };
        let (number, kind) = (*kind, MessageType::from(*kind));
        let packet = Packet { kind, xid: [*a, *b, *c], options: Options::parse(rest)?, relays };
        if !is_clients(kind) {
            return Err(Malformed::Type(number));
        }
        match packet.options.first(option::CLIENT_ID).map(<[u8]>::len) {
            Some(3..=MAX_DUID) => Ok(packet),
            // RFC 8415 §18.2.6: only those who ask for no address may leave it out.
            None if kind == MessageType::InformationRequest => Ok(packet),
            _ => Err(Malformed::NoClientId),
        }
    }

    /// The transaction as a number.
    pub fn xid(&self) -> u32 {
        let [a, b, c] = self.xid;
        u32::from_be_bytes([0, a, b, c])
    }

    /// The relay next to the client.
    pub fn nearest_relay(&self) -> Option<&Relay> {
        self.relays.last()
    }

    /// The client's associations. Those with a length that lies are left out.
    pub fn associations(&self) -> impl Iterator<Item = Association> {
        self.options.all(option::IA_NA).filter_map(association)
    }

    /// Whether the client asks for an option.
    pub fn asks_for(&self, code: u16) -> bool {
        let wanted = self.options.all(option::OPTION_REQUEST);
        wanted.flat_map(|codes| codes.chunks_exact(2)).any(|pair| pair == code.to_be_bytes())
    }
}

impl Options {
    /// Splits options. All of them or none: unlike firmware of old DHCP, nobody is known to send a
    /// broken tail.
    pub fn parse(mut rest: &[u8]) -> Result<Self, Malformed> {
        let mut options = Vec::new();
        while !rest.is_empty() {
            let [c1, c2, l1, l2, after @ ..] = rest else {
                return Err(Malformed::Truncated { need: OPTION_HEADER, have: rest.len() });
            };
            let (code, need) = (u16::from_be_bytes([*c1, *c2]), usize::from(u16::from_be_bytes([*l1, *l2])));
            let Some((value, after)) = after.split_at_checked(need) else {
                return Err(Malformed::Option { code, need, have: after.len() });
            };
            options.push((code, value.to_vec()));
            rest = after;
        }
        Ok(Options(options))
    }

    /// The value of the first option with this code.
    pub fn first(&self, code: u16) -> Option<&[u8]> {
        self.all(code).next()
    }

    /// The values of all options with this code, in the order sent.
    pub fn all(&self, code: u16) -> impl Iterator<Item = &[u8]> {
        self.0.iter().filter(move |(at, _)| *at == code).map(|(_, value)| value.as_slice())
    }
}

/// A value that is a row of texts, each behind its length; what comes after a length that lies is
/// left out.
pub fn texts(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let [high, low, after @ ..] = rest else { return None };
        let (text, after) = after.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
        rest = after;
        Some(text)
    })
}

/// Takes one envelope off; `rest` begins behind its type.
fn unwrap(rest: &[u8]) -> Result<(Relay, Vec<u8>), Malformed> {
    let truncated = Malformed::Truncated { need: RELAY_HEADER, have: rest.len() + 1 };
    let (header, options) = rest.split_at_checked(RELAY_HEADER - 1).ok_or(truncated)?;
    let addr = |at: usize| {
        let octets: Option<[u8; 16]> = header.get(at..at + 16).and_then(|octets| octets.try_into().ok());
        octets.map_or(Ipv6Addr::UNSPECIFIED, Ipv6Addr::from)
    };
    let options = Options::parse(options)?;
    let inside = options.first(option::RELAY_MESSAGE).ok_or(Malformed::NoRelayedMessage)?.to_vec();
    Ok((Relay { hops: header[0], link: addr(1), peer: addr(17), options }, inside))
}

fn association(value: &[u8]) -> Option<Association> {
    let (head, inside) = value.split_at_checked(ASSOCIATION_HEADER)?;
    let id = u32::from_be_bytes(head[..4].try_into().ok()?);
    let inside = Options::parse(inside).ok()?;
    let addresses = inside.all(option::IA_ADDR).filter_map(|value| {
        // Its own options are not looked at, so dhcproto is given none.
        let fixed = value.get(..ADDRESS_LENGTH)?;
        IAAddr::decode(&mut Decoder::new(fixed)).ok().map(|address| address.addr)
    });
    Some(Association { id, addresses: addresses.take(MAX_ADDRESSES).collect() })
}

fn is_clients(kind: MessageType) -> bool {
    matches!(
        kind,
        MessageType::Solicit
            | MessageType::Request
            | MessageType::Confirm
            | MessageType::Renew
            | MessageType::Rebind
            | MessageType::Release
            | MessageType::Decline
            | MessageType::InformationRequest
    )
}

/// RFC 8415 §7.6: HOP_COUNT_LIMIT.
const MAX_RELAYS: usize = 8;
/// RFC 8415 §11.1: a type of two bytes, and up to 128 more.
const MAX_DUID: usize = 130;
const RELAY_FORWARD: u8 = 12;
const HEADER: usize = 4;
const RELAY_HEADER: usize = 34;
const OPTION_HEADER: usize = 4;
const ASSOCIATION_HEADER: usize = 12;
const ADDRESS_LENGTH: usize = 24;
/// Addresses of an association that are looked at; clients have one.
const MAX_ADDRESSES: usize = 8;

#[cfg(test)]
mod tests;
