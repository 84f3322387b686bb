//! Which machines were given which Required deployment, and the brake on giving more.
//!
//! An entry belongs to a machine ([`MachineId`]) and a deployment, never to the place of a record in its directory. A pure value: the
//! caller keeps it on the disk, and writes a change down before the reply that it stands for leaves.

mod deployed;
mod machine;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

pub use deployed::Deployed;
pub use machine::MachineId;
use machine::Sign;

use crate::{Assignment, BootNext, BootRequest, Class, MacAddr, Reason, SystemUuid};

/// What was handed out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    entries: BTreeMap<Key, Entry>,
    by_sign: BTreeMap<Sign, BTreeSet<Key>>,
    released: Seconds,
}

/// Seconds since 1970.
pub type Seconds = u64;

/// What tells an entry from the others. It stays the same when more becomes known of the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The machine's GUID, or its hardware address when no GUID was known.
    pub machine: String,
    /// The deployment's id.
    pub deployment: String,
    /// The run of it; empty when none is named.
    pub run: String,
}

/// One Required deployment that a machine was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is found by.
    pub key: Key,
    /// The machine's GUID, once it is known.
    pub guid: Option<SystemUuid>,
    /// The hardware address it asked with.
    pub mac: MacAddr,
    /// Its record at a site that numbers its records: `configmgr/16777219`.
    pub record: Option<String>,
    /// The machine's name, for people.
    pub name: String,
    /// When the boot began that it was given in.
    pub at: Seconds,
    /// How far that boot has come.
    pub stage: Stage,
    /// When that stage was reached.
    pub stage_at: Seconds,
    /// When the site was first known to remember that it was given.
    pub noted: Option<Seconds>,
}

/// How far a boot has come when a machine asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The firmware asks: a boot begins.
    #[default]
    Firmware,
    /// A program asks that the firmware has started: iPXE, or a boot program of Windows.
    Program,
    /// The machine has begun another boot since.
    Over,
}

/// What the site says about a deployment that it gives itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SiteMemory {
    /// Whether it remembers that the machine was given it.
    pub noted: bool,
    /// How old the site's answer is, in seconds, counted from the question.
    pub age: Seconds,
    /// Whether the site notes by itself what is given now: its own responder gives it to a machine with a record.
    pub notes: bool,
}

/// A change, for the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerChange {
    /// A machine was given something.
    Give(Entry),
    /// More is known of an entry, which takes that up. It changes nothing when the entry is gone, or was given anew since.
    Amend(Entry),
    /// An entry is gone, and the machine may have it again.
    Clear(Key),
    /// The brake is released: what was given before no longer counts.
    Release(Seconds),
}

/// Whether a machine was given a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    /// Not yet.
    Never,
    /// In the boot that goes on: a machine asks more than once on its way.
    ThisBoot,
    /// Before.
    Before {
        /// When.
        at: Timestamp,
        /// The hardware address that it asked with.
        mac: MacAddr,
    },
    /// Before, and the site that remembered it does so no longer: somebody has cleared it there.
    Cleared {
        /// When it was given.
        at: Timestamp,
    },
}

