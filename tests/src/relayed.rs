//! Packets between machines behind a relay and a DHCP server: for stand-ins of a whole building.

use std::net::Ipv4Addr;

/// A server's reply to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// The transaction: the machine's number.
    pub xid: u32,
    /// The type of the DHCP message.
    pub kind: u8,
    /// The address that is given.
    pub address: Ipv4Addr,
    /// Whom it is for.
    pub mac: [u8; 6],
    /// Which server says so.
    pub identifier: [u8; 4],
    /// Whether a boot file is named.
    pub boots: bool,
}

impl Reply {
    /// None for what is no answer of a server.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (header, mut options) = bytes.split_at_checked(240)?;
        if header[0] != 2 || header[236..] != COOKIE {
            return None;
        }
        let (mut kind, mut identifier, mut boots) = (None, [0; 4], header[FILE] != 0);
        while let [code, rest @ ..] = options {
            options = match code {
                255 => break,
                0 => rest,
                code => {
                    let (length, rest) = rest.split_first()?;
                    let (value, rest) = rest.split_at_checked(usize::from(*length))?;
                    match code {
                        53 => kind = value.first().copied(),
                        54 => identifier = value.try_into().ok()?,
                        67 => boots = true,
                        _ => {}
                    }
                    rest
                }
            };
        }
        let part = |at: usize| [header[at], header[at + 1], header[at + 2], header[at + 3]];
        Some(Reply {
            xid: u32::from_be_bytes(part(4)),
            kind: kind?,
            address: Ipv4Addr::from(part(16)),
            mac: header[28..34].try_into().ok()?,
            identifier,
            boots,
        })
    }
}

/// A machine's hardware address.
pub fn mac(n: u32) -> [u8; 6] {
    let [a, b, c, d] = n.to_be_bytes();
    [2, 0x0b, a, b, c, d]
}

/// A packet as x64 UEFI firmware sends it (RFC 2131 §2, RFC 4578), passed on by a relay.
pub fn question(n: u32, kind: u8, relay: Ipv4Addr, more: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 236];
    bytes[..4].copy_from_slice(&[1, 1, 6, 1]);
    bytes[4..8].copy_from_slice(&n.to_be_bytes());
    bytes[24..28].copy_from_slice(&relay.octets());
    bytes[28..34].copy_from_slice(&mac(n));
    bytes.extend(COOKIE);
    bytes.extend([53, 1, kind, 57, 2, 5, 192]);
    bytes.extend([55, 9, 1, 3, 6, 12, 15, 43, 60, 66, 67]);
    bytes.extend([97, 17, 0]);
    bytes.extend([&[0x4e, 0x42, 0, 0, 0, 0, 0x10, 0, 0x80, 0], mac(n).as_slice()].concat());
    bytes.extend([93, 2, 0, 7, 94, 3, 1, 3, 16]);
    bytes.extend([60, 32]);
    bytes.extend(b"PXEClient:Arch:00007:UNDI:003016");
    bytes.extend(more);
    bytes.push(255);
    bytes
}

/// Where the header has the boot file's name.
const FILE: usize = 108;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// A machine looks for servers (RFC 2132 §9.6).
pub const DISCOVER: u8 = 1;
/// A server has an address.
pub const OFFER: u8 = 2;
/// A machine wants it.
pub const REQUEST: u8 = 3;
/// The server gives it.
pub const ACK: u8 = 5;
