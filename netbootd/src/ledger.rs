//! The ledger of Required deployments, where it survives before a reply leaves.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pxe_policy::{
    Brake, Deployed, Entry, Ledger, LedgerChange, MacAddr, Purpose, Ran, Reason, Seconds, Settings,
};
use redb::{ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};

use crate::keep::{Keep, Keeping, LedgerKeep, Refused, saved};
use crate::shared::Shared;
use crate::state::State;

/// (machine, deployment) to (hardware address, name, seconds since the epoch).
const LEDGER: TableDefinition<'_, (&str, &str), ([u8; 6], &str, u64)> = TableDefinition::new("ledger");
/// When the brake was last released.
const BRAKE: TableDefinition<'_, (), u64> = TableDefinition::new("brake");

/// The ledger, in memory and where it survives.
#[derive(Debug)]
pub struct LedgerStore {
    ledger: Arc<RwLock<Ledger>>,
    keeper: Arc<dyn Keep<LedgerKeep>>,
}

/// The ledger on this host's disk: what is in memory is all there is.
#[derive(Debug)]
struct OnDisk {
    ledger: Arc<RwLock<Ledger>>,
    /// Entries of the ledger, as (machine, deployment), that are not on the disk yet.
    unsaved: Mutex<HashSet<(String, String)>>,
    state: Arc<State>,
}

/// One entry, for operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerView {
    /// The machine's name.
    pub name: String,
    /// The hardware address it asked with.
    pub mac: String,
    /// The deployment.
    pub deployment: String,
    /// The machine, as the ledger knows it.
    pub machine: String,
    /// When, in seconds since 1970.
    pub at: u64,
}

impl From<&Entry> for LedgerView {
    fn from(entry: &Entry) -> Self {
        LedgerView {
            name: entry.name.clone(),
            mac: entry.mac.to_string(),
            deployment: entry.deployment.clone(),
            machine: entry.machine.clone(),
            at: entry.at,
        }
    }
}

/// Which entries are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Which {
    /// Of this machine.
    pub mac: Option<MacAddr>,
    /// Of this deployment.
    pub deployment: Option<String>,
}

impl LedgerStore {
    /// Takes up what is remembered.
    pub fn open(state: Arc<State>) -> Result<Self, redb::Error> {
        state.make_table(LEDGER)?;
        state.make_table(BRAKE)?;
        let mut ledger = Ledger::default();
        let reading = state.read()?;
        for entry in reading.open_table(LEDGER)?.iter()? {
            let (key, value) = entry?;
            let ((machine, deployment), (mac, name, at)) = (key.value(), value.value());
            ledger.apply(LedgerChange::Give(Entry {
                machine: machine.to_owned(),
                deployment: deployment.to_owned(),
                mac: MacAddr(mac),
                name: name.to_owned(),
                at,
            }));
        }
        if let Some(at) = reading.open_table(BRAKE)?.get(())? {
            ledger.apply(LedgerChange::Release(at.value()));
        }
        let ledger = Arc::new(RwLock::new(ledger));
        let keeper = Arc::new(OnDisk { ledger: Arc::clone(&ledger), unsaved: Mutex::default(), state });
        Ok(LedgerStore { ledger, keeper })
    }

    /// The one of a database that several servers share.
    pub fn shared(shared: &Arc<Shared>) -> Self {
        LedgerStore { ledger: Arc::clone(&shared.copies().ledger), keeper: Arc::<Shared>::clone(shared) }
    }

    /// Whether nothing can be given at present.
    pub fn is_away(&self) -> bool {
        self.keeper.is_away()
    }

    /// Looks into it; others may look at the same time.
    pub fn with<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&self.ledger.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes down that a machine is given a Required deployment. An error is the reason why it must not be.
    pub async fn give(
        &self,
        deployed: &Deployed,
        mac: MacAddr,
        settings: &Settings,
        now: Seconds,
    ) -> Result<(), Reason> {
        if deployed.purpose != Purpose::Required {
            return Ok(());
        }
        let entry = Entry {
            machine: deployed.machine.clone(),
            deployment: deployed.id.clone(),
            mac,
            name: deployed.name.clone(),
            at: now,
        };
        let give = LedgerKeep::Give { entry, same_boot: settings.same_boot, brake: settings.brake };
        self.keeper.keep(give).await.map_err(|refused| refused.reason(Reason::LedgerNotSaved))
    }

