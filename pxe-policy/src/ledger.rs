//! Which machines were given which Required deployment, and the brake on giving more.
//!
//! An entry belongs to a machine ([`MachineId`]) and a deployment, never to the place of a record
//! in its directory. A pure value: the caller keeps it on the disk, and writes a change down before
//! the reply that it stands for leaves.

mod deployed;
mod entry;
mod machine;
mod timestamp;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use deployed::Deployed;
pub use entry::{Entry, Key, Ran, SiteMemory, Stage};
pub use machine::MachineId;
use machine::Sign;
pub use timestamp::{Seconds, Timestamp};

use crate::{Assignment, BootNext, MacAddr, Reason};

/// The Required deployments that were handed out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    entries: BTreeMap<Key, Entry>,
    by_sign: BTreeMap<Sign, BTreeSet<Key>>,
    released: Seconds,
}

/// A change, for the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerChange {
    /// A machine was given something.
    Give(Entry),
    /// More is known of an entry, which takes that up. It changes nothing when the entry is gone,
    /// or was given anew since.
    Amend(Entry),
    /// An entry is gone, and the machine may have it again.
    Clear(Key),
    /// The brake is released: what was given before no longer counts.
    Release(Seconds),
}

/// The entry for a machine that may have its deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// It is new, or its boot has come further: it has to be written down.
    Made(Entry),
    /// It is there already.
    There(Entry),
}

/// How many Required deployments may be given in a while, before an operator looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brake {
    /// Required deployments that may be given.
    pub boots: usize,
    /// The time in which they are counted.
    pub within: Duration,
}

impl Ledger {
    /// Applies a change that is on the disk.
    pub fn apply(&mut self, change: LedgerChange) {
        match change {
            LedgerChange::Give(entry) => self.put(entry),
            LedgerChange::Amend(entry) => {
                if let Some(more) = self.entries.get(&entry.key).and_then(|known| known.with(&entry)) {
                    self.put(more);
                }
            }
            LedgerChange::Clear(key) => self.remove(&key),
            LedgerChange::Release(at) => self.released = at,
        }
    }

    /// Whether a machine was given a deployment. A request within `same_boot`, or by a program that
    /// the firmware has started, belongs to the same boot.
    pub fn ran(&self, claim: &Deployed, now: Seconds, same_boot: Duration) -> Ran {
        let mut ran = Ran::Never;
        for entry in self.matching(claim) {
            ran = match (ran, entry.ran(claim, now, same_boot)) {
                (Ran::ThisBoot, _) | (_, Ran::ThisBoot) => Ran::ThisBoot,
                (before @ Ran::Before { .. }, _) => before,
                (_, other) => other,
            };
        }
        ran
    }

    /// The entry for a machine that gets its deployment now. An error is the reason why the machine
    /// must not get it.
    pub fn claim(
        &self,
        claim: &Deployed,
        mac: MacAddr,
        now: Seconds,
        same_boot: Duration,
        brake: Option<Brake>,
    ) -> Result<Claimed, Reason> {
        match self.ran(claim, now, same_boot) {
            Ran::Before { .. } => Err(Reason::AlreadyRun),
            Ran::Never | Ran::Cleared { .. }
                if !claim.is_boot_next() && brake.is_some_and(|brake| self.is_braked(brake, now)) =>
            {
                Err(Reason::Brake)
            }
            Ran::ThisBoot | Ran::Never | Ran::Cleared { .. } => {
                let same = |entry: &&Entry| entry.ran(claim, now, same_boot) == Ran::ThisBoot;
                if let Some(entry) = self.matching(claim).find(same) {
                    let further = entry.at_stage(claim, now);
                    return Ok(further.map_or_else(|| Claimed::There(entry.clone()), Claimed::Made));
                }
                // A cleared deployment is given anew under the key that it had.
                let former = self.matching(claim).max_by_key(|entry| entry.at);
                Ok(Claimed::Made(Entry::new(claim, mac, now, former)))
            }
        }
    }

