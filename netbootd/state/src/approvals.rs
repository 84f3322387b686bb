//! Machines that no directory knows, and what operators said of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use netbootd_dhcp::v4::boot_program::request_id;
use parking_lot::{Mutex, MutexGuard};
use pxe_policy::{Approval, BootRequest, MacAddr, Reason, Seconds, UnknownMachines, Verdict};
use redb::{ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};

use crate::durable::{Commit, Durable, OperatorDecision, saved};
use crate::file::State;

/// Hardware address to (approved, seconds since the epoch).
const APPROVALS: TableDefinition<'_, [u8; 6], (bool, u64)> = TableDefinition::new("approvals");

/// Machines that wait for approval, and those that were approved or rejected.
#[derive(Debug)]
pub struct Approvals {
    said: Arc<Mutex<Verdicts>>,
    waiting: Mutex<BTreeMap<MacAddr, Waiting>>,
    keeper: Arc<dyn Durable<OperatorDecision>>,
}

/// Each machine's decision, and its time.
pub type Verdicts = BTreeMap<MacAddr, (Approval, Seconds)>;

/// The decisions, on this host's disk.
#[derive(Debug)]
struct OnDisk {
    said: Arc<Mutex<Verdicts>>,
    state: Arc<State>,
}

#[derive(Debug, Clone)]
struct Waiting {
    request: BootRequest,
    since: Seconds,
    last: Seconds,
}

/// One machine, for operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingView {
    /// The machine's hardware address.
    pub mac: String,
    /// The number on its screen.
    pub id: u32,
    /// The machine's GUID, when it sends one.
    pub uuid: Option<String>,
    /// The machine's architecture in words.
    pub arch: Option<String>,
    /// `pending`, `approved` or `rejected`.
    pub state: String,
    /// When it was first seen, or when it was decided, in seconds since 1970.
    pub at: u64,
}

impl Approvals {
    /// Reads the decisions that operators made before.
    pub fn open(state: Arc<State>) -> Result<Self, redb::Error> {
        state.make_table(APPROVALS)?;
        let mut said = Verdicts::new();
        for entry in state.read()?.open_table(APPROVALS)?.iter()? {
            let (mac, value) = entry?;
            let (approved, at) = value.value();
            said.insert(MacAddr(mac.value()), (approval(approved), at));
        }
        let said = Arc::new(Mutex::new(said));
        let keeper = Arc::new(OnDisk { said: Arc::clone(&said), state });
        Ok(Approvals { said, waiting: Mutex::default(), keeper })
    }

    /// Decisions that survive with `keeper`.
    pub(crate) fn kept_by(keeper: Arc<dyn Durable<OperatorDecision>>, said: Arc<Mutex<Verdicts>>) -> Self {
        Approvals { said, waiting: Mutex::default(), keeper }
    }

    /// The decision about a machine.
    pub fn get(&self, mac: MacAddr) -> Approval {
        locked(&self.said).get(&mac).map_or(Approval::Pending, |(approval, _)| *approval)
    }

    /// The decisions about all machines.
    pub fn verdicts(&self) -> Verdicts {
        locked(&self.said).clone()
    }

    /// Notes a machine that waits. The list is bounded; the least recently seen leaves.
    pub fn heard(&self, request: &BootRequest, verdict: &Verdict, now: Seconds) {
        if verdict.reason != Reason::Pending {
            return;
        }
        let mut waits = locked(&self.waiting);
        if waits.len() >= MAX_WAITING && !waits.contains_key(&request.mac) {
            let oldest = waits.iter().min_by_key(|(_, waiting)| waiting.last).map(|(mac, _)| *mac);
            oldest.map(|mac| waits.remove(&mac));
        }
        let waiting = Waiting { request: request.clone(), since: now, last: now };
        waits.entry(request.mac).or_insert(waiting).last = now;
    }

    /// Everybody, those that wait first.
    pub fn list(&self) -> Vec<PendingView> {
        let view = |mac: &MacAddr, state: &str, at, request: Option<&BootRequest>| PendingView {
            mac: mac.to_string(),
            id: request_id(*mac),
            uuid: request.and_then(|request| request.uuid).map(|uuid| uuid.to_string()),
            arch: request.and_then(BootRequest::arch).map(|arch| arch.to_string()),
            state: state.to_owned(),
            at,
        };
        let said = self.verdicts();
        let waiting = locked(&self.waiting);
        // Another server's operator may have said something meanwhile.
        let waiting = waiting
            .iter()
            .filter(|(mac, _)| !said.contains_key(mac))
            .map(|(mac, waiting)| view(mac, "pending", waiting.since, Some(&waiting.request)));
        let said = said.iter().map(|(mac, (approval, at))| {
            view(mac, if *approval == Approval::Approved { "approved" } else { "rejected" }, *at, None)
        });
        waiting.chain(said).collect()
    }

