//! Writing an answer, and wrapping it for the relays that brought the question.

use std::net::Ipv6Addr;

use dhcproto::v6::{DhcpOption, DhcpOptions, IAAddr, IANA, Status, StatusCode};
use dhcproto::{Encodable, Encoder};
use pxe_policy::Reason;

use super::guard::Relay;
use super::option::{self, MessageType};
use super::{Duid, Packet};

/// An answer in the making. Options keep the order in which they are put.
#[derive(Debug)]
pub struct ReplyBuilder<'a> {
    packet: &'a Packet,
    kind: MessageType,
    options: Vec<u8>,
}

/// For how long an address is given, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime(pub u32);

impl<'a> ReplyBuilder<'a> {
    /// An answer of this type by the server `server`: the client's identifier as it was sent, then
    /// the server's.
    pub fn new(packet: &'a Packet, kind: MessageType, server: &Duid) -> Self {
        let reply = ReplyBuilder { packet, kind, options: Vec::new() };
        let reply = match packet.options.first(option::CLIENT_ID) {
            Some(client) => reply.option(option::CLIENT_ID, client),
            None => reply,
        };
        reply.option(option::SERVER_ID, &server.0)
    }

    /// Puts an option. No value here is longer than a packet.
    pub fn option(mut self, code: u16, value: &[u8]) -> Self {
        self.options.extend(code.to_be_bytes());
        self.options.extend((value.len() as u16).to_be_bytes());
        self.options.extend(value);
        self
    }

    /// Gives an address to an association.
    pub fn address(self, id: u32, addr: Ipv6Addr, Lifetime(seconds): Lifetime) -> Self {
        let inside = IAAddr { addr, preferred_life: seconds, valid_life: seconds, opts: DhcpOptions::new() };
        // RFC 8415 §21.4: half, and four fifths.
        self.association(id, (seconds / 2, seconds / 5 * 4), DhcpOption::IAAddr(inside))
    }

    /// Gives none to an association, and says why.
    pub fn no_address(self, id: u32, status: Status, words: &str) -> Self {
        let inside = StatusCode { status, msg: words.to_owned() };
        self.association(id, (0, 0), DhcpOption::StatusCode(inside))
    }

    /// Says how the whole of it went.
    pub fn status(mut self, status: Status, words: &str) -> Self {
        self.encode(&DhcpOption::StatusCode(StatusCode { status, msg: words.to_owned() }));
        self
    }

    fn association(mut self, id: u32, (t1, t2): (u32, u32), inside: DhcpOption) -> Self {
        let opts = [inside].into_iter().collect();
        self.encode(&DhcpOption::IANA(IANA { id, t1, t2, opts }));
        self
    }

    fn encode(&mut self, option: &DhcpOption) {
        let mut bytes = Vec::new();
        // Into memory, of a few bytes: there is nothing that could fail.
        if option.encode(&mut Encoder::new(&mut bytes)).is_ok() {
            self.options.extend(bytes);
        }
    }

    /// The bytes, in as many envelopes as the question came in, at most what passes every link in
    /// one piece.
    pub fn finish(self) -> Result<Vec<u8>, Reason> {
        let mut bytes = vec![u8::from(self.kind)];
        bytes.extend(self.packet.xid);
        bytes.extend(self.options);
        for relay in self.packet.relays.iter().rev() {
            bytes = wrap(relay, &bytes).ok_or(Reason::AnswerTooLarge)?;
        }
        if bytes.len() > MAX_REPLY { Err(Reason::AnswerTooLarge) } else { Ok(bytes) }
    }
}

/// RFC 8415 §19.3: the relay's header comes back as it was, with the interface that it named.
fn wrap(relay: &Relay, message: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = vec![u8::from(MessageType::RelayRepl), relay.hops];
    bytes.extend(relay.link.octets());
    bytes.extend(relay.peer.octets());
    let iface = relay.options.first(option::INTERFACE_ID).map(|value| (option::INTERFACE_ID, value));
    for (code, value) in iface.into_iter().chain([(option::RELAY_MESSAGE, message)]) {
        bytes.extend(code.to_be_bytes());
        bytes.extend(u16::try_from(value.len()).ok()?.to_be_bytes());
        bytes.extend(value);
    }
    Some(bytes)
}

/// The largest reply, in bytes: the MTU of every link (1280) without the headers of IPv6 and UDP.
const MAX_REPLY: usize = 1232;
