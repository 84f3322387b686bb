//! Statistics of other machines, for comparison: which ones share a GUID or went on from a file,
//! how fast files come, how long steps take.
//!
//! Bounded, whatever the packets claim.

mod guids;

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lru::LruCache;
use pxe_policy::{MacAddr, SystemUuid};

use crate::boot::{Running, Transport};
use crate::machine::Machine;
use crate::server::{Outages, ServerPart, ServerTrouble};
use crate::step::{Decided, Negotiated, Proto, Step, TransferOutcome};

/// Statistics of the site's other machines.
#[derive(Debug)]
pub struct Fleet {
    guids: LruCache<SystemUuid, Vec<Holder>>,
    files: LruCache<Arc<str>, FileFate>,
    segments: LruCache<Segment, SegmentFacts>,
    rates: LruCache<Transport, Vec<(MacAddr, f64)>>,
    second_stage: Vec<Duration>,
    /// Requests for files from addresses that no machine is known by, the last [`MAX_UNKNOWN`].
    unknown: VecDeque<(SystemTime, IpAddr, Arc<str>)>,
    /// The trouble of this server itself.
    pub(crate) outages: Outages,
}

/// A hardware address that a GUID came with.
#[derive(Debug, Clone, Copy)]
struct Holder {
    mac: MacAddr,
    seen: SystemTime,
    /// Whether it fetched a file: of the network cards of one machine, one does.
    boots: bool,
}

/// Machines that share a broadcast domain, as far as a server can see: those of an interface, or
/// behind a relay.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Segment {
    Iface(String),
    Relay(IpAddr),
}

/// The machines that fetched a file, by their further course, at most [`MAX_MACHINES`] of either
/// kind.
#[derive(Debug, Default)]
struct FileFate {
    went_on: Vec<MacAddr>,
    /// The next request of the last of them.
    next: Option<Arc<str>>,
    system_spoke: Vec<MacAddr>,
    /// Machines whose systems asked for no address, and were not started again for long.
    system_silent: Vec<MacAddr>,
}

/// The requests after a file.
#[derive(Debug, Clone)]
pub(crate) struct Next {
    /// The path that was asked for last.
    pub(crate) path: Arc<str>,
    /// How many other machines went on.
    pub(crate) others: usize,
    /// Whether this machine did before.
    pub(crate) before: bool,
}

/// Statistics of a segment.
#[derive(Debug, Default)]
struct SegmentFacts {
    /// DHCP servers, with the machines that took a lease from each.
    servers: Vec<(Ipv4Addr, Vec<MacAddr>)>,
    /// Machines that asked port 4011.
    asked_boot_server: Vec<MacAddr>,
}

impl Segment {
    pub(crate) fn from_decided(decided: &Decided) -> Self {
        match decided.relay {
            Some(relay) => Segment::Relay(relay),
            None => Segment::Iface(decided.iface.clone()),
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Segment::Iface(name) => write!(f, "by the interface {name}"),
            Segment::Relay(relay) => write!(f, "through the relay {relay}"),
        }
    }
}

