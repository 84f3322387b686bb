//! Macs that choose an image, and whether netbootd still knows each confirmed choice.

use std::collections::HashMap;
use std::net::{SocketAddrV4, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::site::{ROUTER, SERVER, Site};
use crate::Lab;
use crate::mac::Nbi;
use crate::relayed::{ACK, Reply};

/// Macs in a host of the laboratory; they have its address.
#[derive(Debug)]
pub(super) struct Macs {
    socket: UdpSocket,
}

/// A Mac's confirmed selection: an image's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chosen {
    n: u32,
    image: u16,
}

/// Puts the images that they choose from into a share.
pub(super) fn put_images(share: &Path) {
    for index in IMAGES {
        Nbi { name: &format!("image-{index}"), index, root_size: 1, more: "" }.put(share);
    }
}

impl Macs {
    /// Macs that live in this host.
    pub(super) fn new(lab: &Lab, host: &str) -> Self {
        let bind = || UdpSocket::bind((ROUTER, CLIENT_PORT)).expect("a Mac has the clients' port");
        let socket = lab.inside(host, bind).join().expect("the Macs' socket");
        socket.set_read_timeout(Some(LISTEN)).expect("a socket");
        Macs { socket }
    }

    /// One Mac after the other chooses, from a number on, until they shall stop. Gives what was
    /// confirmed.
    pub(super) fn choose(&self, first: u32, stop: &AtomicBool) -> Vec<Chosen> {
        let mut chosen = Vec::new();
        for n in (first..).take_while(|_| !stop.load(Ordering::Relaxed)) {
            let image = IMAGES[n as usize % IMAGES.len()];
            // A packet that cannot be sent is lost, as on any wire.
            let _ = self.socket.send_to(&select(n, image), SocketAddrV4::new(SERVER, SERVER_PORT));
            if self.is_confirmed(n, stop) {
                chosen.push(Chosen { n, image });
            }
        }
        chosen
    }

    /// Whether a Mac hears that its choice holds, before it or all of them are switched off. A
    /// failure names no boot file.
    fn is_confirmed(&self, n: u32, stop: &AtomicBool) -> bool {
        let (asked, mut buf) = (Instant::now(), [0; 2048]);
        let mut last = false;
        while !last {
            last = stop.load(Ordering::Relaxed) || asked.elapsed() > PATIENCE;
            let heard = self.socket.recv(&mut buf).ok().and_then(|length| Reply::parse(&buf[..length]));
            if let Some(reply) = heard.filter(|reply| reply.xid == n && reply.kind == ACK) {
                return reply.boots;
            }
        }
        false
    }
}

/// Every choice that was confirmed is still known.
///
/// # Panics
/// With those that are not.
pub(super) fn check(site: &Site, chosen: &[Chosen]) {
    let answer = site.api("/bindings");
    let known: HashMap<&str, &str> = answer
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|binding| Some((binding["mac"].as_str()?, binding["image"].as_str()?)))
        .collect();
    let is_known = |chosen: &&Chosen| {
        let address = address(chosen.n).map(|byte| format!("{byte:02x}")).join(":");
        known.get(address.as_str()) == Some(&format!("{:08x}", id(chosen.image)).as_str())
    };
    let lost: Vec<&Chosen> = chosen.iter().filter(|chosen| !is_known(chosen)).collect();
    assert!(lost.is_empty(), "choices of Macs lost: {lost:?}\n{}", site.process().printed());
}

/// INFORM with SELECT, as a Mac with an address says it (Apple's BSDP, version 1.1).
fn select(n: u32, image: u16) -> Vec<u8> {
    let mut bytes = vec![0; 236];
    bytes[..4].copy_from_slice(&[1, 1, 6, 0]);
    bytes[4..8].copy_from_slice(&n.to_be_bytes());
    bytes[12..16].copy_from_slice(&ROUTER.octets());
    bytes[28..34].copy_from_slice(&address(n));
    bytes.extend([99, 130, 83, 99, 53, 1, 8, 57, 2, 5, 220, 55, 2, 43, 60]);
    let class = b"AAPLBSDPC/i386/MacBookPro9,1";
    bytes.extend([60, class.len() as u8]);
    bytes.extend(class);
    bytes.extend([43, 19, 1, 1, 2, 2, 2, 1, 1, 3, 4]);
    bytes.extend(SERVER.octets());
    bytes.extend([8, 4]);
    bytes.extend(id(image).to_be_bytes());
    bytes.push(255);
    bytes
}

/// Its image's id: something that installs Mac OS X.
fn id(image: u16) -> u32 {
    0x8100_0000 | u32::from(image)
}

fn address(n: u32) -> [u8; 6] {
    let [a, b, c, d] = n.to_be_bytes();
    [2, 0x0c, a, b, c, d]
}

const IMAGES: [u16; 2] = [101, 102];
const CLIENT_PORT: u16 = 68;
const SERVER_PORT: u16 = 67;
/// A Mac waits no longer, and then is switched off.
const PATIENCE: Duration = Duration::from_secs(1);
const LISTEN: Duration = Duration::from_millis(30);
