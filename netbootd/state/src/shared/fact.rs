//! The facts that come of a change, as they are written to the database and sent to every server.

use std::net::Ipv4Addr;

use bsdp::{Binding, BootImageId, Change};
use pxe_policy::{
    AssignmentChange, Entry, Generation, Key, LedgerChange, MacAddr, Observation, Seconds, Stage,
};
use serde::{Deserialize, Serialize};

use crate::durable::OperatorDecision;
use crate::trust::Sighting;

/// One row as it is now. Times are the database's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Fact {
    Given(Given),
    Cleared {
        machine: String,
        deployment: String,
        run: String,
    },
    Released {
        at: Seconds,
    },
    Held {
        address: Ipv4Addr,
        mac: Option<[u8; 6]>,
        until: Seconds,
        leased: bool,
    },
    Free {
        address: Ipv4Addr,
    },
    Bound {
        mac: [u8; 6],
        image: [u8; 4],
        number: u32,
        model: String,
        at: Seconds,
    },
    Unbound {
        mac: [u8; 6],
    },
    OperatorDecision {
        mac: [u8; 6],
        approved: Option<bool>,
        at: Seconds,
    },
    /// A device as JSON; None for one that is removed.
    Assigned {
        mac: [u8; 6],
        device: Option<String>,
    },
    /// A machine that started or refused a boot program of one generation.
    Sighting {
        machine: String,
        generation: Generation,
        starts: bool,
        file: String,
        at: Seconds,
    },
    /// The devices are others.
    Devices,
    /// Too much to tell: everything has to be read again.
    Everything,
}

/// An entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Given {
    pub(super) machine: String,
    pub(super) deployment: String,
    pub(super) run: String,
    /// As it is printed.
    pub(super) guid: Option<String>,
    pub(super) mac: [u8; 6],
    pub(super) record: Option<String>,
    pub(super) name: String,
    pub(super) at: Seconds,
    pub(super) stage: u8,
    pub(super) stage_at: Seconds,
    pub(super) noted: Option<Seconds>,
}

impl Given {
    /// Makes every time later by so many seconds.
    pub(super) fn move_times(&mut self, by: i64) {
        for at in [&mut self.at, &mut self.stage_at].into_iter().chain(&mut self.noted) {
            *at = at.saturating_add_signed(by);
        }
    }
}

impl From<Entry> for Given {
    fn from(entry: Entry) -> Self {
        let Entry { key, guid, mac, record, name, at, stage, stage_at, noted } = entry;
        let Key { machine, deployment, run } = key;
        let (guid, mac, stage) = (guid.map(|guid| guid.to_string()), mac.octets(), stage.number());
        Given { machine, deployment, run, guid, mac, record, name, at, stage, stage_at, noted }
    }
}

impl From<Given> for Entry {
    fn from(given: Given) -> Self {
        let Given { machine, deployment, run, guid, mac, record, name, at, stage, stage_at, noted } = given;
        Entry {
            key: Key { machine, deployment, run },
            guid: guid.and_then(|guid| guid.parse().ok()),
            mac: MacAddr(mac),
            record,
            name,
            at,
            stage: Stage::from_number(stage),
            stage_at,
            noted,
        }
    }
}

/// A server's notice to the others.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Notice {
    /// The number of the transaction.
    pub(super) revision: i64,
    pub(super) fact: Fact,
}

/// The key of a row: the last fact of a row counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RowKey {
    Entry(String, String, String),
    Brake,
    Address(Ipv4Addr),
    Binding([u8; 6]),
    Approval([u8; 6]),
    Assigned([u8; 6]),
    Sighting(String, Generation),
    Devices,
    Everything,
}

impl Fact {
    pub(super) fn key(&self) -> RowKey {
        match self {
            Fact::Given(Given { machine, deployment, run, .. })
            | Fact::Cleared { machine, deployment, run } => {
                RowKey::Entry(machine.clone(), deployment.clone(), run.clone())
            }
            Fact::Released { .. } => RowKey::Brake,
            Fact::Held { address, .. } | Fact::Free { address } => RowKey::Address(*address),
            Fact::Bound { mac, .. } | Fact::Unbound { mac } => RowKey::Binding(*mac),
            Fact::OperatorDecision { mac, .. } => RowKey::Approval(*mac),
            Fact::Assigned { mac, .. } => RowKey::Assigned(*mac),
            Fact::Sighting { machine, generation, .. } => RowKey::Sighting(machine.clone(), *generation),
            Fact::Devices => RowKey::Devices,
            Fact::Everything => RowKey::Everything,
        }
    }

    pub(super) fn given(entry: Entry) -> Self {
        Fact::Given(entry.into())
    }

    pub(super) fn bound(binding: Binding) -> Self {
        let Binding { mac, image, number, model, at } = binding;
        Fact::Bound { mac, image: image.wire(), number, model, at }
    }

    /// As a change of a ledger.
    pub(super) fn of_ledger(&self) -> Option<LedgerChange> {
        match self.clone() {
            Fact::Given(given) => Some(LedgerChange::Give(given.into())),
            Fact::Cleared { machine, deployment, run } => {
                Some(LedgerChange::Clear(Key { machine, deployment, run }))
            }
            Fact::Released { at } => Some(LedgerChange::Release(at)),
            _ => None,
        }
    }

    /// As a change of what Macs chose.
    pub(super) fn of_bindings(&self) -> Option<Change> {
        match self.clone() {
            Fact::Bound { mac, image, number, model, at } => {
                Some(Change::Bind(Binding { mac, image: BootImageId::from_wire(image), number, model, at }))
            }
            Fact::Unbound { mac } => Some(Change::Unbind(mac)),
            _ => None,
        }
    }

    /// As something that an operator said.
    pub(super) fn of_approvals(&self) -> Option<OperatorDecision> {
        match *self {
            Fact::OperatorDecision { mac, approved, at } => {
                Some(OperatorDecision { mac: MacAddr(mac), approved, at })
            }
            _ => None,
        }
    }

    /// As a change of what operators assigned.
    pub(super) fn of_assignments(&self) -> Option<AssignmentChange> {
        match self {
            Fact::Assigned { mac, device: None } => Some(AssignmentChange::Remove(MacAddr(*mac))),
            Fact::Assigned { device: Some(text), .. } => {
                let device = serde_json::from_str(text).ok()?;
                Some(AssignmentChange::Put(Box::new(device)))
            }
            _ => None,
        }
    }

    /// As something that was seen of a machine.
    pub(super) fn of_sightings(&self) -> Option<Sighting> {
        match self.clone() {
            Fact::Sighting { machine, generation, starts, file, at } => {
                Some(Sighting { machine, generation, observation: Observation { starts, at, file } })
            }
            _ => None,
        }
    }

    /// The same with times of this host, which the database is ahead of by so many seconds.
    pub(super) fn here(mut self, ahead: i64) -> Self {
        match &mut self {
            Fact::Given(given) => given.move_times(-ahead),
            Fact::Released { at }
            | Fact::Bound { at, .. }
            | Fact::OperatorDecision { at, .. }
            | Fact::Sighting { at, .. } => {
                *at = at.saturating_add_signed(-ahead);
            }
            Fact::Held { until, .. } => *until = until.saturating_add_signed(-ahead),
            _ => {}
        }
        self
    }
}
