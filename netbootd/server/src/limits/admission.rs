//! How often a machine may ask for an address or a boot, and all machines that come one way; for
//! both families. `K` knows a machine again, `A` is the address of a relay.

use std::hash::Hash;
use std::num::NonZeroUsize;

use netbootd_config::{Limits as Settings, Rate};
use pxe_policy::Reason;

use super::bucket::{Buckets, Nanos, RateVerdict};
use super::ingress::Ingress;

/// The machines of one family, and the ways that they come.
#[derive(Debug)]
pub(super) struct Admission<K: Hash + Eq, A: Hash + Eq> {
    machines: Buckets<(K, Ingress<A>)>,
    ways: Buckets<Ingress<A>>,
    new_machines: Buckets<Ingress<A>>,
    holders: Buckets<K>,
}

/// The rates of the configuration in force.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    machine: Rate,
    way: Rate,
    new_machines: Rate,
    /// Whether the configuration names the relays.
    relays_are_named: bool,
}

/// A request that is not answered because of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limited {
    /// The reason, as the log names it.
    pub reason: Reason,
    /// Whether that is worth a line; it is counted in any case.
    pub tell: bool,
}

impl Rates {
    pub(super) fn from_settings(settings: &Settings, relays_are_named: bool) -> Self {
        Rates {
            machine: settings.machine_packets,
            way: settings.way_packets,
            new_machines: settings.new_machines,
            relays_are_named,
        }
    }
}

impl<K: Hash + Eq + Copy, A: Hash + Eq + Copy> Admission<K, A> {
    pub(super) fn new() -> Self {
        Admission {
            machines: Buckets::new(MACHINES),
            ways: Buckets::new(WAYS),
            new_machines: Buckets::new(WAYS),
            holders: Buckets::new(MACHINES),
        }
    }

    /// Whether a machine's packet is looked at.
    pub(super) fn admit(
        &self,
        machine: K,
        way: Ingress<A>,
        rates: Rates,
        holds_lease: impl Fn() -> bool,
        now: Nanos,
    ) -> Result<(), Limited> {
        self.asks(machine, way, rates, &holds_lease, now).or_else(|limited| {
            let renews =
                holds_lease() && self.holders.admit(machine, RENEWALS, 1, now) == RateVerdict::Admitted;
            if renews { Ok(()) } else { Err(limited) }
        })
    }

    fn asks(
        &self,
        machine: K,
        way: Ingress<A>,
        rates: Rates,
        holds_lease: impl Fn() -> bool,
        now: Nanos,
    ) -> Result<(), Limited> {
        let key = (machine, way);
        let known = match self.machines.take_known(&key, rates.machine, now) {
            Some(verdict) => verdict,
            None => {
                if !holds_lease() {
                    self.new_machine(way, rates, now)?;
                }
                self.machines.admit(key, rates.machine, 1, now)
            }
        };
        held_to(known, Reason::MachineTooOften)?;
        held_to(self.ways.admit(way, rates.way, 1, now), Reason::SourceTooOften)
    }

    fn new_machine(&self, way: Ingress<A>, rates: Rates, now: Nanos) -> Result<(), Limited> {
        let (rate, reason) = (rates.new_machines, Reason::TooManyNewMachines);
        held_to(self.new_machines.admit(way, rate, 1, now), reason)?;
        if matches!(way, Ingress::Relay(_)) && !rates.relays_are_named {
            held_to(self.new_machines.admit(Ingress::AnyRelay, rate.times(UNNAMED_RELAYS), 1, now), reason)?;
        }
        Ok(())
    }

    /// A packet that the lists do not allow.
    pub(super) fn not_allowed(&self, way: Ingress<A>, now: Nanos) -> Limited {
        let tell = self.ways.admit(way, NEVER, 1, now) == RateVerdict::Refused { tell: true };
        Limited { reason: Reason::NotAllowed, tell }
    }

    /// The machines that are counted.
    pub(super) fn machines(&self) -> usize {
        self.machines.len()
    }

    /// The ways that are counted.
    pub(super) fn ways(&self) -> usize {
        self.ways.len().max(self.new_machines.len())
    }
}

pub(super) fn held_to(verdict: RateVerdict, reason: Reason) -> Result<(), Limited> {
    match verdict {
        RateVerdict::Admitted => Ok(()),
        RateVerdict::Refused { tell } => Err(Limited { reason, tell }),
    }
}

/// All relays that are not named share as much as so many that are. With twice what one brings at
/// once, they cannot push out every machine that is known.
pub(super) const UNNAMED_RELAYS: u32 = 2;
/// A lease is renewed by one packet, and by a few when none is answered.
pub(super) const RENEWALS: Rate = Rate { at_once: 8, per_second: 1 };
/// Only to know whether the log has it already.
pub(super) const NEVER: Rate = Rate { at_once: 0, per_second: 1 };
/// Machines by the way they come: some 6 MB at most for each family.
pub(super) const MACHINES: NonZeroUsize = NonZeroUsize::new(65_536).expect("not zero");
pub(super) const WAYS: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");