    /// Clears what matches; gives what was cleared, or None when the disk does not take it.
    pub async fn clear(&self, which: &Which) -> Option<Vec<LedgerView>> {
        let matches = |entry: &Entry| {
            which.mac.is_none_or(|mac| entry.mac == mac)
                && which.deployment.as_ref().is_none_or(|deployment| *deployment == entry.deployment)
        };
        let (changes, cleared) = self.with(|ledger| {
            let cleared: Vec<LedgerView> =
                ledger.entries().filter(|entry| matches(entry)).map(LedgerView::from).collect();
            (ledger.clearing(matches), cleared)
        });
        self.change(changes).await.then_some(cleared)
    }

    /// Releases the brake; true once that is on the disk.
    pub async fn release(&self, now: Seconds) -> bool {
        self.change(vec![LedgerChange::Release(now)]).await
    }

    pub(crate) async fn change(&self, changes: Vec<LedgerChange>) -> bool {
        self.keeper.keep(LedgerKeep::Change(changes)).await.is_ok()
    }
}

impl Keep<LedgerKeep> for OnDisk {
    fn keep(&self, change: LedgerKeep) -> Keeping<'_> {
        Box::pin(async move {
            match change {
                LedgerKeep::Give { entry, same_boot, brake } => self.give(entry, same_boot, brake).await,
                LedgerKeep::Change(changes) => saved(self.change(changes).await),
                LedgerKeep::TakeOver(entries) => {
                    saved(self.change(entries.into_iter().map(LedgerChange::Give).collect()).await)
                }
            }
        })
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn is_away(&self) -> bool {
        false
    }
}

impl OnDisk {
    async fn give(&self, entry: Entry, same_boot: Duration, brake: Option<Brake>) -> Result<(), Refused> {
        let undone =
            LedgerChange::Clear { machine: entry.machine.clone(), deployment: entry.deployment.clone() };
        let change = LedgerChange::Give(entry.clone());
        let key = (entry.machine.clone(), entry.deployment.clone());
        {
            let mut ledger = self.ledger.write().unwrap_or_else(PoisonError::into_inner);
            // Others may have been given theirs since the decision.
            if may_give(&ledger, &entry, same_boot, brake).map_err(Refused::No)? {
                self.unsaved().insert(key.clone());
                ledger.apply(change.clone());
            } else if !self.unsaved().contains(&key) {
                return Ok(());
            }
            // A machine that asks again before the disk has it waits as it did the first time.
        }
        if self.save(vec![change]).await {
            self.unsaved().remove(&key);
            return Ok(());
        }
        self.ledger.write().unwrap_or_else(PoisonError::into_inner).apply(undone);
        self.unsaved().remove(&key);
        Err(Refused::NotSaved)
    }

    fn unsaved(&self) -> MutexGuard<'_, HashSet<(String, String)>> {
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// On the disk first, then in memory: what is cleared may be given again.
    async fn change(&self, changes: Vec<LedgerChange>) -> bool {
        if !self.save(changes.clone()).await {
            return false;
        }
        let mut ledger = self.ledger.write().unwrap_or_else(PoisonError::into_inner);
        changes.into_iter().for_each(|change| ledger.apply(change));
        true
    }

    async fn save(&self, changes: Vec<LedgerChange>) -> bool {
        let written = self.state.write(move |transaction| {
            let mut table = transaction.open_table(LEDGER)?;
            for change in changes {
                match change {
                    LedgerChange::Give(entry) => {
                        let key = (entry.machine.as_str(), entry.deployment.as_str());
                        table.insert(key, (entry.mac.octets(), entry.name.as_str(), entry.at))?;
                    }
                    LedgerChange::Clear { machine, deployment } => {
                        table.remove((machine.as_str(), deployment.as_str()))?;
                    }
                    LedgerChange::Release(at) => {
                        transaction.open_table(BRAKE)?.insert((), at)?;
                    }
                }
            }
            Ok(())
        });
        written.await
    }
}

