//! The guard before the DHCP codec: hostile bytes become a [`Packet`] or a [`Malformed`].
//!
//! dhcproto reads the fixed header, once its lengths are known to be sound. The options are walked
//! here, because their order and their repeats matter (BSDP sends several option 43, firmware sends
//! lists of architectures) and dhcproto keeps neither.

use std::net::Ipv4Addr;

use dhcproto::v4::{Message, Opcode};
use dhcproto::{Decodable, Decoder};
use pxe_policy::MacAddr;
use thiserror::Error;

use super::option::{self, MessageType};

/// A DHCP packet of a client (or of a relay on its behalf), or of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The fixed header; it holds no options.
    pub header: Message,
    mac: MacAddr,
    options: Vec<(u8, Vec<u8>)>,
    /// Option 52 (RFC 2132 §9.3): 1 `file` holds options, 2 `sname`, 3 both; 0 neither.
    overload: u8,
}

/// Why bytes are no DHCP packet that this server can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Shorter than the header and the cookie.
    #[error("{have} bytes are no DHCP packet, the header alone has {HEADER}")]
    Truncated {
        /// Bytes that were received.
        have: usize,
    },
    /// A server's packet where a client's was expected, the other way round, or neither.
    #[error("op {0} does not belong here")]
    Op(u8),
    /// The hardware address has no six bytes.
    #[error("a hardware address of type {kind} with {length} bytes is not an Ethernet address")]
    HardwareAddress {
        /// The header's `htype`: the kind of hardware.
        kind: u8,
        /// The header's `hlen`: bytes of the hardware address.
        length: u8,
    },
    /// The cookie is missing: BOOTP of old, or something else.
    #[error("the DHCP cookie 63825363 is missing")]
    NoCookie,
    /// The message type is missing.
    #[error("option 53 is missing")]
    NoMessageType,
}

impl Packet {
    /// Reads a client's packet. A bad tail of the options is left out, and what came before it is
    /// used: firmware sends such.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        Packet::parse_kind(bytes, Opcode::BootRequest)
    }

    /// Reads a server's packet, as a client does.
    pub fn parse_reply(bytes: &[u8]) -> Result<Self, Malformed> {
        Packet::parse_kind(bytes, Opcode::BootReply)
    }

    fn parse_kind(bytes: &[u8], wanted: Opcode) -> Result<Self, Malformed> {
        let (header, rest) =
            bytes.split_at_checked(HEADER).ok_or(Malformed::Truncated { have: bytes.len() })?;
        let (op, htype, hlen) = (header[0], header[1], header[2]);
        if op != u8::from(wanted) {
            return Err(Malformed::Op(op));
        }
        if header[COOKIE_AT..] != COOKIE {
            return Err(Malformed::NoCookie);
        }
        let mac = match (htype, hlen) {
            (ETHERNET, 6) => {
                MacAddr([header[28], header[29], header[30], header[31], header[32], header[33]])
            }
            _ => return Err(Malformed::HardwareAddress { kind: htype, length: hlen }),
        };
        // Nothing is left for dhcproto to find wrong: 240 bytes, hlen 6.
        let header = Message::decode(&mut Decoder::new(header))
            .map_err(|_| Malformed::Truncated { have: bytes.len() })?;
        let mut options = walk(rest);
        let overload = options.iter().find(|(code, _)| *code == option::OVERLOAD);
        let overload = overload.and_then(|(_, value)| value.first()).copied().unwrap_or_default();
        // RFC 2131 §4.1: the fields' options follow those of the options field.
        for (bit, field) in [(OVER_FILE, FILE), (OVER_SNAME, SNAME)] {
            if overload & bit != 0 {
                options.extend(walk(bytes.get(field).unwrap_or_default()));
            }
        }
        let packet = Packet { header, mac, options, overload };
        match packet.first(option::MESSAGE_TYPE) {
            Some([_]) => Ok(packet),
            _ => Err(Malformed::NoMessageType),
        }
    }

    /// The message type (option 53).
    pub fn message_type(&self) -> MessageType {
        match self.first(option::MESSAGE_TYPE) {
            Some([kind]) => MessageType::from(*kind),
            _ => MessageType::Unknown(0),
        }
    }

    /// The Ethernet address in `chaddr`.
    pub fn mac(&self) -> MacAddr {
        self.mac
    }

    /// The boot file field, up to its NUL; None where it holds options.
    pub fn file(&self) -> Option<&[u8]> {
        self.header.fname().filter(|_| self.overload & OVER_FILE == 0).map(up_to_nul)
    }

    /// The server name field, up to its NUL; None where it holds options.
    pub fn server_name(&self) -> Option<&[u8]> {
        self.header.sname().filter(|_| self.overload & OVER_SNAME == 0).map(up_to_nul)
    }

    /// The value of the first option with this code.
    pub fn first(&self, code: u8) -> Option<&[u8]> {
        self.all(code).next()
    }

    /// The values of all options with this code, in the order sent.
    pub fn all(&self, code: u8) -> impl Iterator<Item = &[u8]> {
        self.options.iter().filter(move |(at, _)| *at == code).map(|(_, value)| value.as_slice())
    }

    /// Every option, in the order sent.
    pub fn options(&self) -> impl Iterator<Item = (u8, &[u8])> {
        self.options.iter().map(|(code, value)| (*code, value.as_slice()))
    }

    /// An option whose value is one address.
    pub fn address(&self, code: u8) -> Option<Ipv4Addr> {
        let octets: [u8; 4] = self.first(code)?.try_into().ok()?;
        Some(Ipv4Addr::from(octets))
    }

    /// `giaddr`, when a relay has set it.
    pub fn relay(&self) -> Option<Ipv4Addr> {
        Some(self.header.giaddr()).filter(|addr| !addr.is_unspecified())
    }

    /// The codes of all options in the order sent, repeats included.
    #[cfg(test)]
    pub(crate) fn option_codes(&self) -> impl Iterator<Item = u8> {
        self.options.iter().map(|(code, _)| *code)
    }

    /// Whether the client asks for an option in its parameter list (option 55).
    pub fn asks_for(&self, code: u8) -> bool {
        self.first(option::PARAMETER_LIST).is_some_and(|list| list.contains(&code))
    }
}

fn up_to_nul(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or(field)
}

/// Splits the options up to the end byte or the first length that lies.
fn walk(mut rest: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut options = Vec::new();
    while let [code, after @ ..] = rest {
        match *code {
            option::PAD => rest = after,
            option::END => break,
            code => {
                let Some((length, after)) = after.split_first() else { break };
                let Some((value, after)) = after.split_at_checked(usize::from(*length)) else { break };
                options.push((code, value.to_vec()));
                rest = after;
            }
        }
    }
    options
}

/// The fixed header (RFC 2131 §2) with the cookie behind it.
const HEADER: usize = 240;
const COOKIE_AT: usize = 236;
const COOKIE: [u8; 4] = [0x63, 0x82, 0x53, 0x63];
const SNAME: std::ops::Range<usize> = 44..108;
const FILE: std::ops::Range<usize> = 108..236;
const ETHERNET: u8 = 1;
/// Bits of option 52 (RFC 2132 §9.3).
const OVER_FILE: u8 = 1;
const OVER_SNAME: u8 = 2;

#[cfg(test)]
mod tests;
