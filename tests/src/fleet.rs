//! Machines behind a relay that are switched on again and again: DISCOVER, REQUEST, ACK with
//! several servers, over one socket.
//!
//! They know nothing of the servers but what these say, and every reply is kept.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use crate::relayed::{self, ACK, DISCOVER, OFFER, REQUEST};

/// Machines, their relay, and the servers that it passes packets on to.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// The number of machines.
    pub machines: u16,
    /// The address of their relay.
    pub relay: Ipv4Addr,
    /// The servers that they ask.
    pub servers: Vec<Ipv4Addr>,
}

/// A lease that a machine was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The number of the machine.
    pub machine: u16,
    /// When the lease was given.
    pub at: Instant,
    /// The server that gave it.
    pub server: Ipv4Addr,
    /// The address that was leased.
    pub address: Ipv4Addr,
    /// How long the lease lasts.
    pub lasts: Duration,
    /// The boot file; empty for the machine's disk.
    pub boot_file: String,
}

/// The hardware address of a machine.
pub fn mac(machine: u16) -> String {
    let [high, low] = machine.to_be_bytes();
    format!("02:0b:00:00:{high:02x}:{low:02x}")
}

impl Fleet {
    /// Boots every machine again as soon as it has an answer, until told to stop; each answer is
    /// told of. Runs inside a host.
    ///
    /// # Panics
    /// When the relay cannot speak at all.
    pub fn run(self, told: &Sender<Told>, stop: &Arc<AtomicBool>) {
        let socket = UdpSocket::bind((self.relay, PORT)).unwrap_or_else(|error| panic!("{error}"));
        socket.set_read_timeout(Some(PAUSE)).unwrap_or_else(|error| panic!("{error}"));
        let begin = |machine: u16| (machine, Machine { xid: u32::from(machine), ..Machine::default() });
        let mut machines: HashMap<u16, Machine> = (0..self.machines).map(begin).collect();
        let mut buf = [0; 2048];
        while !stop.load(Ordering::Relaxed) {
            for (number, machine) in &mut machines {
                if machine.asked.is_none_or(|asked| asked.elapsed() > PATIENCE) {
                    self.discover(&socket, *number, machine);
                }
            }
            match socket.recv(&mut buf) {
                Ok(length) => {
                    let Some(reply) = Reply::parse(&buf[..length]) else { continue };
                    if let Some(machine) = machines.get_mut(&reply.machine)
                        && let Some(one) = self.receive(&socket, machine, reply)
                        && told.send(one).is_err()
                    {
                        return;
                    }
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                }
                // A server that is not there.
                Err(_) => {}
            }
        }
    }

    fn discover(&self, socket: &UdpSocket, number: u16, machine: &mut Machine) {
        machine.xid = machine.xid.wrapping_add(1 << 16);
        machine.offered = None;
        machine.asked = Some(Instant::now());
        self.send(socket, &packet(number, machine.xid, DISCOVER, self.relay, &[]));
    }

    fn receive(&self, socket: &UdpSocket, machine: &mut Machine, reply: Reply) -> Option<Told> {
        if reply.xid != machine.xid {
            return None; // of a boot before
        }
        match (reply.kind, machine.offered) {
            (OFFER, None) => {
                machine.offered = Some((reply.address, reply.server));
                machine.asked = Some(Instant::now());
                let more = [&[54, 4], &reply.server.octets()[..], &[50, 4], &reply.address.octets()].concat();
                self.send(socket, &packet(reply.machine, machine.xid, REQUEST, self.relay, &more));
                None
            }
            (ACK, Some((address, server))) if (address, server) == (reply.address, reply.server) => {
                // It is switched on again at the next turn.
                machine.asked = None;
                machine.offered = None;
                Some(Told {
                    machine: reply.machine,
                    at: Instant::now(),
                    server,
                    address,
                    lasts: reply.lasts,
                    boot_file: reply.boot_file,
                })
            }
            (NAK, Some(_)) => {
                machine.asked = None;
                None
            }
            _ => None,
        }
    }

    /// To every server, as a relay does that has several; who is gone hears nothing.
    fn send(&self, socket: &UdpSocket, bytes: &[u8]) {
        for server in &self.servers {
            let _ = socket.send_to(bytes, SocketAddrV4::new(*server, PORT));
        }
    }
}

#[derive(Debug, Default)]
struct Machine {
    xid: u32,
    asked: Option<Instant>,
    offered: Option<(Ipv4Addr, Ipv4Addr)>,
}

struct Reply {
    machine: u16,
    xid: u32,
    kind: u8,
    address: Ipv4Addr,
    server: Ipv4Addr,
    lasts: Duration,
    boot_file: String,
}

impl Reply {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (header, mut options) = bytes.split_at_checked(240)?;
        if header[0] != 2 || header[236..] != COOKIE {
            return None;
        }
        let word = |at: usize| -> [u8; 4] { [header[at], header[at + 1], header[at + 2], header[at + 3]] };
        let file: Vec<u8> = header[108..236].iter().copied().take_while(|byte| *byte != 0).collect();
        let mut reply = Reply {
            machine: u16::from_be_bytes([header[32], header[33]]),
            xid: u32::from_be_bytes(word(4)),
            kind: 0,
            address: Ipv4Addr::from(word(16)),
            server: Ipv4Addr::UNSPECIFIED,
            lasts: Duration::ZERO,
            boot_file: String::from_utf8_lossy(&file).into_owned(),
        };
        while let [code, rest @ ..] = options {
            options = match code {
                255 => break,
                0 => rest,
                code => {
                    let (length, rest) = rest.split_first()?;
                    let (value, rest) = rest.split_at_checked(usize::from(*length))?;
                    let number = || <[u8; 4]>::try_from(value).ok();
                    match code {
                        51 => reply.lasts = Duration::from_secs(u32::from_be_bytes(number()?).into()),
                        53 => reply.kind = *value.first()?,
                        54 => reply.server = Ipv4Addr::from(number()?),
                        67 => reply.boot_file = String::from_utf8_lossy(value).into_owned(),
                        _ => {}
                    }
                    rest
                }
            };
        }
        Some(reply)
    }
}

/// A machine's packet in its present boot.
fn packet(machine: u16, xid: u32, kind: u8, relay: Ipv4Addr, more: &[u8]) -> Vec<u8> {
    let mut bytes = relayed::question(machine.into(), kind, relay, more);
    bytes[4..8].copy_from_slice(&xid.to_be_bytes());
    bytes
}

const PORT: u16 = 67;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// A server refuses (RFC 2132 §9.6).
const NAK: u8 = 6;
/// After so long without an answer a machine begins anew.
const PATIENCE: Duration = Duration::from_millis(1500);
const PAUSE: Duration = Duration::from_millis(50);
