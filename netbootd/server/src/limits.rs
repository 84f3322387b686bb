//! What a stranger may have of this server: how often it may ask, how many sessions it may hold, how much it may have sent somewhere.
//!
//! The numbers come with each question, out of the configuration in force, so that a changed one counts at once. Every table here is
//! bounded, whatever addresses the packets claim to come from. docs/limits.md says what each number is for.

pub mod bucket;
pub mod budget;
pub mod descriptors;
pub mod served;
pub mod session_limits;
pub mod six;

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use netbootd_config::Limits as Settings;
use netbootd_config::Rate;
use netbootd_dhcp::v4::{Arrival, Packet};
use pxe_policy::{MacAddr, Reason};
use tokio::sync::Semaphore;

use bucket::{Buckets, Nanos, Verdict};
use budget::Budget;
use served::Served;
use session_limits::SessionLimits;
use six::Six;

/// What is counted.
#[derive(Debug)]
pub struct Limits {
    start: Instant,
    machines: Buckets<(MacAddr, Ingress)>,
    ways: Buckets<Ingress>,
    new_machines: Buckets<Ingress>,
    holders: Buckets<MacAddr>,
    six: Six,
    told: Buckets<IpAddr>,
    read_requests: Buckets<IpAddr>,
    http_requests: Buckets<IpAddr>,
    junk: Buckets<u32>,
    unsent: Buckets<u32>,
    reports: Buckets<MacAddr>,
    syslog: Buckets<MacAddr>,
    syslog_of_all: Buckets<()>,
    /// Places for bodies of reports that are being read.
    pub report_bodies: Semaphore,
    /// The own addresses that clients are served on.
    pub served: Served,
    /// TFTP transfers.
    pub transfers: Arc<SessionLimits>,
    /// HTTP connections.
    pub connections: Arc<SessionLimits>,
    /// Bytes of TFTP windows that may be under way.
    pub in_flight: Arc<Budget>,
    /// Bytes of files that were translated to netascii.
    pub translated: Arc<Budget>,
    /// How many files the system allows to be open, where it says so.
    pub open_files: OnceLock<u64>,
}

/// Which way a DHCP packet came. Machines that come the same way share a bucket; whoever floods one way is nothing to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ingress {
    /// Through a relay with this address.
    Relay(Ipv4Addr),
    /// Through any relay that the configuration does not name: everybody can claim to be one.
    AnyRelay,
    /// From the link of the interface with this index.
    Link(u32),
    /// By unicast from elsewhere, to the interface with this index.
    Routed(u32),
}

/// Something is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limited {
    /// Why.
    pub reason: Reason,
    /// Whether that is worth a line; it is counted in any case.
    pub tell: bool,
}

impl Limits {
    /// Nothing is counted yet.
    pub fn new(start: Instant) -> Self {
        Limits {
            start,
            machines: Buckets::new(MACHINES),
            ways: Buckets::new(WAYS),
            new_machines: Buckets::new(WAYS),
            holders: Buckets::new(MACHINES),
            six: Six::new(),
            told: Buckets::new(ADDRESSES),
            read_requests: Buckets::new(ADDRESSES),
            http_requests: Buckets::new(ADDRESSES),
            junk: Buckets::new(WAYS),
            unsent: Buckets::new(WAYS),
            reports: Buckets::new(REPORTERS),
            syslog: Buckets::new(REPORTERS),
            syslog_of_all: Buckets::new(NonZeroUsize::MIN),
            report_bodies: Semaphore::new(REPORT_BODIES),
            served: Served::default(),
            transfers: Arc::default(),
            connections: Arc::default(),
            in_flight: Arc::default(),
            translated: Arc::default(),
            open_files: OnceLock::new(),
        }
    }

    /// Forgets addresses and machines that have not used up anything for a while. Machines that are
    /// known by the way they came stay. Returns how many were forgotten.
    pub fn sweep(&self, now: Instant) -> usize {
        let now = self.nanos(now);
        let addresses = [&self.told, &self.read_requests, &self.http_requests];
        let reporters = [&self.reports, &self.syslog];
        addresses.iter().map(|table| table.sweep(now)).sum::<usize>()
            + reporters.iter().map(|table| table.sweep(now)).sum::<usize>()
    }

