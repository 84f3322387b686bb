//! Writes DHCPv4 replies, options and overload included.

use std::net::Ipv4Addr;

use dhcproto::v4::{Message, Opcode};
use dhcproto::{Encodable, Encoder};
use pxe_policy::Reason;

use super::Packet;
use super::option::{self, MessageType};

/// A reply in the making. Options keep the order in which they are put; option 82 is echoed last by
/// itself.
#[derive(Debug)]
pub struct ReplyBuilder {
    message: Message,
    options: Vec<u8>,
    relay_agent: Vec<u8>,
    limit: usize,
}

impl ReplyBuilder {
    /// A reply to `packet` of this type from the server `local`: header fields copied as RFC 2131
    /// table 3 says, options 53 and 54 set.
    pub fn new(packet: &Packet, kind: MessageType, local: Ipv4Addr) -> Self {
        let request = &packet.header;
        let mut message = Message::new_with_id(
            request.xid(),
            request.ciaddr(),
            Ipv4Addr::UNSPECIFIED,
            Ipv4Addr::UNSPECIFIED,
            request.giaddr(),
            request.chaddr(),
        );
        message.set_opcode(Opcode::BootReply).set_htype(request.htype()).set_flags(request.flags());
        if packet.relay().is_some() {
            message.set_hops(request.hops());
        }
        let wanted = packet.first(option::MAX_MESSAGE_SIZE).and_then(|value| value.try_into().ok());
        let wanted = wanted.map_or(DEFAULT_LIMIT, |size| usize::from(u16::from_be_bytes(size)));
        let mut relay_agent = Vec::new();
        for value in packet.all(option::RELAY_AGENT) {
            put(&mut relay_agent, option::RELAY_AGENT, value);
        }
        let limit = wanted.saturating_sub(IP_AND_UDP).clamp(MIN_REPLY, MAX_REPLY);
        ReplyBuilder { message, options: Vec::new(), relay_agent, limit }
            .option(option::MESSAGE_TYPE, &[u8::from(kind)])
            .option(option::SERVER_IDENTIFIER, &local.octets())
    }

    /// Gives an address (`yiaddr`).
    pub fn give(mut self, addr: Ipv4Addr) -> Self {
        self.message.set_yiaddr(addr);
        self
    }

    /// Clears `ciaddr`, as offers want it.
    pub fn without_client_addr(mut self) -> Self {
        self.message.set_ciaddr(Ipv4Addr::UNSPECIFIED);
        self
    }

    /// Names the server of the next step, in `siaddr` and as text in `sname`: old ROMs show it.
    pub fn next_server(mut self, addr: Ipv4Addr) -> Self {
        self.message.set_siaddr(addr).set_sname(addr.to_string().as_bytes());
        self
    }

    /// Names the server of the next step in `siaddr`, and this one in `sname`, cut to what fits.
    pub fn bsdp_server(mut self, addr: Ipv4Addr, name: &str) -> Self {
        self.message.set_siaddr(addr).set_sname(&name.as_bytes()[..name.len().min(SERVER_NAME_FIELD - 1)]);
        self
    }

    /// Replaces the bound on its size, in bytes without the IP and UDP headers.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Names the boot file in `file` and, when it does not fit there or `as_option` is set, in
    /// option 67 with a NUL behind it: ROMs that look for one run into the next option without it.
    pub fn boot_file(mut self, file: &str, as_option: bool) -> Self {
        let fits = file.len() < FILE_FIELD;
        if fits {
            self.message.set_fname(file.as_bytes());
        }
        if as_option || !fits {
            self = self.option(option::BOOT_FILE, &[file.as_bytes(), &[0]].concat());
        }
        self
    }

    /// Puts an option; a value over 255 bytes is split as RFC 3396 says.
    pub fn option(mut self, code: u8, value: &[u8]) -> Self {
        put(&mut self.options, code, value);
        self
    }

    /// The bytes, at least 300 (BOOTP's size, which old relays and ROMs expect), at most what the
    /// client takes.
    pub fn finish(self) -> Result<Vec<u8>, Reason> {
        let mut bytes = Vec::with_capacity(MIN_REPLY);
        self.message.encode(&mut Encoder::new(&mut bytes)).map_err(|_| Reason::AnswerTooLarge)?;
        bytes.extend(self.options);
        bytes.extend(self.relay_agent);
        bytes.push(option::END);
        if bytes.len() > self.limit {
            return Err(Reason::AnswerTooLarge);
        }
        bytes.resize(bytes.len().max(MIN_REPLY), option::PAD);
        Ok(bytes)
    }
}

fn put(options: &mut Vec<u8>, code: u8, value: &[u8]) {
    let mut put_part = |part: &[u8]| {
        options.extend([code, part.len() as u8]);
        options.extend(part);
    };
    if value.is_empty() {
        put_part(&[]);
    }
    value.chunks(255).for_each(put_part);
}

/// BOOTP's packet size without the IP and UDP headers.
const MIN_REPLY: usize = 300;
/// The largest reply to a client that states no limit, in bytes (RFC 2132 §9.10: 576 with the
/// headers).
const DEFAULT_LIMIT: usize = 576;
/// EDK2 drops replies over 1472 bytes, fragments get lost, and relays add to what they pass on.
const MAX_REPLY: usize = 1400;
const IP_AND_UDP: usize = 28;
const FILE_FIELD: usize = 128;
const SERVER_NAME_FIELD: usize = 64;