/// Whether an entry has to be made for a machine to get its Required deployment; not within the boot that it was made for. An error is the
/// reason why the machine must not get it.
pub(crate) fn may_give(
    ledger: &Ledger,
    entry: &Entry,
    same_boot: Duration,
    brake: Option<Brake>,
) -> Result<bool, Reason> {
    match ledger.ran(&entry.machine, &entry.deployment, entry.at, same_boot) {
        Ran::ThisBoot => Ok(false),
        Ran::Before { .. } => Err(Reason::AlreadyRun),
        Ran::Never if brake.is_some_and(|brake| ledger.is_braked(brake, entry.at)) => Err(Reason::Brake),
        Ran::Never => Ok(true),
    }
}

/// Seconds since 1970.
pub fn now() -> Seconds {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn deployed(machine: &str) -> Deployed {
        Deployed {
            id: "PS120083".into(),
            purpose: Purpose::Required,
            machine: machine.into(),
            name: machine.into(),
        }
    }

    #[tokio::test]
    async fn who_asks_twice_is_told_by_neither_answer_before_the_disk_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let state = Arc::new(State::open(folder.path()).unwrap());
        let store = LedgerStore::open(Arc::clone(&state)).unwrap();
        let (holds, held) = std::sync::mpsc::channel();
        let (lets_go, let_go) = std::sync::mpsc::channel::<()>();
        let busy = state.write(move |_| {
            holds.send(()).unwrap();
            let_go.recv().unwrap();
            Ok(())
        });
        let mut busy = Box::pin(busy);
        let mut context = Context::from_waker(Waker::noop());
        assert!(busy.as_mut().poll(&mut context).is_pending());
        held.recv().unwrap();
        let settings = Settings::default();
        let (asked, machine) = (MacAddr([2; 6]), deployed("a"));
        let mut first = Box::pin(store.give(&machine, asked, &settings, 1000));
        let mut second = Box::pin(store.give(&machine, asked, &settings, 1001));
        assert_eq!(first.as_mut().poll(&mut context), Poll::Pending);
        assert_eq!(second.as_mut().poll(&mut context), Poll::Pending);
        lets_go.send(()).unwrap();
        assert!(busy.await);
        assert_eq!((first.await, second.await), (Ok(()), Ok(())));
    }

    #[tokio::test]
    async fn what_was_given_is_there_after_a_restart_and_the_brake_holds() {
        let folder = tempfile::tempdir().unwrap();
        let open = || LedgerStore::open(Arc::new(State::open(folder.path()).unwrap())).unwrap();
        let store = open();
        let brake = Some(Brake { boots: 2, within: Duration::from_secs(600) });
        let settings = Settings { brake, ..Settings::default() };
        let mac = MacAddr([2; 6]);
        assert_eq!(store.give(&deployed("a"), mac, &settings, 1000).await, Ok(()));
        assert_eq!(store.give(&deployed("a"), mac, &settings, 1000).await, Ok(()), "the same boot");
        assert_eq!(store.give(&deployed("b"), mac, &settings, 1000).await, Ok(()));
        assert_eq!(store.give(&deployed("c"), mac, &settings, 1000).await, Err(Reason::Brake));
        drop(store);
        let store = open();
        let later = Settings { same_boot: Duration::ZERO, ..settings.clone() };
        assert_eq!(store.give(&deployed("a"), mac, &later, 1001).await, Err(Reason::AlreadyRun));
        assert!(store.release(1001).await);
        assert_eq!(store.clear(&Which { mac: Some(mac), deployment: None }).await.unwrap().len(), 2);
        drop(store);
        let store = open();
        assert_eq!(store.with(|ledger| ledger.entries().count()), 0);
        assert_eq!(store.give(&deployed("c"), mac, &settings, 1000).await, Ok(()));
    }
}
