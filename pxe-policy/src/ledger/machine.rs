//! Which entries of the ledger are of one machine.

use super::entry::Entry;
use crate::{BootRequest, MacAddr, SystemUuid, is_shared};

/// A machine, by what tells it from others.
///
/// The GUID counts where both sides have one: a hardware address may be a dock's or a dongle's, and
/// a machine may have several. Where one side has none (the firmware sends none, or it is banned)
/// the hardware address counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MachineId {
    /// Its GUID, unless it is banned, a duplicate, or one that firmware of many machines has in
    /// common.
    pub guid: Option<SystemUuid>,
    /// Its hardware addresses: the one that it asks with, and those that its record lists.
    pub macs: Vec<MacAddr>,
    /// Its record at a site that numbers its records: `configmgr/16777219`.
    pub record: Option<String>,
}

/// One thing that an entry is found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sign {
    /// In the same form for both byte orders.
    Guid([u8; 16]),
    Mac(MacAddr),
    Record(String),
}

impl MachineId {
    /// As a request alone tells it.
    pub fn from_request(request: &BootRequest) -> Self {
        let guid = request.uuid.filter(|guid| !is_shared(*guid));
        MachineId { guid, macs: vec![request.mac], record: None }
    }

    /// Whether an entry is of this machine.
    pub fn is_of(&self, entry: &Entry) -> bool {
        if self.record.is_some() && self.record == entry.record {
            return true;
        }
        match (self.guid, entry.guid) {
            (Some(_), Some(_)) => is_same_guid(self.guid, entry.guid),
            _ => self.macs.contains(&entry.mac),
        }
    }

    pub(super) fn signs(&self) -> Vec<Sign> {
        let guid = self.guid.map(|guid| Sign::Guid(guid.in_either_order()));
        let record = self.record.clone().map(Sign::Record);
        guid.into_iter().chain(self.macs.iter().copied().map(Sign::Mac)).chain(record).collect()
    }
}

/// Whether both are there and the same. Firmware, its updates and boot programs swap the first
/// three fields.
pub(super) fn is_same_guid(one: Option<SystemUuid>, other: Option<SystemUuid>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one.in_either_order() == other.in_either_order())
}
