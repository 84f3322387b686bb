//! Devices that operators registered, and what each of them boots: next, and from now on.
//!
//! That a machine was given its next boot is written to the ledger, before the reply leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use pxe_policy::{
    Assignment, AssignmentChange, Assignments, BootNext, BootRequest, InvalidAssignment, Ledger, MacAddr,
    Seconds, SystemUuid, Target,
};
use redb::{ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::Mutex;
use tracing::warn;

use crate::durable::{Commit, Durable, Refused, saved};
use crate::file::State;

/// Hardware address to the device as JSON.
const DEVICES: TableDefinition<'_, [u8; 6], &str> = TableDefinition::new("devices");

/// The devices, in memory and where they survive.
#[derive(Debug)]
pub struct AssignmentStore {
    known: Arc<RwLock<Assignments>>,
    keeper: Arc<dyn Durable<AssignmentChange>>,
    /// Held by the operator's request that changes a device.
    turn: Mutex<()>,
    last_number: AtomicU64,
}

/// The devices on this host's disk.
#[derive(Debug)]
struct OnDisk {
    known: Arc<RwLock<Assignments>>,
    state: Arc<State>,
}

/// Why a device stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotChanged {
    /// The fault of the given values.
    #[error(transparent)]
    Invalid(#[from] InvalidAssignment),
    /// There are as many as may be.
    #[error("there are {MAX_DEVICES} devices already; remove some")]
    TooMany,
    /// The time is over already.
    #[error("the time until which it counts is over already")]
    Expired,
    /// The disk or the database.
    #[error("the device could not be saved; see the log for the disk of the state folder")]
    NotSaved,
    /// The shared database cannot be reached.
    #[error("the shared database is not reachable; nothing was changed")]
    Away,
}

/// For how long something is booted in place of what the machine boots usually.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lasts {
    /// For one boot only.
    pub once: bool,
    /// No boot begins with it after this time.
    pub until: Option<Seconds>,
}

/// A change of a device; None leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceUpdate {
    /// Its GUID; Some(None) removes it.
    pub guid: Option<Option<SystemUuid>>,
    /// The new name; None leaves it.
    pub name: Option<String>,
    /// Its tags, in place of all that it has.
    pub tags: Option<Vec<String>>,
    /// The new note; None leaves it.
    pub note: Option<String>,
    /// Its lasting boot assignment; Some(None) leaves it to directories and rules.
    pub boot: Option<Option<Target>>,
}

/// One device, for operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceView {
    /// The device's hardware address.
    pub mac: String,
    /// The device's GUID, when one is known.
    pub guid: Option<String>,
    /// The device's name for people.
    pub name: String,
    /// The words that rules match.
    pub tags: Vec<String>,
    /// The note for people.
    pub note: String,
    /// Its lasting boot assignment.
    pub boot: Option<Target>,
    /// Its next boot, if one is set.
    pub next: Option<NextView>,
}

/// A device's next boot, for operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextView {
    /// The image, file or disk of that boot.
    pub target: Target,
    /// Whether for one boot only.
    pub once: bool,
    /// The last second in which a boot may begin with it, in seconds since 1970.
    pub until: Option<Seconds>,
    /// When an operator asked for it.
    pub at: Seconds,
    /// When the machine was given it, if it was; it is used up then.
    pub used: Option<Seconds>,
    /// Whether its time is over.
    pub expired: bool,
}

impl AssignmentStore {
    /// Opens the devices on this host's disk.
    pub fn open(state: Arc<State>) -> Result<Self, redb::Error> {
        state.make_table(DEVICES)?;
        let mut known = Assignments::default();
        for row in state.read()?.open_table(DEVICES)?.iter()? {
            let (mac, text) = row?;
            match serde_json::from_str::<Assignment>(text.value()) {
                Ok(device) => known.apply(AssignmentChange::Put(Box::new(device))),
                Err(error) => warn!(mac = %MacAddr(mac.value()), %error, "a device could not be read"),
            }
        }
        let known = Arc::new(RwLock::new(known));
        let keeper = Arc::new(OnDisk { known: Arc::clone(&known), state });
        Ok(AssignmentStore::kept_by(keeper, known))
    }

    /// Devices that survive with `keeper`.
    pub(crate) fn kept_by(
        keeper: Arc<dyn Durable<AssignmentChange>>,
        known: Arc<RwLock<Assignments>>,
    ) -> Self {
        AssignmentStore { known, keeper, turn: Mutex::default(), last_number: AtomicU64::default() }
    }

    /// The device that asks.
    pub fn find(&self, request: &BootRequest) -> Option<Assignment> {
        self.known.read().find(request).cloned()
    }

    /// Looks into the devices.
    pub fn with<T>(&self, look: impl FnOnce(&Assignments) -> T) -> T {
        look(&self.known.read())
    }

    /// Every device, by hardware address.
    pub fn list(&self, ledger: &Ledger, now: Seconds) -> Vec<DeviceView> {
        self.with(|known| known.iter().map(|device| view(device, ledger, now)).collect())
    }

    /// One device as operators see it.
    pub fn view(&self, mac: MacAddr, ledger: &Ledger, now: Seconds) -> Option<DeviceView> {
        self.with(|known| known.get(mac).map(|device| view(device, ledger, now)))
    }