    /// Updates of entries by a request that tells more than they hold: a GUID that was not known,
    /// or that the site remembers them.
    pub fn learn(&self, claim: &Deployed, now: Seconds) -> Vec<Entry> {
        self.matching(claim).filter_map(|entry| entry.learn(claim, now)).collect()
    }

    /// The entries whose boot is over because the machine's firmware asks anew.
    pub fn ended(&self, machine: &MachineId, now: Seconds, same_boot: Duration) -> Vec<Entry> {
        let goes_on = |entry: &&Entry| {
            entry.stage == Stage::Over || entry.is_this_boot(Stage::Firmware, now, same_boot)
        };
        let ended = self.found_by(machine).filter(|entry| !goes_on(entry));
        ended.map(|entry| Entry { stage: Stage::Over, ..entry.clone() }).collect()
    }

    /// Whether an entry is there for the same machine, deployment and run.
    pub fn has_one_like(&self, entry: &Entry) -> bool {
        let Key { deployment, run, .. } = &entry.key;
        let same = |known: &&Entry| known.key.deployment == *deployment && known.key.run == *run;
        self.entries.contains_key(&entry.key) || self.found_by(&entry.machine()).any(|known| same(&known))
    }

    /// How many were given within the brake's time, since it was last released.
    pub fn lately(&self, brake: Brake, now: Seconds) -> usize {
        let within = brake.within.as_secs();
        let lately = |entry: &&Entry| {
            // An operator chose that machine.
            let is_chosen = entry.key.deployment == Deployed::BOOT_NEXT;
            !is_chosen && now.abs_diff(entry.at) <= within && entry.at > self.released
        };
        self.entries.values().filter(lately).count()
    }

    /// Whether one more has to wait for an operator.
    pub fn is_braked(&self, brake: Brake, now: Seconds) -> bool {
        self.lately(brake, now) >= brake.boots
    }

    /// When a machine was given its next boot, if it was.
    pub fn given_at(&self, device: &Assignment, next: &BootNext) -> Option<Seconds> {
        self.matching(&next.claim(device, Stage::Firmware)).map(|entry| entry.at).next()
    }

    /// Every entry of the ledger, by machine.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The entry with this key.
    pub fn get(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// The changes that clear what matches.
    pub fn clearing(&self, matches: impl Fn(&Entry) -> bool) -> Vec<LedgerChange> {
        let hit = self.entries.values().filter(|entry| matches(entry));
        hit.map(|entry| LedgerChange::Clear(entry.key.clone())).collect()
    }

    /// The entries of a machine and a deployment. A claim that names no run asks for nothing new,
    /// so any run counts.
    fn matching(&self, claim: &Deployed) -> impl Iterator<Item = &Entry> {
        let fits = |entry: &&Entry| {
            entry.key.deployment == claim.id && (claim.run.is_empty() || entry.key.run == claim.run)
        };
        self.found_by(&claim.machine).filter(fits)
    }

    fn found_by(&self, machine: &MachineId) -> impl Iterator<Item = &Entry> {
        let signs = machine.signs();
        let keys: BTreeSet<&Key> = signs.iter().filter_map(|sign| self.by_sign.get(sign)).flatten().collect();
        let machine = machine.clone();
        keys.into_iter().filter_map(|key| self.entries.get(key)).filter(move |entry| machine.is_of(entry))
    }

    fn put(&mut self, entry: Entry) {
        self.remove(&entry.key);
        for sign in entry.machine().signs() {
            self.by_sign.entry(sign).or_default().insert(entry.key.clone());
        }
        self.entries.insert(entry.key.clone(), entry);
    }

    fn remove(&mut self, key: &Key) {
        let Some(entry) = self.entries.remove(key) else { return };
        for sign in entry.machine().signs() {
            if let Some(keys) = self.by_sign.get_mut(&sign) {
                keys.remove(key);
                if keys.is_empty() {
                    self.by_sign.remove(&sign);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