    /// Whether a machine's report is taken.
    pub fn report(&self, mac: MacAddr, now: Instant) -> Verdict {
        self.reports.take(mac, REPORTS, 1, self.nanos(now))
    }

    /// Whether a machine's message of syslog is taken.
    pub fn syslog(&self, mac: MacAddr, now: Instant) -> Verdict {
        match self.syslog.take(mac, SYSLOG, 1, self.nanos(now)) {
            Verdict::Admitted => self.syslog_of_all.take((), SYSLOG_OF_ALL, 1, self.nanos(now)),
            refused => refused,
        }
    }

    /// Whether a machine's DHCP packet is looked at. A machine that came this way before is known, and is not held back by those that did
    /// not; neither is one that holds a lease, which renews it however much else comes that way.
    pub fn dhcp(
        &self,
        settings: &Settings,
        mac: MacAddr,
        way: Ingress,
        holds_lease: impl Fn() -> bool,
        now: Instant,
    ) -> Result<(), Limited> {
        self.asks(settings, mac, way, &holds_lease, now).or_else(|limited| {
            let renews =
                holds_lease() && self.holders.take(mac, RENEWALS, 1, self.nanos(now)) == Verdict::Admitted;
            if renews { Ok(()) } else { Err(limited) }
        })
    }

    fn asks(
        &self,
        settings: &Settings,
        mac: MacAddr,
        way: Ingress,
        holds_lease: impl Fn() -> bool,
        now: Instant,
    ) -> Result<(), Limited> {
        let (key, now) = ((mac, way), self.nanos(now));
        let known = match self.machines.take_known(&key, settings.machine_packets, now) {
            Some(verdict) => verdict,
            None => {
                if !holds_lease() {
                    self.new_machine(settings, way, now)?;
                }
                self.machines.take(key, settings.machine_packets, 1, now)
            }
        };
        held_to(known, Reason::MachineTooOften)?;
        held_to(self.ways.take(way, settings.way_packets, 1, now), Reason::SourceTooOften)
    }

    fn new_machine(&self, settings: &Settings, way: Ingress, now: Nanos) -> Result<(), Limited> {
        let (rate, reason) = (settings.new_machines, Reason::TooManyNewMachines);
        held_to(self.new_machines.take(way, rate, 1, now), reason)?;
        if matches!(way, Ingress::Relay(_)) && settings.relays.is_empty() {
            held_to(self.new_machines.take(Ingress::AnyRelay, rate.times(UNNAMED_RELAYS), 1, now), reason)?;
        }
        Ok(())
    }

    /// Whether a DHCP reply of so many bytes may go to an address that a packet only claims to come from.
    pub fn reply(&self, settings: &Settings, to: IpAddr, bytes: usize, now: Instant) -> Result<(), Limited> {
        let cost = u32::try_from(bytes).unwrap_or(u32::MAX);
        held_to(self.told.take(to, settings.reply_bytes, cost, self.nanos(now)), Reason::AddressTooOften)
    }

    /// Whether a datagram to the TFTP port is answered.
    pub fn read_request(&self, settings: &Settings, client: IpAddr, now: Instant) -> Verdict {
        self.read_requests.take(client, settings.read_requests, 1, self.nanos(now))
    }

    /// Whether an HTTP request is answered with what it asks for.
    pub fn http_request(&self, settings: &Settings, client: IpAddr, now: Instant) -> Verdict {
        self.http_requests.take(client, settings.http_requests, 1, self.nanos(now))
    }

    /// A packet that the lists do not allow.
    pub fn not_allowed(&self, way: Ingress, now: Instant) -> Limited {
        let tell = self.ways.take(way, NEVER, 1, self.nanos(now)) == Verdict::Refused { tell: true };
        Limited { reason: Reason::NotAllowed, tell }
    }

    /// A client of files that the lists do not allow.
    pub fn client_not_allowed(&self, client: IpAddr, now: Instant) -> Verdict {
        self.read_requests.take(client, NEVER, 1, self.nanos(now))
    }