    /// Approves or rejects a machine, or with None forgets what was said; true once that survives.
    pub async fn say(&self, mac: MacAddr, approved: Option<bool>, now: Seconds) -> bool {
        let kept = self.keeper.keep(OperatorDecision { mac, approved, at: now }).await.is_ok();
        if kept {
            locked(&self.waiting).remove(&mac);
        }
        kept
    }
}

impl Durable<OperatorDecision> for OnDisk {
    fn keep(&self, said: OperatorDecision) -> Commit<'_> {
        Box::pin(async move {
            let OperatorDecision { mac, approved, at } = said;
            let written = self.state.write(move |transaction| {
                let mut table = transaction.open_table(APPROVALS)?;
                match approved {
                    Some(approved) => drop(table.insert(mac.octets(), (approved, at))?),
                    None => drop(table.remove(mac.octets())?),
                }
                Ok(())
            });
            saved(written.await)?;
            apply(&mut locked(&self.said), said);
            Ok(())
        })
    }

    fn is_away(&self) -> bool {
        false
    }
}

/// Why approving or rejecting a machine may not do what is expected; None when it does, or when
/// nothing is said. `seen` tells whether the machine asked here lately, when that is known.
pub fn note(mac: MacAddr, said: Option<bool>, policy: UnknownMachines, seen: Option<bool>) -> Option<String> {
    said?;
    let mut notes = Vec::new();
    if policy != UnknownMachines::Approve {
        notes.push(
            "no machine waits for approval while policy.unknown-machines is not \"approve\"".to_owned(),
        );
    }
    if seen == Some(false) {
        notes.push(format!("{mac} has not asked here lately: check the address"));
    }
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// Applies an operator's decision to the table.
pub(crate) fn apply(verdicts: &mut Verdicts, OperatorDecision { mac, approved, at }: OperatorDecision) {
    match approved {
        Some(approved) => verdicts.insert(mac, (approval(approved), at)),
        None => verdicts.remove(&mac),
    };
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

fn approval(approved: bool) -> Approval {
    if approved { Approval::Approved } else { Approval::Rejected }
}

/// A flood of made-up addresses stays small, and an operator reads no longer list.
const MAX_WAITING: usize = 1000;

#[cfg(test)]
mod tests {
    use pxe_policy::{ArchType, Class, Decision};

    use super::*;

    fn waits(approvals: &Approvals, n: u16, now: Seconds) {
        let [a, b] = n.to_be_bytes();
        let request = BootRequest::asking(MacAddr([2, 0, 0, 0, a, b]), None, ArchType::X64_UEFI, Class::Pxe);
        let verdict = Verdict { decision: Decision::Wait, ..Verdict::silence(Reason::Pending) };
        approvals.heard(&request, &verdict, now);
    }

    #[tokio::test]
    async fn what_operators_said_is_there_after_a_restart_and_the_list_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Approvals::open(Arc::new(State::open(folder.path()).unwrap())).unwrap();
        let approvals = open();
        for n in 0..1200 {
            waits(&approvals, n, n.into());
        }
        let list = approvals.list();
        assert_eq!((list.len(), list[0].mac.as_str(), list[0].id), (MAX_WAITING, "02:00:00:00:00:c8", 0xc8));
        let (one, two) = (MacAddr([2, 0, 0, 0, 4, 1]), MacAddr([2, 0, 0, 0, 4, 2]));
        assert!(approvals.say(one, Some(true), 9).await && approvals.say(two, Some(false), 9).await);
        assert_eq!(approvals.list().len(), MAX_WAITING);
        drop(approvals);
        let approvals = open();
        assert_eq!((approvals.get(one), approvals.get(two)), (Approval::Approved, Approval::Rejected));
        assert!(approvals.say(two, None, 9).await);
        assert_eq!((approvals.get(two), approvals.list().len()), (Approval::Pending, 1));
    }
}
