//! The state in this host's own file from the time before it shared a database: handed over once,
//! so that nothing is given twice.

use std::net::Ipv4Addr;
use std::sync::Arc;

use bsdp::Change;
use pxe_policy::{Approval, Assignment, AssignmentChange, Entry, Generation};

use super::Shared;
use crate::approvals::Approvals;
use crate::assignments::AssignmentStore;
use crate::bindings::BindingStore;
use crate::durable::{Durable, Hold, LeaseKeep, LedgerKeep, OperatorDecision, Refused};
use crate::file::State;
use crate::leases::LeaseStore;
use crate::ledger::{LedgerStore, now};
use crate::trust::{Sighting, TrustStore};

/// Hands everything over; rows that the database has already stay as they are there. The rows are
/// then forgotten here, so a later start does not bring back rows that were cleared meanwhile.
/// Returns the number of rows; None when the database is away: the file keeps it for the next time.
pub async fn hand_over(
    state: &Arc<State>,
    shared: &Arc<Shared>,
    with_leases: bool,
) -> Result<Option<usize>, redb::Error> {
    if shared.trouble().is_some() {
        return Ok(None);
    }
    let mut count = 0;
    let ledger = LedgerStore::open(Arc::clone(state))?;
    let entries: Vec<Entry> = ledger.with(|ledger| ledger.entries().cloned().collect());
    if !entries.is_empty() {
        count += entries.len();
        let cleared = ledger.with(|ledger| ledger.clearing(|_| true));
        if !kept(shared.keep(LedgerKeep::TakeOver(entries)).await) || !ledger.change(cleared).await {
            return Ok(None);
        }
    }
    shared.set_handed_over();
    let approvals = Approvals::open(Arc::clone(state))?;
    for (mac, (approval, at)) in approvals.verdicts() {
        count += 1;
        let approved = Some(approval == Approval::Approved);
        if !kept(shared.keep(OperatorDecision { mac, approved, at }).await)
            || !approvals.say(mac, None, at).await
        {
            return Ok(None);
        }
    }
    let assignments = AssignmentStore::open(Arc::clone(state))?;
    let devices: Vec<Assignment> = assignments.with(|known| known.iter().cloned().collect());
    for device in devices {
        count += 1;
        let mac = device.mac;
        let is_known = shared.copies().assignments.read().get(mac).is_some();
        let taken = is_known || kept(shared.keep(AssignmentChange::Put(Box::new(device))).await);
        if !taken || assignments.remove(mac).await != Ok(true) {
            return Ok(None);
        }
    }
    let seen = TrustStore::open(Arc::clone(state))?.machines();
    if !seen.is_empty() {
        for (machine, observed) in seen {
            for generation in Generation::ALL {
                let Some(observation) = observed.reaction(generation).cloned() else { continue };
                count += 1;
                let sighting = Sighting { machine: machine.clone(), generation, observation };
                if !kept(shared.keep(sighting).await) {
                    return Ok(None);
                }
            }
        }
        if !TrustStore::forget_all(state).await {
            return Ok(None);
        }
    }
    let (store, bindings) = BindingStore::open(Arc::clone(state))?;
    for binding in bindings.iter() {
        count += 1;
        let mac = binding.mac;
        // Another Mac may have its number there: it then chooses anew.
        if !kept(shared.keep(Change::Bind(binding.clone())).await) || !store.save(Change::Unbind(mac)).await {
            return Ok(None);
        }
    }
    if with_leases {
        let (store, leases) = LeaseStore::open(Arc::clone(state))?;
        for lease in leases {
            let (mac, address, until): (_, Ipv4Addr, _) = (lease.mac, lease.address, lease.until);
            count += 1;
            let lasts = until.saturating_sub(now());
            let hold = Hold { client: mac, address, former: None, lasts, until };
            let taken = lasts == 0 || kept(shared.keep(LeaseKeep::Lease(hold)).await);
            if !taken || !store.remove(mac).await {
                return Ok(None);
            }
        }
    }
    Ok(Some(count))
}

/// Whether the database knows better, or knows now.
fn kept(answer: Result<(), Refused>) -> bool {
    matches!(answer, Ok(()) | Err(Refused::Changed))
}
