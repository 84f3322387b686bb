//! The images that Macs chose: in memory, and on the disk or in the database that servers share.

use std::sync::Arc;

use bsdp::{Binding, Bindings, BootImageId, Change};
use parking_lot::Mutex;
use pxe_policy::MacAddr;
use redb::{ReadableTable, TableDefinition};

use crate::durable::{Commit, Durable, Refused, saved};
use crate::file::State;
use crate::shared::Shared;

/// The choices of Macs, and where they survive.
#[derive(Debug)]
pub struct MacBindings {
    bindings: Arc<Mutex<Bindings>>,
    journal: Arc<dyn Durable<Change>>,
    /// Whether a choice counts before it is durable: nobody else writes this host's file.
    counts_at_once: bool,
}

impl MacBindings {
    /// With the choices of this host's file.
    pub fn open(state: Arc<State>) -> Result<Self, redb::Error> {
        let (journal, bindings) = BindingStore::open(state)?;
        let (bindings, journal) = (Arc::new(Mutex::new(bindings)), Arc::new(journal));
        Ok(MacBindings { bindings, journal, counts_at_once: true })
    }

    /// With the choices of a database that several servers share.
    pub fn shared(shared: &Arc<Shared>) -> Self {
        let bindings = Arc::clone(&shared.copies().bindings);
        MacBindings { bindings, journal: Arc::<Shared>::clone(shared), counts_at_once: false }
    }

    /// Reads what Macs have chosen.
    pub fn with<T>(&self, read: impl FnOnce(&Bindings) -> T) -> T {
        read(&self.bindings.lock())
    }

    /// Reads the choices and makes the change that follows. On this host's disk it counts at once;
    /// in a database, once that has decided.
    pub fn with_change<T>(&self, choose: impl FnOnce(&Bindings) -> (T, Option<Change>)) -> T {
        let mut bindings = self.bindings.lock();
        let (value, change) = choose(&bindings);
        if let Some(change) = change.filter(|_| self.counts_at_once) {
            bindings.apply(change);
        }
        value
    }

    /// Makes a change durable.
    pub async fn keep(&self, change: Change) -> Result<(), Refused> {
        self.journal.keep(change).await
    }

    /// Whether a Mac has chosen an image.
    pub fn is_bound(&self, mac: MacAddr) -> bool {
        self.with(|bindings| bindings.get(mac.octets()).is_some())
    }

    /// Every choice of a Mac, by hardware address.
    pub fn list(&self) -> Vec<Binding> {
        self.with(|bindings| bindings.iter().cloned().collect())
    }

    /// Forgets a Mac's choice; None when there is none, else whether that is durable.
    pub async fn forget(&self, mac: MacAddr) -> Option<bool> {
        let change = Change::Unbind(mac.octets());
        let known = self.with_change(|bindings| (bindings.get(mac.octets()).is_some(), Some(change.clone())));
        if known { Some(self.keep(change).await.is_ok()) } else { None }
    }
}

/// Hardware address to (image id, number, model, seconds since the epoch).
const BINDINGS: TableDefinition<'_, [u8; 6], ([u8; 4], u32, &str, u64)> = TableDefinition::new("bindings");

/// The bindings on the disk.
#[derive(Debug, Clone)]
pub struct BindingStore {
    state: Arc<State>,
}

impl BindingStore {
    /// Gives the bindings that are remembered.
    pub fn open(state: Arc<State>) -> Result<(Self, Bindings), redb::Error> {
        state.make_table(BINDINGS)?;
        let mut bindings = Bindings::default();
        for entry in state.read()?.open_table(BINDINGS)?.iter()? {
            let (mac, value) = entry?;
            let (image, number, model, at) = value.value();
            bindings.apply(Change::Bind(Binding {
                mac: mac.value(),
                image: BootImageId::from_wire(image),
                number,
                model: model.to_owned(),
                at,
            }));
        }
        Ok((BindingStore { state }, bindings))
    }

    /// Makes a change; true once it is on the disk.
    pub async fn save(&self, change: Change) -> bool {
        let written = self.state.write(move |transaction| {
            let mut table = transaction.open_table(BINDINGS)?;
            match change {
                Change::Bind(binding) => {
                    let value = (binding.image.wire(), binding.number, binding.model.as_str(), binding.at);
                    table.insert(binding.mac, value)?;
                }
                Change::Unbind(mac) => {
                    table.remove(mac)?;
                }
            }
            Ok(())
        });
        written.await
    }
}

impl Durable<Change> for BindingStore {
    fn keep(&self, change: Change) -> Commit<'_> {
        Box::pin(async move { saved(self.save(change).await) })
    }

    fn is_away(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn choices_are_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let state = Arc::new(State::open(folder.path()).unwrap());
        let (store, mut bindings) = BindingStore::open(state).unwrap();
        assert!(bindings.is_empty());
        for n in 1..=3 {
            let change = Change::Bind(Binding {
                mac: [2, 0, 0, 0, 0, n],
                image: BootImageId::from_wire([0x81, 0, 4, n]),
                number: n.into(),
                model: "iMac14,3".into(),
                at: 1_000,
            });
            bindings.apply(change.clone());
            assert!(store.save(change).await);
        }
        let gone = Change::Unbind([2, 0, 0, 0, 0, 2]);
        bindings.apply(gone.clone());
        assert!(store.save(gone).await);
        drop(store);
        let (_, remembered) = BindingStore::open(Arc::new(State::open(folder.path()).unwrap())).unwrap();
        assert_eq!(remembered, bindings);
    }
}
