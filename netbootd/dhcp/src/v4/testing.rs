//! Captured packets and a receiving interface, for the tests of this folder.
#![allow(missing_docs, clippy::unwrap_used)] // fixtures of tests

use std::net::{Ipv4Addr, SocketAddrV4};

use pxe_policy::{Boot, Decision, Reason, Verdict, Via};
use serde_json::Value;

use super::boot_info::{BootService, LocalBoot, OfferStyle};
use super::boot_program::Prompt;
use super::{Arrival, Packet};
use crate::Iface;

/// The server's address in the captures.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

/// How the tests' server answers unless a test says otherwise.
pub const BINL: BootService = BootService {
    style: OfferStyle::Binl,
    http_port: 80,
    local_boot: LocalBoot::Silence,
    log_server: false,
    program_prompt: Prompt::OptIn,
};

/// One captured packet with what an independent parser read in it.
pub struct Vector {
    pub id: String,
    pub bytes: Vec<u8>,
    pub json: Value,
}

/// The captured packets, each with what is expected of it.
pub fn vectors() -> Vec<Vector> {
    let file: Value = serde_json::from_str(include_str!("../../tests/data/dhcp-vectors.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap().iter();
    vectors
        .map(|json| Vector {
            id: json["id"].as_str().unwrap().to_owned(),
            bytes: unhex(json["hex"].as_str().unwrap()),
            json: json.clone(),
        })
        .collect()
}

/// A captured packet of a client by its name.
pub fn captured(id: &str) -> Packet {
    Packet::parse(&captured_bytes(id)).unwrap()
}

/// The bytes of a captured packet by its name.
pub fn captured_bytes(id: &str) -> Vec<u8> {
    vectors().into_iter().find(|vector| vector.id == id).unwrap_or_else(|| panic!("no vector {id}")).bytes
}

/// An offer to 02:00:00:00:00:01 of the address 10.77.0.50, with these options.
pub fn offer(options: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; 236];
    bytes[..3].copy_from_slice(&[2, 1, 6]);
    bytes[16..20].copy_from_slice(&[10, 77, 0, 50]);
    bytes[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    bytes.extend([99, 130, 83, 99, 53, 1, 2]);
    for (code, value) in options {
        bytes.extend([*code, value.len() as u8]);
        bytes.extend(*value);
    }
    bytes.push(255);
    bytes
}

/// An interface with two addresses.
pub fn lan() -> Iface {
    let addrs = vec!["10.77.0.2/24".parse().unwrap(), "10.78.0.2/24".parse().unwrap()];
    Iface { name: "lan0".into(), index: 3, mac: None, addrs, addrs6: Vec::new() }
}

/// A broadcast that came in on `iface`.
pub fn broadcast(iface: &Iface) -> Arrival<'_> {
    Arrival::new(iface, Ipv4Addr::BROADCAST, SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68))
}

/// A verdict to boot `file`.
pub fn boot(file: &str, via: Via) -> Verdict {
    let boot = Boot { file: file.into(), via, next_server: None, image: None, prompt: None, config: None };
    Verdict {
        decision: Decision::Boot(boot),
        reason: Reason::Rule,
        rule: Some("test".into()),
        machine: None,
        deployment: None,
        evidence: Vec::new(),
        learned: Vec::new(),
    }
}

/// Bytes of hex digits.
pub fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
