//! The limits on a stranger: how often it may ask, how many sessions it may hold, how many bytes it
//! may have sent elsewhere.
//!
//! The numbers come with each question, out of the configuration in force, so that a changed one
//! counts at once. Every table here is bounded, whatever addresses the packets claim to come from.
//! docs/limits.md says what each number is for.

pub mod admission;
pub mod bucket;
pub mod budget;
pub mod descriptors;
pub mod ingress;
pub mod served;
pub mod session_limits;

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use netbootd_config::Limits as Settings;
use netbootd_config::Rate;
use netbootd_state::leases6::Client;
use pxe_policy::{MacAddr, Reason};
use tokio::sync::Semaphore;

use admission::{Admission, NEVER, Rates, WAYS, held_to};
use bucket::{Buckets, Nanos, RateVerdict};
use budget::Budget;
use served::Served;
use session_limits::SessionLimits;

pub use admission::Limited;
pub use ingress::{Ingress, allows};

/// The counters of all limits.
#[derive(Debug)]
pub struct Limits {
    start: Instant,
    dhcp: Admission<MacAddr, Ipv4Addr>,
    dhcp6: Admission<u64, Ipv6Addr>,
    /// Identifiers of DHCPv6 have up to 128 bytes. Nobody can make up two with one hash: its key is
    /// another in each run.
    hash: RandomState,
    told: Buckets<IpAddr>,
    read_requests: Buckets<IpAddr>,
    http_requests: Buckets<IpAddr>,
    malformed: Buckets<u32>,
    unsent: Buckets<u32>,
    reports: Buckets<MacAddr>,
    syslog: Buckets<MacAddr>,
    syslog_of_all: Buckets<()>,
    /// Places for bodies of reports that are being read.
    pub report_bodies: Semaphore,
    /// The own addresses that clients are served on.
    pub served: Served,
    /// Places for TFTP transfers.
    pub transfers: Arc<SessionLimits>,
    /// Places for HTTP connections.
    pub connections: Arc<SessionLimits>,
    /// Bytes of TFTP windows that may be under way.
    pub in_flight: Arc<Budget>,
    /// Bytes of files that were translated to netascii.
    pub translated: Arc<Budget>,
    /// How many files the system allows to be open, where it says so.
    pub open_files: OnceLock<u64>,
}

impl Limits {
    /// Nothing is counted yet.
    pub fn new(start: Instant) -> Self {
        Limits {
            start,
            dhcp: Admission::new(),
            dhcp6: Admission::new(),
            hash: RandomState::new(),
            told: Buckets::new(ADDRESSES),
            read_requests: Buckets::new(ADDRESSES),
            http_requests: Buckets::new(ADDRESSES),
            malformed: Buckets::new(WAYS),
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
    pub fn report(&self, mac: MacAddr, now: Instant) -> RateVerdict {
        self.reports.admit(mac, REPORTS, 1, self.nanos(now))
    }

    /// Whether a machine's message of syslog is taken.
    pub fn syslog(&self, mac: MacAddr, now: Instant) -> RateVerdict {
        match self.syslog.admit(mac, SYSLOG, 1, self.nanos(now)) {
            RateVerdict::Admitted => self.syslog_of_all.admit((), SYSLOG_OF_ALL, 1, self.nanos(now)),
            refused => refused,
        }
    }

    /// Whether a machine's DHCP packet is looked at. A machine that came this way before is known,
    /// and is not held back by those that did not; neither is one that holds a lease, which renews
    /// it however much else comes that way.
    pub fn dhcp(
        &self,
        settings: &Settings,
        mac: MacAddr,
        way: Ingress<Ipv4Addr>,
        holds_lease: impl Fn() -> bool,
        now: Instant,
    ) -> Result<(), Limited> {
        let rates = Rates::from_settings(settings, !settings.relays.is_empty());
        self.dhcp.admit(mac, way, rates, holds_lease, self.nanos(now))
    }

    /// The same for DHCPv6, which carries no hardware address: a machine is known by the key of its
    /// leases.
    pub fn dhcp6(
        &self,
        settings: &Settings,
        client: &Client,
        way: Ingress<Ipv6Addr>,
        holds_lease: impl Fn() -> bool,
        now: Instant,
    ) -> Result<(), Limited> {
        let (machine, rates) = (self.hash.hash_one(&client.0), Rates::from_settings(settings, false));
        self.dhcp6.admit(machine, way, rates, holds_lease, self.nanos(now))
    }

    /// Whether a DHCP reply of so many bytes may go to an address that a packet only claims to come
    /// from.
    pub fn reply(&self, settings: &Settings, to: IpAddr, bytes: usize, now: Instant) -> Result<(), Limited> {
        let cost = u32::try_from(bytes).unwrap_or(u32::MAX);
        held_to(self.told.admit(to, settings.reply_bytes, cost, self.nanos(now)), Reason::AddressTooOften)
    }

    /// Whether a datagram to the TFTP port is answered.
    pub fn read_request(&self, settings: &Settings, client: IpAddr, now: Instant) -> RateVerdict {
        self.read_requests.admit(client, settings.read_requests, 1, self.nanos(now))
    }

    /// Whether an HTTP request is answered with what it asks for.
    pub fn http_request(&self, settings: &Settings, client: IpAddr, now: Instant) -> RateVerdict {
        self.http_requests.admit(client, settings.http_requests, 1, self.nanos(now))
    }

    /// A packet that the lists do not allow.
    pub fn not_allowed(&self, way: Ingress<Ipv4Addr>, now: Instant) -> Limited {
        self.dhcp.not_allowed(way, self.nanos(now))
    }

    /// A client of files that the lists do not allow.
    pub fn client_not_allowed(&self, client: IpAddr, now: Instant) -> RateVerdict {
        self.read_requests.admit(client, NEVER, 1, self.nanos(now))
    }

    /// Whether bytes that are no packet are worth an event of their own.
    pub fn tells_of_junk(&self, iface: u32, now: Instant) -> bool {
        self.malformed.admit(iface, MALFORMED, 1, self.nanos(now)) == RateVerdict::Admitted
    }

    /// Whether a reply that did not leave is worth an event of its own.
    pub fn tells_of_unsent(&self, iface: u32, now: Instant) -> bool {
        self.unsent.admit(iface, MALFORMED, 1, self.nanos(now)) == RateVerdict::Admitted
    }

    /// How many entries each table has, by what it is about.
    pub fn remembered(&self) -> [(&'static str, usize); 6] {
        [
            ("machines", self.dhcp.machines()),
            ("ways", self.dhcp.ways().max(self.dhcp6.ways())),
            ("dhcpv6-machines", self.dhcp6.machines()),
            ("addresses-told", self.told.len()),
            ("tftp-clients", self.read_requests.len()),
            ("http-clients", self.http_requests.len()),
        ]
    }

    fn nanos(&self, now: Instant) -> Nanos {
        Nanos::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(Nanos::MAX)
    }
}

/// Events about bytes that are no packet, or about replies that did not leave, of one interface.
const MALFORMED: Rate = Rate { at_once: 20, per_second: 1 };
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
/// Addresses that ask for files, or get an ERROR: about 1.5 MB a table at most.
const ADDRESSES: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");

#[cfg(test)]
mod amplification;
#[cfg(test)]
mod tests;
