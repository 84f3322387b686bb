//! A building full of machines behind a relay: their replies, and whether these still hold.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::site::{RELAY, SERVER};
use crate::Lab;
use crate::relayed::{ACK, DISCOVER, OFFER, REQUEST, Reply, mac, question};

/// The relay in front of the machines.
#[derive(Debug)]
pub(super) struct Machines {
    socket: UdpSocket,
    /// Whom the relay asks.
    pub(super) server: Ipv4Addr,
}

/// The answer to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) n: u32,
    pub(super) address: Ipv4Addr,
    /// Whether a boot file was named.
    pub(super) boots: bool,
}

impl Machines {
    /// Behind the relay in a host of the laboratory.
    pub(super) fn new(lab: &Lab, host: &str) -> Self {
        let bind = || UdpSocket::bind((RELAY, PORT)).expect("a relay has the servers' port");
        let socket = lab.inside(host, bind).join().expect("the relay's socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        Machines { socket, server: SERVER }
    }

    /// Switches on one machine after the other from a number on, some at a time, until it shall
    /// stop. Returns their replies.
    pub(super) fn switch_on(&self, first: u32, stop: &AtomicBool) -> Vec<Told> {
        let (mut next, mut told) = (first, Vec::new());
        let mut under_way: HashMap<u32, Instant> = HashMap::new();
        while !stop.load(Ordering::Relaxed) {
            under_way.retain(|_, since| since.elapsed() < GIVEN_UP);
            while under_way.len() < AT_ONCE {
                under_way.insert(next, Instant::now());
                self.send(&question(next, DISCOVER, RELAY, &[]));
                next += 1;
            }
            let Some(reply) = self.hear() else { continue };
            let n = reply.xid;
            match reply.kind {
                OFFER if under_way.contains_key(&n) => {
                    let chosen =
                        [&[54, 4], reply.identifier.as_slice(), &[50, 4], &reply.address.octets()].concat();
                    self.send(&question(n, REQUEST, RELAY, &chosen));
                }
                ACK => {
                    under_way.remove(&n);
                    told.push(Told { n, address: reply.address, boots: reply.boots });
                }
                _ => {}
            }
        }
        // An ACK that has left the server counts, though nobody waited for it.
        while let Some(reply) = self.hear() {
            if reply.kind == ACK {
                told.push(Told { n: reply.xid, address: reply.address, boots: reply.boots });
            }
        }
        told
    }

    /// So many machines are switched on in turn, so many a second whatever the server does. Gives
    /// how many were, and how many of them had their address in time.
    pub(super) fn at_rate(&self, machines: u32, a_second: u32, lasting: Duration) -> (u32, u32) {
        self.forget();
        let (began, mut on, mut served) = (Instant::now(), 0, 0);
        let mut under_way: HashMap<u32, Instant> = HashMap::new();
        loop {
            let elapsed = began.elapsed();
            if elapsed > lasting + GIVEN_UP {
                return (on, served);
            }
            let due = (elapsed.min(lasting).as_secs_f64() * f64::from(a_second)) as u32;
            while on < due {
                let n = on % machines;
                under_way.insert(n, Instant::now());
                self.send(&question(n, DISCOVER, RELAY, &[]));
                on += 1;
            }
            let Some(reply) = self.hear() else { continue };
            let in_time = |since: &Instant| since.elapsed() < GIVEN_UP;
            match reply.kind {
                OFFER if under_way.contains_key(&reply.xid) => {
                    let chosen =
                        [&[54, 4], reply.identifier.as_slice(), &[50, 4], &reply.address.octets()].concat();
                    self.send(&question(reply.xid, REQUEST, RELAY, &chosen));
                }
                ACK => served += u32::from(under_way.remove(&reply.xid).as_ref().is_some_and(in_time)),
                _ => {}
            }
        }
    }

    /// One machine asks for an address once; returns the reply.
    pub(super) fn ask(&self, n: u32) -> Option<Told> {
        self.forget();
        self.send(&question(n, DISCOVER, RELAY, &[]));
        let offer = self.hear_for(n, OFFER).filter(|offer| offer.identifier == self.server.octets())?;
        let chosen = [&[54, 4], offer.identifier.as_slice(), &[50, 4], &offer.address.octets()].concat();
        self.send(&question(n, REQUEST, RELAY, &chosen));
        let reply = self.hear_for(n, ACK)?;
        Some(Told { n, address: reply.address, boots: reply.boots })
    }

    /// Each machine is switched on again and asks for the address that it was given. Gives those
    /// that do not get it.
    ///
    /// # Panics
    /// When two were given the same.
    pub(super) fn confirm(&self, told: &[Told]) -> Vec<Told> {
        let mut owners = HashMap::new();
        for Told { n, address, .. } in told {
            let other = owners.insert(*address, *n).filter(|other| other != n);
            assert_eq!(other, None, "{address} was given to machine {n} as well");
        }
        let mut open: HashMap<u32, Told> = told.iter().map(|told| (told.n, *told)).collect();
        for _ in 0..ATTEMPTS {
            // A few at a time: what the socket does not hold would be asked for again.
            let asked: Vec<Told> = open.values().copied().collect();
            for part in asked.chunks(AT_ONCE) {
                self.forget();
                for told in part {
                    let wanted = [&[50, 4], told.address.octets().as_slice()].concat();
                    self.send(&question(told.n, REQUEST, RELAY, &wanted));
                }
                let mut waiting: HashSet<u32> = part.iter().map(|told| told.n).collect();
                let mut silent = 0;
                while !waiting.is_empty() && silent < SILENCES {
                    let Some(reply) = self.hear() else {
                        silent += 1;
                        continue;
                    };
                    if waiting.remove(&reply.xid)
                        && reply.kind == ACK
                        && open.get(&reply.xid).is_some_and(|told| told.address == reply.address)
                    {
                        open.remove(&reply.xid);
                    }
                }
            }
            if open.is_empty() {
                break;
            }
        }
        open.into_values().collect()
    }

    fn hear_for(&self, n: u32, kind: u8) -> Option<Reply> {
        let deadline = Instant::now() + GIVEN_UP;
        while Instant::now() < deadline {
            if let Some(reply) = self.hear().filter(|reply| reply.xid == n && reply.kind == kind) {
                return Some(reply);
            }
        }
        None
    }

    /// The next answer; None after a moment of silence.
    fn hear(&self) -> Option<Reply> {
        let mut buf = [0; 2048];
        loop {
            match self.socket.recv(&mut buf) {
                Ok(length) => {
                    let reply = Reply::parse(&buf[..length])?;
                    assert_eq!(reply.mac, mac(reply.xid), "an answer is for who asked");
                    return Some(reply);
                }
                // Word that nobody was listening when something was sent.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(_) => return None,
            }
        }
    }

    /// Late answers to former questions.
    fn forget(&self) {
        self.socket.set_nonblocking(true).expect("a socket");
        let mut buf = [0; 2048];
        while self.socket.recv(&mut buf).is_ok() {}
        self.socket.set_nonblocking(false).expect("a socket");
    }

    /// Sends a packet. One that does not fit the socket is lost, as on any wire.
    fn send(&self, bytes: &[u8]) {
        let _ = self.socket.send_to(bytes, SocketAddrV4::new(self.server, PORT));
    }
}

const PORT: u16 = 67;
/// Machines that wait for an answer at a time.
const AT_ONCE: usize = 64;
const PATIENCE: Duration = Duration::from_millis(30);
/// A machine asks no more after this long.
const GIVEN_UP: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 3;
/// Moments of silence after which an answer is lost.
const SILENCES: usize = 30;
