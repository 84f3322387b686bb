//! What came of a change, as it is written to the database and told to every server.

use std::net::Ipv4Addr;

use bsdp::{Binding, BootImageId, Change};
use pxe_policy::{Entry, LedgerChange, MacAddr, Seconds};
use serde::{Deserialize, Serialize};

use crate::keep::Said;

/// One row as it is now. Times are the database's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Fact {
    Given {
        machine: String,
        deployment: String,
        mac: [u8; 6],
        name: String,
        at: Seconds,
    },
    Cleared {
        machine: String,
        deployment: String,
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
    Said {
        mac: [u8; 6],
        approved: Option<bool>,
        at: Seconds,
    },
    /// The devices are others.
    Devices,
    /// Too much to tell: everything has to be read again.
    Everything,
}

/// What a server tells the others.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Notice {
    /// The number of the transaction.
    pub(super) revision: i64,
    pub(super) fact: Fact,
}

/// What a row is found by: the last fact of a row counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Entry(String, String),
    Brake,
    Address(Ipv4Addr),
    Binding([u8; 6]),
    Approval([u8; 6]),
    Devices,
    Everything,
}

impl Fact {
    pub(super) fn key(&self) -> Key {
        match self {
            Fact::Given { machine, deployment, .. } | Fact::Cleared { machine, deployment } => {
                Key::Entry(machine.clone(), deployment.clone())
            }
            Fact::Released { .. } => Key::Brake,
            Fact::Held { address, .. } | Fact::Free { address } => Key::Address(*address),
            Fact::Bound { mac, .. } | Fact::Unbound { mac } => Key::Binding(*mac),
            Fact::Said { mac, .. } => Key::Approval(*mac),
            Fact::Devices => Key::Devices,
            Fact::Everything => Key::Everything,
        }
    }

    pub(super) fn given(entry: Entry) -> Self {
        let Entry { machine, deployment, mac, name, at } = entry;
        Fact::Given { machine, deployment, mac: mac.octets(), name, at }
    }

    pub(super) fn bound(binding: Binding) -> Self {
        let Binding { mac, image, number, model, at } = binding;
        Fact::Bound { mac, image: image.wire(), number, model, at }
    }

    /// As a change of a ledger.
    pub(super) fn of_ledger(&self) -> Option<LedgerChange> {
        match self.clone() {
            Fact::Given { machine, deployment, mac, name, at } => {
                Some(LedgerChange::Give(Entry { machine, deployment, mac: MacAddr(mac), name, at }))
            }
            Fact::Cleared { machine, deployment } => Some(LedgerChange::Clear { machine, deployment }),
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
    pub(super) fn of_approvals(&self) -> Option<Said> {
        match *self {
            Fact::Said { mac, approved, at } => Some(Said { mac: MacAddr(mac), approved, at }),
            _ => None,
        }
    }

    /// The same with times of this host, which the database is ahead of by so many seconds.
    pub(super) fn here(mut self, ahead: i64) -> Self {
        match &mut self {
            Fact::Given { at, .. }
            | Fact::Released { at }
            | Fact::Bound { at, .. }
            | Fact::Said { at, .. } => {
                *at = at.saturating_add_signed(-ahead);
            }
            Fact::Held { until, .. } => *until = until.saturating_add_signed(-ahead),
            _ => {}
        }
        self
    }
}
