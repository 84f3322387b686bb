//! A device: the name and tags that operators give one machine, its boot assignment and its next
//! boot.
//!
//! A pure value: the caller keeps it on the disk. That a machine was given its next boot is an
//! entry of the [ledger](crate::Ledger), which is written down before the reply leaves.

mod text;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use text::{InvalidAssignment, InvalidMoment, moment};
use text::{is_guid, is_mac};

use crate::{BootRequest, Deployed, MacAddr, MachineId, Purpose, Seconds, Stage, SystemUuid, is_shared};

/// A device: a machine that operators registered, and what they want it to boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// The device's hardware address.
    #[serde(with = "is_mac")]
    pub mac: MacAddr,
    /// Its GUID, when one is known.
    #[serde(default, with = "is_guid", skip_serializing_if = "Option::is_none")]
    pub guid: Option<SystemUuid>,
    /// Its name, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Words that rules can match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// A note for people, which nothing reads.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Its lasting boot assignment; None leaves the machine to directories and rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<Target>,
    /// Its next boot, in place of the lasting one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<BootNext>,
}

/// The target of an assignment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// An image of the store, by name.
    Image(String),
    /// A path in the boot tree, or a whole URL.
    File(String),
    /// The machine's own disk.
    Disk,
}

/// A machine's next boot, in place of its usual one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootNext {
    /// The image, file or disk that it boots.
    pub target: Target,
    /// Whether it is used up by the first boot; otherwise it counts until `until`.
    pub once: bool,
    /// The last second in which a boot may begin with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Seconds>,
    /// When an operator asked for it.
    pub at: Seconds,
    /// Tells it from every other one of the same machine.
    pub number: u64,
}

/// The devices, found by what they have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assignments {
    devices: BTreeMap<MacAddr, Assignment>,
    by_guid: BTreeMap<[u8; 16], BTreeSet<MacAddr>>,
}

/// A change, for the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssignmentChange {
    /// A device is new, or another one than before.
    Put(Box<Assignment>),
    /// A device is gone.
    Remove(MacAddr),
}

impl AssignmentChange {
    /// The hardware address of the device that changes.
    pub fn mac(&self) -> MacAddr {
        match self {
            AssignmentChange::Put(assignment) => assignment.mac,
            AssignmentChange::Remove(mac) => *mac,
        }
    }
}

impl Assignment {
    /// Of a machine of which nothing is said yet.
    pub fn new(mac: MacAddr) -> Self {
        Assignment {
            mac,
            guid: None,
            name: String::new(),
            tags: Vec::new(),
            note: String::new(),
            boot: None,
            next: None,
        }
    }

    /// Whether it is a registered device, and not only one that boots something else next.
    pub fn is_device(&self) -> bool {
        let Assignment { guid, name, tags, note, boot, .. } = self;
        guid.is_some() || boot.is_some() || !tags.is_empty() || !name.is_empty() || !note.is_empty()
    }

    /// Its name or, without one, its hardware address.
    pub fn label(&self) -> String {
        if self.name.is_empty() { self.mac.to_string() } else { self.name.clone() }
    }

    /// Whether it is the machine behind a request. A hardware address may be a dock's, so the GUID
    /// counts where both sides have one.
    fn is_of(&self, request: &BootRequest) -> bool {
        let guid = request.uuid.filter(|guid| !is_shared(*guid));
        match (guid, self.guid) {
            (Some(one), Some(other)) => one.in_either_order() == other.in_either_order(),
            _ => request.mac == self.mac,
        }
    }
}

impl BootNext {
    /// The ledger's entry once the machine is given it. The number alone tells the claim from
    /// others: no second GUID behind the same hardware address is given it as well.
    pub fn claim(&self, assignment: &Assignment, stage: Stage) -> Deployed {
        Deployed {
            id: Deployed::BOOT_NEXT.to_owned(),
            run: self.number.to_string(),
            purpose: Purpose::Required,
            machine: MachineId { guid: None, macs: vec![assignment.mac], record: Some(self.record()) },
            name: assignment.label(),
            stage,
            site: None,
        }
    }

    /// The key of this boot in the ledger.
    pub fn record(&self) -> String {
        format!("{}/{}", Deployed::BOOT_NEXT, self.number)
    }

    /// Whether no boot may begin with it any more.
    pub fn has_expired(&self, now: Seconds) -> bool {
        self.until.is_some_and(|until| now > until)
    }
}

impl Assignments {
    /// Applies a change that is on the disk.
    pub fn apply(&mut self, change: AssignmentChange) {
        self.remove(change.mac());
        if let AssignmentChange::Put(assignment) = change {
            if let Some(guid) = assignment.guid {
                self.by_guid.entry(guid.in_either_order()).or_default().insert(assignment.mac);
            }
            self.devices.insert(assignment.mac, *assignment);
        }
    }

    /// The device that asks: the one with its GUID, else the one with its hardware address.
    pub fn find(&self, request: &BootRequest) -> Option<&Assignment> {
        let guid = request.uuid.filter(|guid| !is_shared(*guid));
        let macs = guid.and_then(|guid| self.by_guid.get(&guid.in_either_order()));
        let own = macs.filter(|macs| macs.contains(&request.mac)).map(|_| request.mac);
        let by_guid = own.or_else(|| macs?.first().copied());
        let by_mac = || self.devices.get(&request.mac).filter(|device| device.is_of(request));
        by_guid.and_then(|mac| self.devices.get(&mac)).or_else(by_mac)
    }

    /// The device with this hardware address.
    pub fn get(&self, mac: MacAddr) -> Option<&Assignment> {
        self.devices.get(&mac)
    }

    /// Every device, by hardware address.
    pub fn iter(&self) -> impl Iterator<Item = &Assignment> {
        self.devices.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.devices.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    fn remove(&mut self, mac: MacAddr) {
        let Some(former) = self.devices.remove(&mac) else { return };
        let Some(guid) = former.guid else { return };
        if let Some(macs) = self.by_guid.get_mut(&guid.in_either_order()) {
            macs.remove(&mac);
            if macs.is_empty() {
                self.by_guid.remove(&guid.in_either_order());
            }
        }
    }
}

#[cfg(test)]
mod tests;
