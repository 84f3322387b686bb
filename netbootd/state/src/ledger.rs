//! The ledger of Required deployments, where it survives before a reply leaves.

pub(crate) mod disk;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::{Mutex, MutexGuard, RwLock};
use pxe_policy::{
    BootNext, Claimed, Deployed, Entry, Key, Ledger, LedgerChange, MacAddr, Purpose, Ran, Reason, Seconds,
    Settings,
};
use serde::{Deserialize, Serialize};

use crate::durable::{Durable, LedgerKeep};
use crate::file::State;

/// The ledger, in memory and where it survives. Clones share it.
#[derive(Debug, Clone)]
pub struct LedgerStore {
    ledger: Arc<RwLock<Ledger>>,
    keeper: Arc<dyn Durable<LedgerKeep>>,
    /// Entries of deployments that another server has been asked for and has not answered yet.
    tentative: Arc<Mutex<HashSet<Key>>>,
}

/// A deployment that another server is being asked for.
#[derive(Debug)]
#[must_use = "it is settled once the other server has answered"]
pub struct Begun(Key);

/// One entry, for operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerView {
    /// The name of the machine, for people.
    pub name: String,
    /// The hardware address it asked with.
    pub mac: String,
    /// The machine's GUID, when it is known.
    #[serde(default)]
    pub guid: Option<String>,
    /// The id of the deployment.
    pub deployment: String,
    /// The run of it, when one is named.
    #[serde(default)]
    pub run: Option<String>,
    /// The machine, as the ledger knows it.
    pub machine: String,
    /// Its record at the site.
    #[serde(default)]
    pub record: Option<String>,
    /// When, in seconds since 1970.
    pub at: u64,
}

impl From<&Entry> for LedgerView {
    fn from(entry: &Entry) -> Self {
        LedgerView {
            name: entry.name.clone(),
            mac: entry.mac.to_string(),
            guid: entry.guid.map(|guid| guid.to_string()),
            deployment: entry.key.deployment.clone(),
            run: Some(entry.key.run.clone()).filter(|run| !run.is_empty()),
            machine: entry.key.machine.clone(),
            record: entry.record.clone(),
            at: entry.at,
        }
    }
}

/// Which entries are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Which {
    /// The hardware address to clear; None for every machine.
    pub mac: Option<MacAddr>,
    /// Of this deployment, whatever its run.
    pub deployment: Option<String>,
}

impl LedgerStore {
    /// Opens the ledger on this host's disk.
    pub fn open(state: Arc<State>) -> Result<Self, redb::Error> {
        let ledger = Arc::new(RwLock::new(disk::read(&state)?));
        let keeper = Arc::new(disk::OnDisk::new(Arc::clone(&ledger), state));
        Ok(LedgerStore { ledger, keeper, tentative: Arc::default() })
    }

    /// A ledger whose changes survive with `keeper`.
    pub(crate) fn kept_by(keeper: Arc<dyn Durable<LedgerKeep>>, ledger: Arc<RwLock<Ledger>>) -> Self {
        LedgerStore { ledger, keeper, tentative: Arc::default() }
    }

    /// Whether nothing can be given at present.
    pub fn is_away(&self) -> bool {
        self.keeper.is_away()
    }

    /// Looks into it; others may look at the same time.
    pub fn with<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&self.ledger.read())
    }

    /// Writes down that a machine is given a Required deployment. An error is the reason why it
    /// must not be.
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
        let give = LedgerKeep::Give {
            claim: Box::new(deployed.clone()),
            mac,
            now,
            same_boot: settings.same_boot,
            brake: settings.brake,
        };
        self.keeper.keep(give).await.map_err(|refused| refused.reason(Reason::LedgerNotSaved))
    }

    /// The same for a deployment that another server is asked for: that server may note it with its
    /// first answer, so it is written down before the question leaves. [`LedgerStore::settle`]
    /// follows; None when there is nothing to settle.
    pub async fn begin(
        &self,
        deployed: &Deployed,
        mac: MacAddr,
        settings: &Settings,
        now: Seconds,
    ) -> Result<Option<Begun>, Reason> {
        if deployed.purpose != Purpose::Required {
            return Ok(None);
        }
        let is_new = self.with(|ledger| ledger.ran(deployed, now, settings.same_boot)) != Ran::ThisBoot;
        self.give(deployed, mac, settings, now).await?;
        let Some(key) = self.with(|ledger| key_of(ledger, deployed, mac, now)) else { return Ok(None) };
        if is_new {
            self.tentative().insert(key.clone());
        }
        Ok(Some(Begun(key)))
    }

    /// Keeps what was begun once the machine is `given` it; otherwise takes it back. Of two
    /// questions of one machine, either may be answered.
    pub async fn settle(&self, Begun(key): Begun, given: bool) {
        if self.tentative().remove(&key) && !given {
            self.change(vec![LedgerChange::Clear(key)]).await;
        }
    }

    /// Writes down what requests tell of entries.
    pub async fn amend(&self, learned: Vec<Entry>) {
        self.change(learned.into_iter().map(LedgerChange::Amend).collect()).await;
    }

    /// Clears what matches; gives what was cleared, or None when the disk does not take it.
    pub async fn clear(&self, which: &Which) -> Option<Vec<LedgerView>> {
        let matches = |entry: &Entry| {
            entry.key.deployment != Deployed::BOOT_NEXT
                && which.mac.is_none_or(|mac| entry.mac == mac)
                && which.deployment.as_ref().is_none_or(|deployment| *deployment == entry.key.deployment)
        };
        let (changes, cleared) = self.with(|ledger| {
            let cleared: Vec<LedgerView> =
                ledger.entries().filter(|entry| matches(entry)).map(LedgerView::from).collect();
            (ledger.clearing(matches), cleared)
        });
        self.change(changes).await.then_some(cleared)
    }

    /// Forgets that a machine was given a next boot, which is wanted no more.
    pub async fn forget_boot_next(&self, next: &BootNext) {
        let record = next.record();
        let changes = self.with(|ledger| ledger.clearing(|entry| entry.record.as_deref() == Some(&record)));
        if !changes.is_empty() {
            self.change(changes).await;
        }
    }

    /// Releases the brake; true once that is on the disk.
    pub async fn release(&self, now: Seconds) -> bool {
        self.change(vec![LedgerChange::Release(now)]).await
    }

    pub(crate) async fn change(&self, changes: Vec<LedgerChange>) -> bool {
        self.keeper.keep(LedgerKeep::Change(changes)).await.is_ok()
    }

    fn tentative(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.tentative.lock()
    }
}

/// The key of the entry that was given a moment ago.
fn key_of(ledger: &Ledger, deployed: &Deployed, mac: MacAddr, now: Seconds) -> Option<Key> {
    match ledger.claim(deployed, mac, now, A_MOMENT, None) {
        Ok(Claimed::There(entry) | Claimed::Made(entry)) => Some(entry.key),
        Err(_) => None,
    }
}

/// Longer than the disk or a database takes.
const A_MOMENT: Duration = Duration::from_secs(60);

/// The seconds since 1970, by the host's clock.
pub fn now() -> Seconds {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
