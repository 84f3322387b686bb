//! One Required deployment that a machine was given, and the boot that it was given in.

use std::time::Duration;

use super::deployed::Deployed;
use super::machine::{self, MachineId};
use super::timestamp::{Seconds, Timestamp};
use crate::{BootRequest, Class, MacAddr, SystemUuid};

/// The key of an entry. It stays the same when more becomes known of the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The machine's GUID, or its hardware address when no GUID was known.
    pub machine: String,
    /// The id of the deployment.
    pub deployment: String,
    /// The run of it; empty when none is named.
    pub run: String,
}

/// One Required deployment that a machine was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key in the ledger.
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

/// A site's memory of a deployment that it gives itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SiteMemory {
    /// Whether it remembers that the machine was given it.
    pub noted: bool,
    /// How old the site's answer is, in seconds, counted from the question.
    pub age: Seconds,
    /// Whether the site notes by itself what is given now: its own responder gives it to a machine
    /// with a record.
    pub notes: bool,
}

/// Whether a machine was given a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    /// The machine was never given it.
    Never,
    /// In the boot that goes on: a machine asks more than once on its way.
    ThisBoot,
    /// The machine was given it in an earlier boot.
    Before {
        /// When the machine was given it.
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

impl Entry {
    pub(super) fn new(claim: &Deployed, mac: MacAddr, now: Seconds, former: Option<&Entry>) -> Self {
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

    /// The identifiers of its machine.
    pub fn machine(&self) -> MachineId {
        MachineId { guid: self.guid, macs: vec![self.mac], record: self.record.clone() }
    }

    /// The entry with what another one of the same time knows besides; None when it knows nothing
    /// new.
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

    pub(super) fn ran(&self, claim: &Deployed, now: Seconds, same_boot: Duration) -> Ran {
        if self.is_this_boot(claim.stage, now, same_boot) {
            return Ran::ThisBoot;
        }
        let at = Timestamp(self.at);
        match self.is_cleared_at_site(claim, now, same_boot) {
            true => Ran::Cleared { at },
            false => Ran::Before { at, mac: self.mac },
        }
    }

    /// Each stage of a boot has its own time, so that a slow download ends nothing; a new boot
    /// begins with the firmware.
    pub(super) fn is_this_boot(&self, asks: Stage, now: Seconds, same_boot: Duration) -> bool {
        // A clock that was set back makes no boot of long ago a boot of now.
        let within = |since: Seconds, limit: Duration| now.abs_diff(since) <= limit.as_secs();
        match (self.stage, asks) {
            (Stage::Firmware, Stage::Program) => within(self.stage_at, NEXT_STAGE.max(same_boot)),
            (Stage::Program, Stage::Program) => within(self.stage_at, same_boot),
            (Stage::Over, Stage::Program) | (_, Stage::Over) => false,
            (_, Stage::Firmware) => within(self.at, same_boot),
        }
    }

    /// Whether the site remembered it once, and was asked again after the boot that it was given
    /// in. Only the same record can forget: the GUID finds it, or else it is the one that the note
    /// was seen in.
    fn is_cleared_at_site(&self, claim: &Deployed, now: Seconds, same_boot: Duration) -> bool {
        let (Some(site), Some(noted)) = (claim.site, self.noted) else { return false };
        let asked_at = now.saturating_sub(site.age);
        let is_settled = asked_at > noted.max(self.stage_at.saturating_add(same_boot.as_secs()));
        let same_record =
            self.record == claim.machine.record || machine::is_same_guid(self.guid, claim.machine.guid);
        !site.noted && is_settled && same_record
    }

    /// The entry once this stage of its boot is reached, if it was not before.
    pub(super) fn at_stage(&self, claim: &Deployed, now: Seconds) -> Option<Entry> {
        let guid = claim.machine.guid;
        self.with(&Entry { guid, stage: claim.stage, stage_at: now, ..self.clone() })
    }

    pub(super) fn learn(&self, claim: &Deployed, now: Seconds) -> Option<Entry> {
        let noted = claim.site.filter(|site| site.noted).map(|site| now.saturating_sub(site.age));
        // An older answer is about something that was given and cleared before.
        let noted = noted.filter(|asked_at| *asked_at >= self.at);
        self.with(&Entry { guid: claim.machine.guid, noted, ..self.clone() })
    }
}

impl Stage {
    /// Of the boot that a request is sent in.
    pub fn from_request(request: &BootRequest) -> Self {
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

/// A program that the firmware was given asks within this time, however slow its download is.
const NEXT_STAGE: Duration = Duration::from_secs(3600);
