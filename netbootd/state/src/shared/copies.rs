//! This server's copies of the shared state: read whole at each connection, then kept current by
//! the servers' notices to one another.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use bsdp::{Binding, Bindings};
use netbootd_dhcp::Subnet;
use parking_lot::{Mutex, MutexGuard, RwLock};
use pxe_policy::{Assignments, Device, Ledger, LedgerChange, MacAddr, Table};

use super::decide::Ask;
use super::fact::{Fact, Given};
use crate::approvals::{self, Verdicts};
use crate::durable::LedgerKeep;
use crate::leases::{LeaseTable, Seconds};
use crate::ledger::now;
use crate::trust::{self, SeenMachines};

/// The copies of the database's tables in memory.
#[derive(Debug)]
pub struct Copies {
    /// Required deployments that were given.
    pub ledger: Arc<RwLock<Ledger>>,
    /// The leases of IPv4.
    pub leases: Arc<Mutex<LeaseTable>>,
    /// The images that Macs chose.
    pub bindings: Arc<Mutex<Bindings>>,
    /// Operators' decisions about machines.
    pub said: Arc<Mutex<Verdicts>>,
    /// Operators' assignments to machines.
    pub assignments: Arc<RwLock<Assignments>>,
    /// Sightings of machines and boot programs of each generation.
    pub seen: Arc<Mutex<SeenMachines>>,
    /// The devices, once they have been read.
    pub(super) devices: ArcSwapOption<Table>,
    /// So many seconds the database's clock is ahead of this host's.
    ahead: AtomicI64,
    subnets: Vec<Subnet>,
    own: Vec<Ipv4Addr>,
    place: u32,
    /// The time of the start, and what has passed since: nobody sets that anew, so that a lease is
    /// not confirmed for too long.
    started: (Seconds, Instant),
}

impl Copies {
    /// With nothing in them.
    pub(super) fn new(subnets: Vec<Subnet>, own: Vec<Ipv4Addr>, place: u32) -> Self {
        let leases = LeaseTable::new(subnets.clone(), own.clone(), [], now()).starting_at(place);
        Copies {
            ledger: Arc::default(),
            leases: Arc::new(Mutex::new(leases)),
            bindings: Arc::default(),
            said: Arc::default(),
            assignments: Arc::default(),
            seen: Arc::default(),
            devices: ArcSwapOption::empty(),
            ahead: AtomicI64::new(0),
            subnets,
            own,
            place,
            started: (now(), Instant::now()),
        }
    }

    /// This host's time, as leases go by it here.
    pub fn now(&self) -> Seconds {
        self.started.0 + self.started.1.elapsed().as_secs()
    }

    /// The bindings of all Macs.
    pub fn bindings(&self) -> Vec<Binding> {
        locked(&self.bindings).iter().cloned().collect()
    }

    /// Notes by how much the clocks differ.
    pub(super) fn set_clock(&self, database: Seconds) {
        let ahead = database.cast_signed().saturating_sub(self.now().cast_signed());
        self.ahead.store(ahead, Ordering::Relaxed);
    }

    /// A question with the times of its entries as the database's clock has them.
    pub(super) fn by_database(&self, ask: Ask) -> Ask {
        let ahead = self.ahead.load(Ordering::Relaxed);
        let moved = |change: LedgerChange| match change {
            LedgerChange::Amend(entry) => {
                let mut given = Given::from(entry);
                given.move_times(ahead);
                LedgerChange::Amend(given.into())
            }
            other => other,
        };
        match ask {
            Ask::Ledger(LedgerKeep::Change(changes)) => {
                Ask::Ledger(LedgerKeep::Change(changes.into_iter().map(moved).collect()))
            }
            other => other,
        }
    }

    /// Applies one row of the database.
    pub(super) fn apply(&self, fact: &Fact) {
        let fact = fact.clone().here(self.ahead.load(Ordering::Relaxed));
        if let Some(change) = fact.of_ledger() {
            self.ledger.write().apply(change);
        } else if let Some(change) = fact.of_bindings() {
            locked(&self.bindings).apply(change);
        } else if let Some(said) = fact.of_approvals() {
            approvals::apply(&mut locked(&self.said), said);
        } else if let Some(change) = fact.of_assignments() {
            self.assignments.write().apply(change);
        } else if let Some(sighting) = fact.of_sightings() {
            trust::apply(&mut locked(&self.seen), &sighting);
        } else {
            put(&mut locked(&self.leases), &fact);
        }
    }

    /// Puts these rows in the place of all that were known.
    pub(super) fn replace(&self, facts: &[Fact]) {
        let ahead = self.ahead.load(Ordering::Relaxed);
        let (mut ledger, mut bindings, mut said) = (Ledger::default(), Bindings::default(), Verdicts::new());
        let mut assignments = Assignments::default();
        let mut leases =
            LeaseTable::new(self.subnets.clone(), self.own.clone(), [], self.now()).starting_at(self.place);
        for fact in facts {
            let fact = fact.clone().here(ahead);
            if let Some(change) = fact.of_ledger() {
                ledger.apply(change);
            } else if let Some(change) = fact.of_bindings() {
                bindings.apply(change);
            } else if let Some(one) = fact.of_approvals() {
                approvals::apply(&mut said, one);
            } else if let Some(change) = fact.of_assignments() {
                assignments.apply(change);
            } else if let Some(sighting) = fact.of_sightings() {
                // This server's own sightings of the meantime stay.
                trust::apply(&mut locked(&self.seen), &sighting);
            } else {
                put(&mut leases, &fact);
            }
        }
        *self.ledger.write() = ledger;
        *locked(&self.bindings) = bindings;
        *locked(&self.said) = said;
        *self.assignments.write() = assignments;
        *locked(&self.leases) = leases;
    }

    /// Replaces the devices. Lines that make none were refused when they were published.
    pub(super) fn set_devices(&self, devices: Vec<Device>) {
        let (table, _) = Table::new(devices);
        self.devices.store(Some(Arc::new(table)));
    }
}

fn put(leases: &mut LeaseTable, fact: &Fact) {
    match *fact {
        Fact::Held { address, mac, until, leased } => {
            leases.apply(address, mac.map(MacAddr), until, leased);
        }
        // Free since 0: the search for the address that is free for longest finds it.
        Fact::Free { address } => leases.apply(address, None, 0, false),
        _ => {}
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}
