//! The packets of a case: as firmware sends them (../../docs/firmware.md), and as other DHCP
//! servers do.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use netbootd_diagnosis::step::OtherReply;

pub(super) const DISCOVER: u8 = 1;
pub(super) const REQUEST: u8 = 3;
pub(super) const DECLINE: u8 = 4;
pub(super) const SOLICIT6: u8 = 1;
pub(super) const REQUEST6: u8 = 3;
const OFFER: u8 = 2;
const ACK: u8 = 5;
const NAK: u8 = 6;
const COOKIE: [u8; 4] = [99, 130, 83, 99];

pub(super) fn mac(text: &str) -> [u8; 6] {
    let octets: Vec<u8> = text.split(':').map(|octet| u8::from_str_radix(octet, 16).unwrap()).collect();
    octets.try_into().unwrap()
}

pub(super) fn text(mac: [u8; 6]) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}

/// The boot file in an answer's header.
pub(super) fn file(answer: &[u8]) -> String {
    let field = &answer[108..236];
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

/// A client's packet. `class` (of PXE and HTTP boot), `vendor` (option 60 as it stands), `arch`,
/// `uuid`, `ipxe`, `relay`, `server` and `address` come from the case.
pub(super) fn client(kind: u8, mac: [u8; 6], said: &HashMap<String, String>) -> Vec<u8> {
    let value = |name: &str| said.get(name).map(String::as_str);
    let mut bytes = header(1, mac);
    bytes[10] = 0x80; // broadcast flag
    if let Some(relay) = value("relay") {
        bytes[24..28].copy_from_slice(&relay.parse::<Ipv4Addr>().unwrap().octets());
    }
    let mut put = |code: u8, value: &[u8]| {
        bytes.extend([code, u8::try_from(value.len()).unwrap()]);
        bytes.extend(value);
    };
    put(53, &[kind]);
    put(55, &[1, 3, 6, 12, 15, 17, 43, 54, 60, 66, 67]);
    if let Some(class) = value("class") {
        let arch: u16 = value("arch").unwrap_or("7").parse().unwrap();
        put(60, format!("{class}:Arch:{arch:05}:UNDI:003000").as_bytes());
        put(93, &arch.to_be_bytes());
        put(94, &[1, 3, 0]);
    }
    if let Some(vendor) = value("vendor") {
        put(60, vendor.as_bytes());
        put(93, &value("arch").unwrap_or("0").parse::<u16>().unwrap().to_be_bytes());
    }
    if let Some(uuid) = value("uuid") {
        let digits: Vec<u8> = uuid.replace('-', "").into_bytes();
        let octets =
            digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
        put(97, &[vec![0], octets.collect()].concat());
    }
    if value("ipxe").is_some() {
        put(77, b"iPXE");
    }
    for (code, name) in [(54, "server"), (50, "address")] {
        if let Some(address) = value(name) {
            put(code, &address.parse::<Ipv4Addr>().unwrap().octets());
        }
    }
    bytes.push(255);
    bytes
}

/// A client's packet of DHCPv6 (RFC 8415), as PXE firmware sends it. A REQUEST takes the address of
/// another server.
pub(super) fn client6(kind: u8, mac: [u8; 6], arch: u16) -> Vec<u8> {
    let mut bytes = vec![kind, 0x12, mac[4], mac[5]];
    let mut put = |code: u16, value: &[u8]| {
        bytes.extend(code.to_be_bytes());
        bytes.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        bytes.extend(value);
    };
    let duid = |mac: [u8; 6]| [&[0, 3, 0, 1], &mac[..]].concat();
    put(1, &duid(mac));
    if kind == REQUEST6 {
        put(2, &duid([2, 0, 0, 0, 0, 2]));
    }
    put(3, &[&mac[2..], &[0; 8]].concat());
    put(6, &[0, 23, 0, 59, 0, 60]);
    put(8, &[0, 0]);
    let class = format!("PXEClient:Arch:{arch:05}:UNDI:003000");
    let length = u16::try_from(class.len()).unwrap().to_be_bytes();
    put(16, &[&343_u32.to_be_bytes()[..], &length, class.as_bytes()].concat());
    put(61, &arch.to_be_bytes());
    put(62, &[1, 3, 0]);
    bytes
}

/// Another server's OFFER, ACK or NAK. `file`, `class`, `siaddr`, `router` and `dns` come from the
/// case; with `overload` the file stands in an option inside the header's field (RFC 2132 §9.3).
pub(super) fn server(
    reply: OtherReply,
    server: Ipv4Addr,
    mac: [u8; 6],
    address: Ipv4Addr,
    said: &HashMap<String, String>,
) -> Vec<u8> {
    let value = |name: &str| said.get(name).map(String::as_str);
    let octets = |text: &str| text.parse::<Ipv4Addr>().unwrap().octets();
    let mut bytes = header(2, mac);
    bytes[16..20].copy_from_slice(&value("address").map_or(address.octets(), octets));
    if let Some(siaddr) = value("siaddr") {
        bytes[20..24].copy_from_slice(&octets(siaddr));
    }
    let mut put = |code: u8, value: &[u8]| {
        bytes.extend([code, u8::try_from(value.len()).unwrap()]);
        bytes.extend(value);
    };
    let kind = match reply {
        OtherReply::Offer => OFFER,
        OtherReply::Ack => ACK,
        OtherReply::Nak => NAK,
    };
    put(53, &[kind]);
    put(54, &server.octets());
    put(1, &[255, 255, 255, 0]);
    put(51, &3600_u32.to_be_bytes());
    for (code, name) in [(3, "router"), (6, "dns")] {
        if let Some(address) = value(name) {
            put(code, &octets(address));
        }
    }
    if let Some(class) = value("class") {
        put(60, class.as_bytes());
    }
    if value("overload").is_some() {
        put(52, &[1]);
        let file = value("file").unwrap_or_default().as_bytes();
        let option = [&[67, u8::try_from(file.len()).unwrap()], file, &[255]].concat();
        let option = if file.is_empty() { vec![0, 0, 255] } else { option };
        bytes[108..108 + option.len()].copy_from_slice(&option);
    } else if let Some(file) = value("file") {
        put(67, file.as_bytes());
    }
    bytes.push(255);
    bytes
}

fn header(op: u8, mac: [u8; 6]) -> Vec<u8> {
    let mut bytes = vec![0; 236];
    bytes[..4].copy_from_slice(&[op, 1, 6, 0]);
    bytes[4..8].copy_from_slice(&mac[2..6]);
    bytes[28..34].copy_from_slice(&mac);
    bytes.extend(COOKIE);
    bytes
}

/// The header of an EFI program (Microsoft's PE/COFF specification), with a certificate table or
/// without.
pub(super) fn pe_program(arch: &str, signed: bool) -> Vec<u8> {
    let machine: u16 = match arch {
        "x64" => 0x8664,
        "ia32" => 0x014c,
        "arm64" => 0xaa64,
        other => panic!("no architecture {other}"),
    };
    let mut bytes = vec![0; 8192];
    bytes[..2].copy_from_slice(b"MZ");
    bytes[0x3c] = 0x80;
    bytes[0x80..0x84].copy_from_slice(b"PE\0\0");
    bytes[0x84..0x86].copy_from_slice(&machine.to_le_bytes());
    let optional = 0x80 + 24;
    bytes[optional..optional + 2].copy_from_slice(&0x20b_u16.to_le_bytes());
    bytes[optional + 108..optional + 112].copy_from_slice(&16_u32.to_le_bytes());
    if signed {
        let table = optional + 112 + 4 * 8;
        bytes[table..table + 4].copy_from_slice(&7000_u32.to_le_bytes());
        bytes[table + 4..table + 8].copy_from_slice(&512_u32.to_le_bytes());
    }
    bytes
}
