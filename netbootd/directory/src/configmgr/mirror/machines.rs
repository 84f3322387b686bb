//! Single machines, read from the site: those whose decision must be current, and those that have
//! just booted. Questions that wait at the same time share their requests.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;
use pxe_policy::{Trouble, TroubleKind};
use tokio::sync::oneshot;

use crate::configmgr::client::Client;
use crate::configmgr::wire::{LastPxe, Membership, System};

/// One machine as the site has it now.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub(super) id: u32,
    /// None when the record is gone.
    pub(super) row: Option<System>,
    pub(super) collections: Vec<String>,
    pub(super) given: Vec<LastPxe>,
}

/// Reads some machines with three requests.
pub(super) async fn read(client: &Client, ids: &[u32]) -> Result<Vec<Machine>, Trouble> {
    let any = |field: &str| {
        let each: Vec<String> = ids.iter().map(|id| format!("{field} eq {id}")).collect();
        each.join(" or ")
    };
    let (by_record, by_member) = (any("ResourceId"), any("ResourceID"));
    let (rows, members, given) = tokio::try_join!(
        client.list::<System>(System::CLASS, &by_record, System::FIELDS),
        client.list::<Membership>(Membership::CLASS, &by_member, &["ResourceID", "CollectionID"]),
        client.list::<LastPxe>(LastPxe::CLASS, &by_record, LastPxe::FIELDS),
    )?;
    let mut rows: HashMap<u64, System> = rows.into_iter().map(|row| (row.resourceid, row)).collect();
    // A site that leaves the id out of the rows was asked about one machine.
    let is_of = |found: u64, id: u32| found == u64::from(id) || (found == 0 && ids.len() == 1);
    let machine = |id: &u32| Machine {
        id: *id,
        row: rows.remove(&u64::from(*id)),
        collections: members
            .iter()
            .filter(|one| is_of(one.resourceid, *id))
            .map(|one| one.collectionid.clone())
            .collect(),
        given: given.iter().filter(|one| is_of(one.resourceid, *id)).cloned().collect(),
    };
    Ok(ids.iter().map(machine).collect())
}

/// Questions about single machines. Those that arrive while one is under way are asked together.
#[derive(Debug, Default)]
pub(super) struct Confirmer {
    waiting: Mutex<Vec<Waiting>>,
    turn: tokio::sync::Mutex<()>,
}

/// A machine, and where its answer goes.
type Waiting = (u32, oneshot::Sender<Result<Machine, Trouble>>);

impl Confirmer {
    /// These machines as the site has them now; `most` of all that wait share a request.
    pub(super) async fn ask(
        &self,
        client: &Client,
        ids: &[u32],
        most: usize,
    ) -> Result<Vec<Machine>, Trouble> {
        let mut machines = Vec::with_capacity(ids.len());
        let mut answers = Vec::with_capacity(ids.len());
        for id in ids {
            let (sender, receiver) = oneshot::channel();
            self.waiting.lock().push((*id, sender));
            answers.push(receiver);
        }
        for mut answer in answers {
            loop {
                tokio::select! {
                    biased;
                    answered = &mut answer => {
                        let broken = |error| Trouble::new(TroubleKind::Failed, error);
                        machines.push(answered.map_err(broken)??);
                        break;
                    }
                    turn = self.turn.lock() => {
                        self.lead(client, most).await;
                        drop(turn);
                    }
                }
            }
        }
        Ok(machines)
    }

    /// Asks for those that have waited longest, and hands out what comes.
    async fn lead(&self, client: &Client, most: usize) {
        let asked: Vec<_> = {
            let mut waiting = self.waiting.lock();
            let count = waiting.len().min(most);
            waiting.drain(..count).filter(|(_, sender)| !sender.is_closed()).collect()
        };
        let ids: HashSet<u32> = asked.iter().map(|(id, _)| *id).collect();
        if ids.is_empty() {
            return;
        }
        let ids: Vec<u32> = ids.into_iter().collect();
        let read = read(client, &ids).await;
        for (id, sender) in asked {
            let machine = match &read {
                Ok(machines) => machines.iter().find(|machine| machine.id == id).cloned().map(Ok),
                Err(trouble) => Some(Err(trouble.clone())),
            };
            if let Some(machine) = machine {
                let _ = sender.send(machine); // the packet's deadline may be over
            }
        }
    }
}