    /// Whether bytes that are no packet are worth an event of their own.
    pub fn tells_of_junk(&self, iface: u32, now: Instant) -> bool {
        self.junk.take(iface, JUNK, 1, self.nanos(now)) == Verdict::Admitted
    }

    /// Whether a reply that did not leave is worth an event of its own.
    pub fn tells_of_unsent(&self, iface: u32, now: Instant) -> bool {
        self.unsent.take(iface, JUNK, 1, self.nanos(now)) == Verdict::Admitted
    }

    /// How many entries each table has, by what it is about.
    pub fn remembered(&self) -> [(&'static str, usize); 6] {
        [
            ("machines", self.machines.len()),
            ("ways", self.ways.len().max(self.new_machines.len()).max(self.six.ways())),
            ("dhcpv6-machines", self.six.machines()),
            ("addresses-told", self.told.len()),
            ("tftp-clients", self.read_requests.len()),
            ("http-clients", self.http_requests.len()),
        ]
    }

    fn nanos(&self, now: Instant) -> Nanos {
        Nanos::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(Nanos::MAX)
    }
}

impl Ingress {
    /// Which way a packet came.
    pub fn of(packet: &Packet, arrival: &Arrival<'_>) -> Self {
        let (iface, from) = (arrival.iface, *arrival.from.ip());
        match packet.relay() {
            Some(relay) => Ingress::Relay(relay),
            None if from.is_unspecified() || iface.addrs.iter().any(|net| net.contains(&from)) => {
                Ingress::Link(iface.index)
            }
            None => Ingress::Routed(iface.index),
        }
    }
}

/// Whether the configuration lets a packet's sender be answered, by its relay or by the network it is in.
pub fn allows(settings: &Settings, packet: &Packet, arrival: &Arrival<'_>) -> bool {
    match packet.relay() {
        Some(relay) => {
            (settings.relays.is_empty() || settings.relays.contains(&relay))
                && settings.allows_client(relay.into())
        }
        // A machine that has no address yet is in one of the interface's own networks.
        None if arrival.from.ip().is_unspecified() => {
            arrival.iface.addrs.iter().any(|net| settings.allows_client(net.addr().into()))
        }
        None => settings.allows_client((*arrival.from.ip()).into()),
    }
}

fn held_to(verdict: Verdict, reason: Reason) -> Result<(), Limited> {
    match verdict {
        Verdict::Admitted => Ok(()),
        Verdict::Refused { tell } => Err(Limited { reason, tell }),
    }
}

/// All relays that are not named share as much as so many that are. With twice what one brings at once, they cannot push out every
/// machine that is known.
const UNNAMED_RELAYS: u32 = 2;
/// A lease is renewed by one packet, and by a few when none is answered.
const RENEWALS: Rate = Rate { at_once: 8, per_second: 1 };
/// Only to know whether it was told lately.
const NEVER: Rate = Rate { at_once: 0, per_second: 1 };
/// Events about bytes that are no packet, or about replies that did not leave, of one interface.
const JUNK: Rate = Rate { at_once: 20, per_second: 1 };
/// A script reports its beginning and each failed step; an installer a few of its stages.
const REPORTS: Rate = Rate { at_once: 30, per_second: 1 };
/// A kernel that starts is loud for a while.
const SYSLOG: Rate = Rate { at_once: 60, per_second: 2 };
/// Of all machines: a building that switches on is not to wait for its log.
const SYSLOG_OF_ALL: Rate = Rate { at_once: 2000, per_second: 500 };
/// Machines that report at a time; the bucket of another one is full.
const REPORTERS: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");
/// Of 64 KiB each.
const REPORT_BODIES: usize = 32;
/// Machines by the way they come: some 6 MB at most, and as much for IPv6.
const MACHINES: NonZeroUsize = NonZeroUsize::new(65_536).expect("not zero");
const WAYS: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");
/// Addresses that ask for files, or are told something: about 1.5 MB a table at most.
const ADDRESSES: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");

#[cfg(test)]
mod amplification;
#[cfg(test)]
mod tests;