/// The entry for a machine that may have its deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// It is new, or its boot has come further: it has to be written down.
    Made(Entry),
    /// It is there already.
    There(Entry),
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

    /// Whether a machine was given a deployment. What it is asked within `same_boot`, or by a program that the firmware has started,
    /// belongs to one boot.
    pub fn ran(&self, claim: &Deployed, now: Seconds, same_boot: Duration) -> Ran {
        let mut ran = Ran::Never;
        for entry in self.of(claim) {
            ran = match (ran, entry.ran(claim, now, same_boot)) {
                (Ran::ThisBoot, _) | (_, Ran::ThisBoot) => Ran::ThisBoot,
                (before @ Ran::Before { .. }, _) => before,
                (_, other) => other,
            };
        }
        ran
    }

    /// The entry for a machine that gets its deployment now. An error is the reason why the machine must not get it.
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
                if let Some(entry) = self.of(claim).find(same) {
                    let further = entry.at_stage(claim, now);
                    return Ok(further.map_or_else(|| Claimed::There(entry.clone()), Claimed::Made));
                }
                // What was cleared is given anew under the key that it had.
                let former = self.of(claim).max_by_key(|entry| entry.at);
                Ok(Claimed::Made(Entry::new(claim, mac, now, former)))
            }
        }
    }

    /// What a question tells of the entries that it is about: a GUID that was not known, or that the site remembers them.
    pub fn learn(&self, claim: &Deployed, now: Seconds) -> Vec<Entry> {
        self.of(claim).filter_map(|entry| entry.learn(claim, now)).collect()
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
        self.of(&next.claim(device, Stage::Firmware)).map(|entry| entry.at).next()
    }

    /// Everything, by machine.
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

    /// The entries of a machine and a deployment. A claim that names no run asks for nothing new, so any run counts.
    fn of(&self, claim: &Deployed) -> impl Iterator<Item = &Entry> {
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

impl Entry {
    fn new(claim: &Deployed, mac: MacAddr, now: Seconds, former: Option<&Entry>) -> Self {
        let guid = claim.machine.guid.or(former.and_then(|former| former.guid));
        let machine = guid.map_or_else(|| mac.to_string(), |guid| guid.to_string());
        let key = Key { machine, deployment: claim.id.clone(), run: claim.run.clone() };
        Entry {
            key: former.map(|former| former.key.clone()).filter(|key| key.run == claim.run).unwrap_or(key),
            guid,
            mac,
            record: claim.machine.record.clone(),
            name: claim.name.clone(),
            at: now,
            stage: claim.stage,
            stage_at: now,
            noted: claim.site.filter(|site| site.notes).map(|_| now),
        }
    }

    /// What tells its machine from others.
    pub fn machine(&self) -> MachineId {
        MachineId { guid: self.guid, macs: vec![self.mac], record: self.record.clone() }
    }

    /// The entry with what another one of the same time knows besides; None when it knows nothing new.
    pub fn with(&self, other: &Entry) -> Option<Entry> {
        let mut entry = self.clone();
        if other.at == self.at {
            entry.guid = self.guid.or(other.guid);
            entry.noted = self.noted.or(other.noted);
            if other.stage > self.stage {
                (entry.stage, entry.stage_at) = (other.stage, other.stage_at);
            }
        }
        (entry != *self).then_some(entry)
    }

    fn ran(&self, claim: &Deployed, now: Seconds, same_boot: Duration) -> Ran {
        if self.is_this_boot(claim.stage, now, same_boot) {
            return Ran::ThisBoot;
        }
        let at = Timestamp(self.at);
        match self.is_cleared_at_site(claim, now, same_boot) {
            true => Ran::Cleared { at },
            false => Ran::Before { at, mac: self.mac },
        }
    }

    /// Each stage of a boot has its own time, so that a slow download ends nothing; a new boot begins with the firmware.
    fn is_this_boot(&self, asks: Stage, now: Seconds, same_boot: Duration) -> bool {
        // A clock that was set back makes no boot of long ago a boot of now.
        let within = |since: Seconds, limit: Duration| now.abs_diff(since) <= limit.as_secs();
        match (self.stage, asks) {
            (Stage::Firmware, Stage::Program) => within(self.stage_at, NEXT_STAGE.max(same_boot)),
            (Stage::Program, Stage::Program) => within(self.stage_at, same_boot),
            (Stage::Over, Stage::Program) | (_, Stage::Over) => false,
            (_, Stage::Firmware) => within(self.at, same_boot),
        }
    }

    /// Whether the site remembered it once, and was asked again after the boot that it was given in. Only the same record can forget: the
    /// GUID finds it, or else it is the one that the note was seen in.
    fn is_cleared_at_site(&self, claim: &Deployed, now: Seconds, same_boot: Duration) -> bool {
        let (Some(site), Some(noted)) = (claim.site, self.noted) else { return false };
        let asked_at = now.saturating_sub(site.age);
        let is_settled = asked_at > noted.max(self.stage_at.saturating_add(same_boot.as_secs()));
        let same_record =
            self.record == claim.machine.record || machine::is_same_guid(self.guid, claim.machine.guid);
        !site.noted && is_settled && same_record
    }

    /// The entry once this stage of its boot is reached, if it was not before.
    fn at_stage(&self, claim: &Deployed, now: Seconds) -> Option<Entry> {
        let guid = claim.machine.guid;
        self.with(&Entry { guid, stage: claim.stage, stage_at: now, ..self.clone() })
    }

    fn learn(&self, claim: &Deployed, now: Seconds) -> Option<Entry> {
        let noted = claim.site.filter(|site| site.noted).map(|site| now.saturating_sub(site.age));
        // An older answer is about something that was given and cleared before.
        let noted = noted.filter(|asked_at| *asked_at >= self.at);
        self.with(&Entry { guid: claim.machine.guid, noted, ..self.clone() })
    }
}

impl Stage {
    /// Of the boot that a request is sent in.
    pub fn of(request: &BootRequest) -> Self {
        match request.boot_program || request.class == Class::Ipxe {
            true => Stage::Program,
            false => Stage::Firmware,
        }
    }

    /// The number on the disk.
    pub fn number(self) -> u8 {
        match self {
            Stage::Firmware => 0,
            Stage::Program => 1,
            Stage::Over => 2,
        }
    }

    /// The stage with this number.
    pub fn from_number(number: u8) -> Self {
        match number {
            0 => Stage::Firmware,
            1 => Stage::Program,
            _ => Stage::Over,
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = UNIX_EPOCH + Duration::from_secs(self.0.min(LAST_SECOND));
        humantime::format_rfc3339_seconds(at).fmt(f)
    }
}

/// A program that the firmware was given asks within this time, however slow its download is.
const NEXT_STAGE: Duration = Duration::from_secs(3600);
/// The end of the year 9999, where RFC 3339 ends.
const LAST_SECOND: Seconds = 253_402_300_799;

#[cfg(test)]
mod tests;
