//! One boot of one machine, built step by step: what was asked and answered, which files it has,
//! and how far it came.
//!
//! Everything in it is bounded: a client that asks for a million names leaves the first ones, the
//! last ones, and a count.

mod files;
mod scripts;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::SystemTime;

use pxe_policy::{ArchType, Class, SystemUuid};

use crate::configuration::Configuration;
use crate::file::FileKind;
use crate::fleet::Segment;
use crate::report::{Facts, Report};
use crate::step::{
    Decided, LeaseTaken, MacAnswered, Negotiated, OtherReply, OtherServer, Program, Proto, TlsFailed,
    TransferFinished, TransferId, TransferOutcome,
};

pub(crate) use files::Broken;
pub use files::{Fetched, Missed, Probed, Running, Substituted, Transport};

/// How far a boot came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It asked for an address.
    Address,
    /// It was offered a boot.
    Offer,
    /// It has the name of its boot file.
    BootServer,
    /// It has its boot program, or is fetching it.
    BootProgram,
    /// The boot program runs, and asked for something.
    SecondStage,
    /// It has a configuration.
    Configuration,
    /// It has a kernel or a Windows PE image.
    Kernel,
    /// The system speaks for itself.
    System,
}

/// One boot of one machine.
#[derive(Debug, Clone)]
pub struct Boot {
    /// When its first step came.
    pub started: SystemTime,
    /// When its last step came.
    pub last: SystemTime,
    /// Option 97, as it last said it.
    pub uuid: Option<SystemUuid>,
    /// Option 93, as it last said it.
    pub arch: Option<ArchType>,
    /// The class of its firmware.
    pub class: Option<Class>,
    /// DISCOVERs of its firmware and, in it, of its boot program.
    pub asked: u32,
    /// The last answer to a DISCOVER, and when.
    pub offer: Option<(SystemTime, Arc<Decided>)>,
    /// The last answer that named the boot file: on port 4011, or an ACK.
    pub named: Option<(SystemTime, Arc<Decided>)>,
    /// The last answer to a Mac.
    pub mac: Option<(SystemTime, Arc<MacAnswered>)>,
    /// The lease that it took from another server.
    pub taken: Option<(SystemTime, LeaseTaken)>,
    /// When it took an IPv6 address from another server.
    pub(crate) taken6: Option<SystemTime>,
    /// NAKs since its last lease.
    pub naks: u32,
    /// NAKs of other servers, and the last of them.
    pub other_naks: Option<(SystemTime, Ipv4Addr, u32)>,
    /// Addresses that it declined, because another host answers ARP for them.
    pub declined: u32,
    /// Where its firmware asks, at most [`MAX_SEGMENTS`]: routers that stand in for each other may
    /// forward the same packet.
    pub(crate) segments: Vec<Segment>,
    /// The segment that its boot program asks from, where its firmware did not.
    pub(crate) moved: Option<(SystemTime, Segment)>,
    /// Other servers' offers to it, at most [`MAX_OTHERS`].
    pub others: Vec<(SystemTime, OtherServer)>,
    /// The files that it has, at most [`MAX_FETCHED`]; the first ones and the last ones.
    pub fetched: Vec<Fetched>,
    /// Files that it asked for and did not get, at most [`MAX_MISSED`]; the last ones.
    pub missed: Vec<Missed>,
    /// How many files it has in all.
    pub completed: u32,
    /// The transfers under way, at most [`MAX_RUNNING`].
    pub running: Vec<Running>,
    /// Requests that nobody acknowledged, of a machine whose other ones were: somebody else may
    /// have asked in its name. At most [`MAX_RUNNING`].
    pub(crate) unproved: Vec<Running>,
    /// Its last step that nobody else can send in its name by one forged read request.
    pub(crate) proved: SystemTime,
    /// The last transfer that did not end well, while the file is not there yet.
    pub broken: Option<Broken>,
    /// The last request for a file's size alone.
    pub probed: Option<Probed>,
    /// The last TLS handshake that failed, and when.
    pub(crate) tls_failed: Option<(SystemTime, TlsFailed)>,
    /// The last request that another file was served for.
    pub substituted: Option<Substituted>,
    /// When iPXE first spoke for itself after a boot program.
    pub ipxe: Option<SystemTime>,
    /// When the started system first asked for an address.
    pub system: Option<SystemTime>,
    /// Its last configurations, by their paths; at most [`MAX_CONFIGURATIONS`].
    pub(crate) configurations: Vec<(Arc<str>, Arc<Configuration>)>,
    /// The machine's own facts.
    pub facts: Facts,
    /// The last step that it reports as failed, and when.
    pub failed: Option<(SystemTime, Arc<Report>)>,
    /// The last error that it sent by syslog, and when.
    pub complaint: Option<(SystemTime, String)>,
}

