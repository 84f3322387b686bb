//! Which machines were given which Required deployment, and the brake on giving more.
//!
//! A pure value: the caller keeps it on the disk, and writes a change down before the reply that it stands for leaves.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use crate::MacAddr;

/// What was handed out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    entries: BTreeMap<(String, String), Entry>,
    released: Seconds,
}

/// Seconds since 1970.
pub type Seconds = u64;

/// One Required deployment that a machine was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The machine: directory and record key, or the hardware address of one that is unknown.
    pub machine: String,
    /// The deployment's id.
    pub deployment: String,
    /// The hardware address it asked with.
    pub mac: MacAddr,
    /// The machine's name, for people.
    pub name: String,
    /// When it was given.
    pub at: Seconds,
}

/// A change, for the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerChange {
    /// Somebody was given something.
    Give(Entry),
    /// An entry is gone, and the machine may have it again.
    Clear {
        /// The machine.
        machine: String,
        /// The deployment.
        deployment: String,
    },
    /// The brake is released: what was given before no longer counts.
    Release(Seconds),
}

/// Whether a machine was given a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    /// Not yet.
    Never,
    /// Moments ago: firmware asks more than once on its way.
    ThisBoot,
    /// Before.
    Before {
        /// When.
        at: Timestamp,
    },
}

/// A moment, shown as people write it (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp(pub Seconds);

/// How many Required deployments may be given in a while, before an operator looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brake {
    /// This many.
    pub boots: usize,
    /// Within this time.
    pub within: Duration,
}

impl Ledger {
    /// Makes a change.
    pub fn apply(&mut self, change: LedgerChange) {
        match change {
            LedgerChange::Give(entry) => {
                self.entries.insert((entry.machine.clone(), entry.deployment.clone()), entry);
            }
            LedgerChange::Clear { machine, deployment } => {
                self.entries.remove(&(machine, deployment));
            }
            LedgerChange::Release(at) => self.released = at,
        }
    }

    /// Whether a machine was given a deployment; within `same_boot` it counts as one boot.
    pub fn ran(&self, machine: &str, deployment: &str, now: Seconds, same_boot: Duration) -> Ran {
        match self.entries.get(&(machine.to_owned(), deployment.to_owned())) {
            None => Ran::Never,
            // A clock that was set back makes no boot of long ago a boot of now.
            Some(entry) if now.abs_diff(entry.at) <= same_boot.as_secs() => Ran::ThisBoot,
            Some(entry) => Ran::Before { at: Timestamp(entry.at) },
        }
    }

    /// How many were given within the brake's time, since it was last released.
    pub fn lately(&self, brake: Brake, now: Seconds) -> usize {
        let within = brake.within.as_secs();
        let lately = |entry: &&Entry| now.abs_diff(entry.at) <= within && entry.at > self.released;
        self.entries.values().filter(lately).count()
    }

    /// Whether one more has to wait for an operator.
    pub fn is_braked(&self, brake: Brake, now: Seconds) -> bool {
        self.lately(brake, now) >= brake.boots
    }

    /// Everything, by machine.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The changes that clear what matches.
    pub fn clearing(&self, matches: impl Fn(&Entry) -> bool) -> Vec<LedgerChange> {
        let hit = self.entries.values().filter(|entry| matches(entry));
        hit.map(|entry| LedgerChange::Clear {
            machine: entry.machine.clone(),
            deployment: entry.deployment.clone(),
        })
        .collect()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = UNIX_EPOCH + Duration::from_secs(self.0.min(LAST_SECOND));
        humantime::format_rfc3339_seconds(at).fmt(f)
    }
}

/// The end of the year 9999, where RFC 3339 ends.
const LAST_SECOND: Seconds = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    fn give(machine: &str, at: Seconds) -> LedgerChange {
        LedgerChange::Give(Entry {
            machine: machine.into(),
            deployment: "PS120083".into(),
            mac: MacAddr([2; 6]),
            name: machine.into(),
            at,
        })
    }

    #[test]
    fn what_was_given_counts_as_one_boot_for_a_while_and_as_run_ever_after() {
        let mut ledger = Ledger::default();
        let minute = Duration::from_secs(60);
        assert_eq!(ledger.ran("a", "PS120083", 1000, minute), Ran::Never);
        ledger.apply(give("a", 1000));
        assert_eq!(ledger.ran("a", "PS120083", 1060, minute), Ran::ThisBoot);
        assert_eq!(ledger.ran("a", "PS120083", 1061, minute), Ran::Before { at: Timestamp(1000) });
        assert_eq!(ledger.ran("a", "PS120084", 1061, minute), Ran::Never);
        assert_eq!(ledger.ran("b", "PS120083", 1061, minute), Ran::Never);
        for change in ledger.clearing(|entry| entry.machine == "a") {
            ledger.apply(change);
        }
        assert_eq!(ledger.ran("a", "PS120083", 1061, minute), Ran::Never);
    }

    #[test]
    fn a_clock_that_is_set_back_or_forward_a_year_lets_nothing_run_twice() {
        let (minute, year) = (Duration::from_secs(60), 365 * 24 * 3600);
        let brake = Brake { boots: 1, within: Duration::from_secs(600) };
        let mut ledger = Ledger::default();
        ledger.apply(give("a", 2 * year));
        for now in [year, 2 * year - 61, 3 * year] {
            let before = Ran::Before { at: Timestamp(2 * year) };
            assert_eq!(ledger.ran("a", "PS120083", now, minute), before, "at {now}");
        }
        assert_eq!(ledger.ran("a", "PS120083", 2 * year - 5, minute), Ran::ThisBoot, "set right by seconds");
        assert!(!ledger.is_braked(brake, year), "nobody waits a year for an operator");
        assert!(ledger.is_braked(brake, 2 * year - 5));
    }

    #[test]
    fn the_brake_counts_a_while_and_starts_anew_when_released() {
        let mut ledger = Ledger::default();
        let brake = Brake { boots: 3, within: Duration::from_secs(600) };
        for (n, machine) in ["a", "b", "c"].into_iter().enumerate() {
            assert!(!ledger.is_braked(brake, 1000));
            ledger.apply(give(machine, 1000 + n as u64));
        }
        assert!(ledger.is_braked(brake, 1100));
        assert!(!ledger.is_braked(brake, 1601), "the first of them no longer counts");
        ledger.apply(LedgerChange::Release(1100));
        assert!(!ledger.is_braked(brake, 1100));
    }
}