impl Fleet {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Fleet {
            guids: LruCache::new(MAX_GUIDS),
            files: LruCache::new(MAX_FILES),
            segments: LruCache::new(MAX_SEGMENTS),
            rates: LruCache::new(MAX_WAYS),
            second_stage: Vec::new(),
            unknown: VecDeque::new(),
            outages: Outages::default(),
        }
    }

    /// Notes a request for a file from an address that no machine is known by.
    pub fn note_unknown(&mut self, at: SystemTime, from: IpAddr, path: &str) {
        if self.unknown.len() >= MAX_UNKNOWN {
            self.unknown.pop_front();
        }
        self.unknown.push_back((at, from, path.into()));
    }

    /// Notes that a part of this server does not work.
    pub fn server_fails(&mut self, at: SystemTime, part: ServerPart, trouble: ServerTrouble) {
        self.outages.fails(at, part, trouble);
    }

    /// Notes that a part of this server works.
    pub fn server_works(&mut self, at: SystemTime, part: ServerPart) {
        self.outages.works(at, part);
    }

    /// Learns from one step of a machine, before [`Machine::observe`] does.
    pub fn observe(&mut self, mac: MacAddr, at: SystemTime, step: Step<'_>, machine: &Machine) {
        if let Step::FileRefused(refused) = step
            && machine.doubts(at, refused)
        {
            return;
        }
        self.learn_fate(mac, at, step, machine);
        match step {
            Step::TransferFinished(finished)
                if finished.outcome == TransferOutcome::Completed && finished.proved =>
            {
                self.learn_server(mac, machine);
                self.learn_boots(mac, machine);
                if finished.bytes >= LARGE && !finished.partial {
                    let running = machine.boot().and_then(|boot| boot.running(finished.id));
                    let way = running.map_or_else(|| (finished.proto, Negotiated::default()), Running::way);
                    let took = running.map_or(finished.elapsed, |running| running.took(finished));
                    self.learn_rate(mac, way, finished.bytes as f64 / took.as_secs_f64().max(0.001));
                }
            }
            Step::Decided(decided) => {
                if let Some(uuid) = decided.uuid {
                    self.learn_guid(uuid, mac, at);
                }
                self.learn_silence(mac, at, decided, machine);
                if decided.proto == Proto::Pxe {
                    // Its question comes by unicast: the segment is that of its DISCOVER.
                    let asked = machine.boot().and_then(|boot| boot.offer.as_ref());
                    let place = asked
                        .map(|(_, offer)| Segment::from_decided(offer))
                        .unwrap_or_else(|| Segment::from_decided(decided));
                    let segment = self.segments.get_or_insert_mut(place, SegmentFacts::default);
                    add(&mut segment.asked_boot_server, mac);
                }
            }
            _ => {}
        }
    }

    /// A system with a fixed address says nothing here, and is healthy: its machine starts again
    /// much later.
    fn learn_silence(&mut self, mac: MacAddr, at: SystemTime, decided: &Decided, machine: &Machine) {
        let Some(boot) = machine.boot().filter(|boot| boot.system.is_none()) else { return };
        let Some(file) = boot.last_file().filter(|file| file.at == boot.last) else { return };
        let ran = at.duration_since(boot.last).is_ok_and(|time| time >= RAN);
        if decided.class.is_some() && file.kind.rank() >= 5 && ran {
            let fate = self.files.get_or_insert_mut(Arc::clone(&file.path), FileFate::default);
            add(&mut fate.system_silent, mac);
        }
    }

    /// A lease counts once its machine fetched a file with it: packets alone could name any server
    /// in any machine's name.
    fn learn_server(&mut self, mac: MacAddr, machine: &Machine) {
        let Some(boot) = machine.boot() else { return };
        if let (Some((_, taken)), Some((_, offer))) = (boot.taken, &boot.offer) {
            let segment =
                self.segments.get_or_insert_mut(Segment::from_decided(offer), SegmentFacts::default);
            segment.took(mac, taken.server);
        }
    }

    /// Each machine has one rate a way, its last.
    fn learn_rate(&mut self, mac: MacAddr, way: Transport, rate: f64) {
        let rates = self.rates.get_or_insert_mut(way, Vec::new);
        rates.retain(|(known, _)| *known != mac);
        if rates.len() >= MAX_RATES {
            rates.remove(0);
        }
        rates.push((mac, rate));
    }

    /// A machine that asks for anything after a whole program went on from it.
    fn learn_fate(&mut self, mac: MacAddr, at: SystemTime, step: Step<'_>, machine: &Machine) {
        let Some(boot) = machine.boot() else { return };
        let Some(file) = boot.last_file() else { return };
        let asks = matches!(step, Step::TransferStarted(_) | Step::FileRefused(_))
            || matches!(step, Step::Decided(decided) if decided.class == Some(pxe_policy::Class::Ipxe));
        let speaks =
            matches!(step, Step::Decided(decided) if decided.class.is_none() && decided.taken.is_none());
        if asks {
            let fate = self.files.get_or_insert_mut(Arc::clone(&file.path), FileFate::default);
            add(&mut fate.went_on, mac);
            if let Step::TransferStarted(started) = step
                && started.path != file.path
            {
                fate.next = Some(Arc::clone(&started.path));
            }
            if file.kind.is_program()
                && let Ok(took) = at.duration_since(file.at)
                && boot.last == file.at
                && took < Duration::from_secs(120)
            {
                if self.second_stage.len() >= MAX_RATES {
                    self.second_stage.remove(0);
                }
                self.second_stage.push(took);
            }
        }
        if speaks && file.kind.rank() >= 5 {
            let fate = self.files.get_or_insert_mut(Arc::clone(&file.path), FileFate::default);
            add(&mut fate.system_spoke, mac);
        }
    }

    /// How much it remembers of each kind.
    #[cfg(test)]
    pub(crate) fn sizes(&self) -> [usize; 6] {
        let Fleet { guids, files, segments, rates, second_stage, unknown, .. } = self;
        [guids.len(), files.len(), segments.len(), rates.len(), second_stage.len(), unknown.len()]
    }

    /// An address that no machine is known by, which asked for a boot file right after it was
    /// named.
    pub(crate) fn asked_in_vain(&self, file: &str, named: SystemTime) -> Option<(SystemTime, IpAddr)> {
        let plain = |path: &str| path.replace('\\', "/").trim_start_matches('/').to_ascii_lowercase();
        let file = match file.split_once("://") {
            Some((_, rest)) => plain(rest.split_once('/').map_or("", |(_, path)| path)),
            None => plain(file),
        };
        let soon = |at: SystemTime| at.duration_since(named).is_ok_and(|after| after <= ASKS_WITHIN);
        let mut unknown = self.unknown.iter().rev();
        unknown.find(|(at, _, path)| soon(*at) && plain(path) == file).map(|(at, from, _)| (*at, *from))
    }

    /// Whether a machine's system asked for no address after this file before, and ran.
    pub(crate) fn runs_silently(&self, path: &str, mac: MacAddr) -> bool {
        self.files.peek(path).is_some_and(|fate| fate.system_silent.contains(&mac))
    }

    /// How many other machines asked for something after this program.
    pub(crate) fn went_on_from(&self, path: &str, mac: MacAddr) -> usize {
        self.files.peek(path).map_or(0, |fate| fate.went_on.iter().filter(|known| **known != mac).count())
    }

    /// Whether this machine itself asked for something after this program before.
    pub(crate) fn goes_on_itself(&self, path: &str, mac: MacAddr) -> bool {
        self.files.peek(path).is_some_and(|fate| fate.went_on.contains(&mac))
    }

    /// The usual request after this file.
    pub(crate) fn next_after(&self, path: &str, mac: MacAddr) -> Option<Next> {
        let fate = self.files.peek(path)?;
        Some(Next {
            path: Arc::clone(fate.next.as_ref()?),
            others: fate.went_on.iter().filter(|known| **known != mac).count(),
            before: fate.went_on.contains(&mac),
        })
    }

    /// Whether systems that start from this file ask for an address where this server hears it.
    pub(crate) fn system_speaks_after(&self, path: &str) -> bool {
        self.files.peek(path).is_some_and(|fate| !fate.system_spoke.is_empty())
    }

    /// The server that most machines of a segment take their lease from, with how many do, when it
    /// is not this one.
    pub(crate) fn usual_server(&self, segment: &Segment, other_than: Ipv4Addr) -> Option<(Ipv4Addr, usize)> {
        let servers = &self.segments.peek(segment)?.servers;
        let (server, machines) = servers.iter().max_by_key(|(_, machines)| machines.len())?;
        (*server != other_than && machines.len() >= ENOUGH).then_some((*server, machines.len()))
    }

    /// How many other machines of a segment asked port 4011.
    pub(crate) fn asks_boot_server(&self, segment: &Segment, mac: MacAddr) -> usize {
        let asked = self.segments.peek(segment).map(|facts| facts.asked_boot_server.as_slice());
        asked.unwrap_or_default().iter().filter(|known| **known != mac).count()
    }

    /// The median rate of other machines' large files that came the same way, in bytes a second.
    pub(crate) fn rate(&self, mac: MacAddr, way: &Transport) -> Option<f64> {
        let others = self.rates.peek(way)?.iter().filter(|(known, _)| *known != mac);
        let mut rates: Vec<f64> = others.map(|(_, rate)| *rate).collect();
        if rates.len() < ENOUGH {
            return None;
        }
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied()
    }

    /// The median time from a whole boot program to the next request.
    pub(crate) fn usual_second_stage(&self) -> Option<Duration> {
        let mut times = self.second_stage.clone();
        times.sort_unstable();
        (times.len() >= ENOUGH).then(|| times.get(times.len() / 2).copied()).flatten()
    }
}

