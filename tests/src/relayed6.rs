//! Packets between machines behind a relay of IPv6 and a DHCPv6 server.

use std::net::Ipv6Addr;

use crate::relayed::mac;

/// SOLICIT of a machine as x64 UEFI firmware sends it (RFC 8415 §16.2, RFC 5970), in a relay's
/// envelope.
pub fn solicit(n: u32, link: Ipv6Addr) -> Vec<u8> {
    let mac = mac(n);
    let [_, number @ ..] = n.to_be_bytes();
    let mut message = vec![SOLICIT];
    message.extend(number);
    put(&mut message, CLIENT_ID, &[&[0, 3, 0, 1], &mac[..]].concat());
    put(&mut message, ADDRESSES, &[&n.to_be_bytes()[..], &[0; 8]].concat());
    put(&mut message, WANTED, &[0, 59, 0, 60, 0, 23]);
    put(&mut message, ELAPSED, &[0, 0]);
    put(&mut message, ARCHITECTURE, &[0, 7]);
    put(&mut message, INTERFACE, &[1, 3, 16]);
    let class = b"PXEClient:Arch:00007:UNDI:003016";
    put(&mut message, VENDOR_CLASS, &[&[0, 0, 1, 0x57, 0, class.len() as u8], &class[..]].concat());
    let peer = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x200, 0, (n >> 16) as u16, n as u16);
    let mut relayed = vec![RELAY_FORWARD, 0];
    relayed.extend(link.octets());
    relayed.extend(peer.octets());
    put(&mut relayed, RELAYED, &message);
    relayed
}

/// The machine's number, when this is an ADVERTISE for it in a relay's envelope.
pub fn advertised(bytes: &[u8]) -> Option<u32> {
    let (header, mut options) = bytes.split_at_checked(34)?;
    if header[0] != RELAY_REPLY {
        return None;
    }
    while let [a, b, c, d, rest @ ..] = options {
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*c, *d])))?;
        if u16::from_be_bytes([*a, *b]) == RELAYED {
            let [ADVERTISE, number @ ..] = *value.first_chunk::<4>()? else { return None };
            return Some(u32::from_be_bytes([0, number[0], number[1], number[2]]));
        }
        options = rest;
    }
    None
}

fn put(bytes: &mut Vec<u8>, code: u16, value: &[u8]) {
    bytes.extend(code.to_be_bytes());
    bytes.extend((value.len() as u16).to_be_bytes());
    bytes.extend(value);
}

const SOLICIT: u8 = 1;
const ADVERTISE: u8 = 2;
const RELAY_FORWARD: u8 = 12;
const RELAY_REPLY: u8 = 13;
const CLIENT_ID: u16 = 1;
const ADDRESSES: u16 = 3;
const WANTED: u16 = 6;
const ELAPSED: u16 = 8;
const RELAYED: u16 = 9;
const VENDOR_CLASS: u16 = 16;
const ARCHITECTURE: u16 = 61;
const INTERFACE: u16 = 62;