impl Boot {
    /// A boot that begins now.
    pub fn new(at: SystemTime) -> Self {
        Boot {
            started: at,
            last: at,
            uuid: None,
            arch: None,
            class: None,
            asked: 0,
            offer: None,
            named: None,
            mac: None,
            taken: None,
            taken6: None,
            naks: 0,
            other_naks: None,
            declined: 0,
            segments: Vec::new(),
            moved: None,
            others: Vec::new(),
            fetched: Vec::new(),
            missed: Vec::new(),
            completed: 0,
            running: Vec::new(),
            unproved: Vec::new(),
            proved: at,
            broken: None,
            probed: None,
            substituted: None,
            tls_failed: None,
            ipxe: None,
            system: None,
            configurations: Vec::new(),
            facts: Facts::default(),
            failed: None,
            complaint: None,
        }
    }

    /// How far it came.
    pub fn phase(&self) -> Phase {
        let best = self.fetched.iter().map(|file| file.kind.rank()).max();
        if self.system.is_some() {
            return Phase::System;
        }
        match best {
            Some(7..) => Phase::System,
            Some(5..) => Phase::Kernel,
            Some(3..) => Phase::Configuration,
            Some(_) if self.went_on() => Phase::SecondStage,
            Some(_) => Phase::BootProgram,
            None if !self.running.is_empty() || !self.missed.is_empty() || self.broken.is_some() => {
                Phase::BootProgram
            }
            None if self.named.is_some() => Phase::BootServer,
            None if self.offer.as_ref().is_some_and(|(_, decided)| decided.decision.is_reply()) => {
                Phase::Offer
            }
            None => Phase::Address,
        }
    }

    /// Whether anything was asked for by file.
    pub fn has_files(&self) -> bool {
        self.completed > 0 || !self.missed.is_empty() || !self.running.is_empty() || self.broken.is_some()
    }

    /// The last program that it has whole.
    pub fn program(&self) -> Option<&Fetched> {
        self.fetched.iter().rev().find(|file| file.kind.is_program())
    }

    /// Whether anything came after its last program was complete.
    pub fn went_on(&self) -> bool {
        self.program().is_some_and(|program| self.last > program.at)
    }

    /// The last file that it has.
    pub fn last_file(&self) -> Option<&Fetched> {
        self.fetched.last()
    }

    /// Whether it has a kernel, a Windows PE image, or is further: what is missed then is the
    /// system's.
    pub fn is_through(&self) -> bool {
        self.phase() >= Phase::Kernel
    }

    /// Whether its DHCP packets come through a relay.
    pub fn relay(&self) -> Option<std::net::IpAddr> {
        self.offer.as_ref().and_then(|(_, decided)| decided.relay)
    }

    /// Whether it acknowledged any file: nobody else can in its name.
    pub fn has_proved_files(&self) -> bool {
        self.completed > 0
    }

    /// Whether a file came by TFTP: the ports are open then.
    pub fn has_tftp(&self) -> bool {
        self.fetched.iter().any(|file| file.way.0 == Proto::Tftp)
    }

    pub(crate) fn add_other(&mut self, at: SystemTime, other: &OtherServer) {
        if other.reply == OtherReply::Nak {
            let before = self.other_naks.map_or(0, |(_, _, times)| times);
            self.other_naks = Some((at, other.server, before.saturating_add(1)));
        }
        let known = |(_, known): &&mut (SystemTime, OtherServer)| {
            known.server == other.server && known.reply == other.reply && known.boots() == other.boots()
        };
        if let Some(known) = self.others.iter_mut().find(known) {
            *known = (at, other.clone());
        } else if self.others.len() < MAX_OTHERS {
            self.others.push((at, other.clone()));
        }
    }