impl Default for Fleet {
    fn default() -> Self {
        Fleet::new()
    }
}

impl SegmentFacts {
    fn took(&mut self, mac: MacAddr, server: Ipv4Addr) {
        for (_, machines) in &mut self.servers {
            machines.retain(|known| *known != mac);
        }
        if let Some((_, machines)) = self.servers.iter_mut().find(|(known, _)| *known == server) {
            add(machines, mac);
        } else if self.servers.len() < MAX_SERVERS {
            self.servers.push((server, vec![mac]));
        }
    }
}

fn add(machines: &mut Vec<MacAddr>, mac: MacAddr) {
    if !machines.contains(&mac) && machines.len() < MAX_MACHINES {
        machines.push(mac);
    }
}

fn lately(seen: SystemTime, now: SystemTime) -> bool {
    now.duration_since(seen).is_ok_and(|ago| ago < A_DAY)
}

/// A system that runs for so long did start.
const RAN: Duration = Duration::from_secs(30 * 60);
/// Firmware asks for its boot file within this time.
const ASKS_WITHIN: Duration = Duration::from_secs(30);
const MAX_UNKNOWN: usize = 64;
const A_DAY: Duration = Duration::from_secs(86_400);
/// Transfers that say something of the rate, in bytes.
pub(crate) const LARGE: u64 = 4_000_000;
/// Fewer machines than this say nothing of what is usual.
const ENOUGH: usize = 3;
const MAX_RATES: usize = 101;
/// Firmware and boot programs negotiate a few different ones.
const MAX_WAYS: NonZeroUsize = NonZeroUsize::new(32).expect("not zero");
const MAX_MACHINES: usize = 16;
const MAX_SERVERS: usize = 8;
/// Network cards that one machine may have.
const MAX_CARDS: usize = 4;
/// Machines that a site has; made-up ones push out those not seen for longest.
const MAX_GUIDS: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");
const MAX_FILES: NonZeroUsize = NonZeroUsize::new(512).expect("not zero");
const MAX_SEGMENTS: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");