    /// Lets a machine boot something next, in place of what was wanted before.
    pub async fn boot_next(
        &self,
        mac: MacAddr,
        target: Target,
        lasts: Lasts,
        now: Seconds,
    ) -> Result<(), NotChanged> {
        let Lasts { once, until } = lasts;
        if until.is_some_and(|until| until < now) {
            return Err(NotChanged::Expired);
        }
        let number = self.number(mac, now);
        let next = BootNext { target, once, until, at: now, number };
        self.change(mac, |device| device.next = Some(next)).await
    }

    /// Takes back what a machine was to boot next; false when there was nothing.
    pub async fn cancel(&self, mac: MacAddr) -> Result<bool, NotChanged> {
        if self.with(|known| known.get(mac).is_none_or(|device| device.next.is_none())) {
            return Ok(false);
        }
        self.change(mac, |device| device.next = None).await.map(|()| true)
    }

    /// Registers a device, or changes it.
    pub async fn update(&self, mac: MacAddr, update: DeviceUpdate) -> Result<(), NotChanged> {
        let DeviceUpdate { guid, name, tags, note, boot } = update;
        self.change(mac, |device| {
            device.guid = guid.unwrap_or(device.guid);
            device.boot = boot.unwrap_or(device.boot.take());
            for (text, new) in [(&mut device.name, name), (&mut device.note, note)] {
                *text = new.map_or_else(|| std::mem::take(text), |new| new.trim().to_owned());
            }
            if let Some(tags) = tags {
                device.tags = tags;
                device.tags.sort();
                device.tags.dedup();
            }
        })
        .await
    }

    /// Removes a device with everything that is said of it; false when there is none.
    pub async fn remove(&self, mac: MacAddr) -> Result<bool, NotChanged> {
        let _turn = self.turn.lock().await;
        if self.with(|known| known.get(mac).is_none()) {
            return Ok(false);
        }
        self.keep(AssignmentChange::Remove(mac)).await.map(|()| true)
    }

    async fn change(&self, mac: MacAddr, change: impl FnOnce(&mut Assignment)) -> Result<(), NotChanged> {
        let _turn = self.turn.lock().await;
        let known = self.with(|known| known.get(mac).cloned());
        if known.is_none() && self.with(Assignments::len) >= MAX_DEVICES {
            return Err(NotChanged::TooMany);
        }
        let is_registered = known.as_ref().is_some_and(Assignment::is_device);
        let mut device = known.unwrap_or_else(|| Assignment::new(mac));
        change(&mut device);
        device.check()?;
        // One that was there for its next boot alone leaves with it.
        if !is_registered && !device.is_device() && device.next.is_none() {
            return self.keep(AssignmentChange::Remove(mac)).await;
        }
        self.keep(AssignmentChange::Put(Box::new(device))).await
    }

    async fn keep(&self, change: AssignmentChange) -> Result<(), NotChanged> {
        self.keeper.keep(change).await.map_err(|refused| match refused {
            Refused::Away => NotChanged::Away,
            Refused::NotSaved | Refused::No(_) | Refused::Changed => NotChanged::NotSaved,
        })
    }

    /// Tells one next boot of a machine from every other, also when the clock was set back.
    fn number(&self, mac: MacAddr, now: Seconds) -> u64 {
        let of_device = self.with(|known| known.get(mac)?.next.as_ref().map(|next| next.number));
        let least = of_device.unwrap_or_default().max(self.last_number.load(Ordering::Relaxed)) + 1;
        let number = least.max(now.saturating_mul(1_000_000));
        self.last_number.fetch_max(number, Ordering::Relaxed);
        number
    }
}

impl Durable<AssignmentChange> for OnDisk {
    fn keep(&self, change: AssignmentChange) -> Commit<'_> {
        Box::pin(async move {
            let (mac, text) = (change.mac().octets(), json(&change));
            let written = self.state.write(move |transaction| {
                let mut table = transaction.open_table(DEVICES)?;
                match &text {
                    Some(text) => drop(table.insert(mac, text.as_str())?),
                    None => drop(table.remove(mac)?),
                }
                Ok(())
            });
            saved(written.await)?;
            self.known.write().apply(change);
            Ok(())
        })
    }

    fn is_away(&self) -> bool {
        false
    }
}

/// The device as it is stored; None when it is removed.
pub(crate) fn json(change: &AssignmentChange) -> Option<String> {
    match change {
        // Plain values have a JSON form.
        AssignmentChange::Put(device) => Some(serde_json::to_string(device).unwrap_or_default()),
        AssignmentChange::Remove(_) => None,
    }
}

fn view(device: &Assignment, ledger: &Ledger, now: Seconds) -> DeviceView {
    let next = device.next.as_ref().map(|next| NextView {
        target: next.target.clone(),
        once: next.once,
        until: next.until,
        at: next.at,
        used: ledger.given_at(device, next),
        expired: next.has_expired(now),
    });
    DeviceView {
        mac: device.mac.to_string(),
        guid: device.guid.map(|guid| guid.to_string()),
        name: device.name.clone(),
        tags: device.tags.clone(),
        note: device.note.clone(),
        boot: device.boot.clone(),
        next,
    }
}

/// The number of devices; they take about 20 MB.
const MAX_DEVICES: usize = 65_536;

#[cfg(test)]
mod tests;