    pub(crate) fn add_fetched(&mut self, file: Fetched) {
        self.completed = self.completed.saturating_add(1);
        self.missed.retain(|missed| *missed.path != *file.path);
        if self.broken.as_ref().is_some_and(|broken| broken.finished.path == file.path) {
            self.broken = None;
        }
        if self.fetched.len() >= MAX_FETCHED {
            self.fetched.remove(FIRST_FETCHED);
        }
        self.fetched.push(file);
    }

    pub(crate) fn add_missed(&mut self, missed: Missed) {
        if self.missed.len() >= MAX_MISSED {
            // Searches are long: what a boot cannot do without stays.
            let place = self.missed.iter().position(|missed| missed.kind.is_optional(&missed.path));
            self.missed.remove(place.unwrap_or(0));
        }
        self.missed.push(missed);
    }

    /// Forgets the last request for a file that was refused: the machine did not send it.
    pub(crate) fn take_back(&mut self, path: &str) {
        let Some(place) = self.missed.iter().rposition(|missed| missed.path == path) else { return };
        let missed = self.missed.remove(place);
        if self.last == missed.at {
            self.last = missed.before;
        }
    }

    pub(crate) fn running(&self, id: TransferId) -> Option<&Running> {
        self.running.iter().find(|running| running.id == id)
    }

    /// Whether the client has the file of a transfer by another one since, or is fetching it by a
    /// later one: firmware repeats a request
    /// whose answer was slow, and leaves the first one alone.
    pub(crate) fn has_newer(&self, transfer: &Running) -> bool {
        self.fetched.iter().any(|file| file.path == transfer.path && file.at >= transfer.since)
            || self
                .running
                .iter()
                .any(|other| other.path == transfer.path && other.id.0 > transfer.id.0 && other.bytes.0 > 0)
    }

    pub(crate) fn ended(&mut self, at: SystemTime, finished: &TransferFinished) {
        let place = self.running.iter().position(|running| running.id == finished.id);
        let running = place.map(|place| self.running.remove(place));
        let program =
            running.as_ref().and_then(|running| running.program.clone()).or(finished.program.clone());
        let superseded = running.as_ref().is_some_and(|running| self.has_newer(running));
        match finished.outcome {
            TransferOutcome::Completed => self.add_fetched(Fetched {
                at,
                path: Arc::clone(&finished.path),
                kind: kind_of(&finished.path, program.as_ref()),
                bytes: finished.bytes,
                elapsed: running.as_ref().map_or(finished.elapsed, |running| running.took(finished)),
                program,
                blocks: (finished.blocks, finished.resends),
                way: running.as_ref().map_or_else(|| (finished.proto, Negotiated::default()), Running::way),
            }),
            TransferOutcome::Probed => {
                self.probed =
                    Some(Probed { at, path: Arc::clone(&finished.path), proto: finished.proto, program });
            }
            TransferOutcome::Stopped => {}
            _ if superseded => {}
            _ => {
                let asked = running.as_ref().map(|running| running.since);
                let stalled = running.as_ref().and_then(|running| running.stalled.as_ref());
                let small_mtu = stalled.and_then(|stalled| stalled.small_mtu.clone());
                self.broken = Some(Broken {
                    since: asked.or_else(|| at.checked_sub(finished.elapsed)).unwrap_or(at),
                    at,
                    finished: finished.clone(),
                    block_size: running.as_ref().and_then(|running| running.block_size),
                    negotiated: running.map(|running| running.negotiated).unwrap_or_default(),
                    program,
                    small_mtu,
                });
            }
        }
    }
}

/// A name without a telling ending may be a program's all the same.
pub(crate) fn kind_of(path: &str, program: Option<&Program>) -> FileKind {
    match FileKind::from_path(path) {
        FileKind::Other if program.is_some_and(|program| program.is_pe) => FileKind::Program,
        kind => kind,
    }
}

/// Servers that one boot is compared with.
const MAX_OTHERS: usize = 6;
/// Two routers that stand in for each other, twice.
pub(crate) const MAX_SEGMENTS: usize = 4;
/// A boot with drivers and modules has more; the first and the last ones tell what it is.
const MAX_FETCHED: usize = 32;
/// Files at the beginning that stay.
const FIRST_FETCHED: usize = 8;
const MAX_MISSED: usize = 16;
/// Firmware and boot programs fetch one at a time; HTTP clients a few.
pub(crate) const MAX_RUNNING: usize = 8;
