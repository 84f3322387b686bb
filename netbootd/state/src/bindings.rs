//! What Macs chose, on the disk.

use std::sync::Arc;

use bsdp::{Binding, Bindings, BootImageId, Change};
use redb::{ReadableTable, TableDefinition};

use crate::durable::{Commit, Durable, saved};
use crate::file::State;

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

    fn is_shared(&self) -> bool {
        false
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
