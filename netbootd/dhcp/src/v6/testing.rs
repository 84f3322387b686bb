//! Messages and a receiving interface, for the tests of this folder.
#![allow(missing_docs, clippy::unwrap_used)] // fixtures of tests

use std::net::{Ipv6Addr, SocketAddrV6};

use pxe_policy::MacAddr;

use super::option;
use super::proxy::Own;
use super::{Arrival, Duid, Packet};
use crate::Iface;
pub use crate::v4::testing::boot;

pub const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0x4c, 1, 9]);
pub const SOLICIT: u8 = 1;
pub const REQUEST: u8 = 3;
pub const INFORMATION_REQUEST: u8 = 11;

/// An option in bytes: code, length, value.
pub fn opt(code: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = code.to_be_bytes().to_vec();
    bytes.extend((value.len() as u16).to_be_bytes());
    bytes.extend(value);
    bytes
}

/// A message's bytes: transaction 0a0b0c, and these options.
pub fn message(kind: u8, options: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![kind, 10, 11, 12];
    bytes.extend(options.concat());
    bytes
}

/// A message in a relay's envelope.
pub fn relayed(link: &str, peer: &str, options: &[Vec<u8>], inside: &[u8]) -> Vec<u8> {
    let mut bytes = vec![12, 0];
    for addr in [link, peer] {
        bytes.extend(addr.parse::<Ipv6Addr>().unwrap().octets());
    }
    bytes.extend(options.concat());
    bytes.extend(opt(option::RELAY_MESSAGE, inside));
    bytes
}

/// Option 1 as EDK2 writes it: the UUID 4c4c4544-0042-3510-8053-5254004c0109 as it lies in memory.
pub fn client_id() -> Vec<u8> {
    let mut duid = vec![0, 4, 0x44, 0x45, 0x4c, 0x4c, 0x42, 0, 0x10, 0x35, 0x80, 0x53];
    duid.extend(MAC.octets());
    opt(option::CLIENT_ID, &duid)
}

/// Option 16 with one text.
pub fn vendor_class(text: &str) -> Vec<u8> {
    let mut value = 343_u32.to_be_bytes().to_vec();
    value.extend((text.len() as u16).to_be_bytes());
    value.extend(text.bytes());
    opt(option::VENDOR_CLASS, &value)
}

/// Option 3 of this number, with an address.
pub fn association(id: u32, address: Option<&str>) -> Vec<u8> {
    let mut value = id.to_be_bytes().to_vec();
    value.extend([0; 8]);
    if let Some(address) = address {
        let mut inside = address.parse::<Ipv6Addr>().unwrap().octets().to_vec();
        inside.extend([0; 8]);
        value.extend(opt(option::IA_ADDR, &inside));
    }
    opt(option::IA_NA, &value)
}

/// A message of x64 UEFI firmware, by PXE (`arch` 7) or by HTTP (16).
pub fn firmware(kind: u8, arch: u8, more: &[Vec<u8>]) -> Packet {
    let class =
        if arch == 16 { "HTTPClient:Arch:00016:UNDI:003001" } else { "PXEClient:Arch:00007:UNDI:003001" };
    let mut options = vec![client_id(), opt(option::ARCH, &[0, arch]), vendor_class(class)];
    options.extend(more.iter().cloned());
    Packet::parse(&message(kind, &options)).unwrap()
}

/// An interface with addresses of IPv6.
pub fn lan() -> Iface {
    let addrs6 = ["fe80::1/64", "2001:db8:1::1/64", "2001:db8:2::1/64"].map(|net| net.parse().unwrap());
    Iface { name: "lan0".into(), index: 3, mac: None, addrs: Vec::new(), addrs6: addrs6.into() }
}

/// The arrival of a multicast from a link-local address that is made of [`MAC`].
pub fn multicast(iface: &Iface) -> Arrival<'_> {
    let from = SocketAddrV6::new("fe80::5054:ff:fe4c:109".parse().unwrap(), 546, 0, 3);
    Arrival { iface, to: "ff02::1:2".parse().unwrap(), from, port: 547 }
}

/// The DUID that tests use for this server.
pub fn own_duid() -> Duid {
    Duid::link_layer_time(MacAddr([2, 0, 0, 0, 0, 1]), 7)
}

/// This server, as tests know it.
pub fn own(duid: &Duid) -> Own<'_> {
    Own { duid, http_port: 80 }
}

/// An answer's options; its type must be this one.
pub fn options_of(bytes: &[u8], kind: u8) -> super::guard::Options {
    assert_eq!((bytes[0], &bytes[1..4]), (kind, &[10, 11, 12][..]));
    super::guard::Options::parse(&bytes[4..]).unwrap()
}
