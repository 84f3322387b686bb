//! Machines' reactions to boot programs of each generation of Secure Boot authorities.
//!
//! A server keeps what it saw itself; servers that share a database know what any of them saw. A
//! machine is found by its GUID, else by its hardware address.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use pxe_policy::{BootRequest, Generation, Observation, Observed, is_shared};
use redb::{ReadableTable, ReadableTableMetadata, TableDefinition};
use serde::Serialize;
use tokio::runtime::Handle;
use tracing::warn;

use crate::durable::{Commit, Durable, saved};
use crate::file::State;

/// GUID or hardware address to [`Observed`] in JSON.
const TRUST: TableDefinition<'_, &str, &str> = TableDefinition::new("secure-boot");

/// The machines of which something was seen, at most [`MAX_MACHINES`].
#[derive(Debug)]
pub struct TrustStore {
    known: Arc<Mutex<SeenMachines>>,
    keeper: Arc<dyn Durable<Sighting>>,
}

/// Machines by their keys ([`key`]), with the last sighting of each generation.
pub type SeenMachines = HashMap<String, Observed>;

/// A machine that started or refused a program of one generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The machine's GUID or hardware address ([`key`]).
    pub machine: String,
    /// The generation of the program's signers.
    pub generation: Generation,
    /// Whether it started the program, and when.
    pub observation: Observation,
}

/// On this host's disk.
#[derive(Debug)]
struct OnDisk {
    known: Arc<Mutex<SeenMachines>>,
    state: Arc<State>,
}

/// How many machines were seen to start programs of each generation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TrustCounts {
    /// Machines of which anything was seen.
    pub machines: usize,
    /// They started a program of 2023 the last time that they were given one.
    pub ready_for_2023: usize,
    /// They did not start it.
    pub refuse_2023: usize,
    /// They started a program of 2011 the last time that they were given one.
    pub start_2011: usize,
    /// They did not start it.
    pub refuse_2011: usize,
}

impl TrustStore {
    /// Reads what the state file holds.
    pub fn open(state: Arc<State>) -> Result<Self, redb::Error> {
        state.make_table(TRUST)?;
        let mut known = HashMap::new();
        for row in state.read()?.open_table(TRUST)?.iter()? {
            let (key, text) = row?;
            match serde_json::from_str::<Observed>(text.value()) {
                Ok(observed) => drop(known.insert(key.value().to_owned(), observed)),
                Err(error) => warn!(machine = key.value(), %error, "what it trusts could not be read"),
            }
        }
        let known = Arc::new(Mutex::new(known));
        let keeper = Arc::new(OnDisk { known: Arc::clone(&known), state });
        Ok(TrustStore { known, keeper })
    }

    /// With machines that are kept with `keeper`.
    pub(crate) fn kept_by(keeper: Arc<dyn Durable<Sighting>>, known: Arc<Mutex<SeenMachines>>) -> Self {
        TrustStore { known, keeper }
    }

    /// Every machine of which something was seen.
    pub fn machines(&self) -> SeenMachines {
        self.known.lock().clone()
    }

    /// Forgets every machine; true once that survives.
    pub(crate) async fn forget_all(state: &State) -> bool {
        let written = state.write(|transaction| {
            transaction.open_table(TRUST)?.retain(|_, _| false)?;
            Ok(())
        });
        written.await
    }

    /// The observations of a machine.
    pub fn get(&self, key: &str) -> Observed {
        self.known.lock().get(key).cloned().unwrap_or_default()
    }

    /// Keeps what was seen of a machine just now; it is written down in the background.
    pub fn put(&self, key: &str, generation: Generation, observation: Observation) {
        let sighting = Sighting { machine: key.to_owned(), generation, observation };
        let is_news = apply(&mut self.known.lock(), &sighting);
        let keeper = Arc::clone(&self.keeper);
        let Some(runtime) = Handle::try_current().ok().filter(|_| is_news) else { return };
        // One that is lost is seen again.
        runtime.spawn(async move { keeper.keep(sighting).await });
    }

    /// How many machines start programs of each generation.
    pub fn counts(&self) -> TrustCounts {
        let known = self.known.lock();
        let count = |generation, starts| {
            let is =
                |observed: &&Observed| observed.reaction(generation).is_some_and(|one| one.starts == starts);
            known.values().filter(is).count()
        };
        TrustCounts {
            machines: known.len(),
            ready_for_2023: count(Generation::Of2023, true),
            refuse_2023: count(Generation::Of2023, false),
            start_2011: count(Generation::Of2011, true),
            refuse_2011: count(Generation::Of2011, false),
        }
    }
}

/// The key of a machine: its GUID, unless many machines have it, else its hardware address.
pub fn key(request: &BootRequest) -> String {
    let guid = request.uuid.filter(|guid| !is_shared(*guid));
    guid.map_or_else(|| request.mac.to_string(), |guid| guid.to_string())
}

/// Adds a sighting, unless a later one is known. Returns whether it is to be written: one that
/// repeats what is known is written once a day. The machine of which nothing was seen for longest
/// leaves a full table.
pub(crate) fn apply(known: &mut SeenMachines, sighting: &Sighting) -> bool {
    let Sighting { machine, generation, observation } = sighting;
    if known.len() >= MAX_MACHINES && !known.contains_key(machine) {
        let gone = oldest(known);
        gone.iter().for_each(|gone| drop(known.remove(gone)));
    }
    let observed = known.entry(machine.clone()).or_default();
    let before = observed.reaction(*generation);
    if before.is_some_and(|before| before.at > observation.at) {
        return false;
    }
    let is_same = before.is_some_and(|before| {
        before.starts == observation.starts
            && before.file == observation.file
            && observation.at - before.at < A_DAY
    });
    if !is_same {
        observed.put(*generation, observation.clone());
    }
    !is_same
}

impl Durable<Sighting> for OnDisk {
    fn keep(&self, sighting: Sighting) -> Commit<'_> {
        Box::pin(async move {
            let known = Arc::clone(&self.known);
            let written = self.state.write(move |transaction| {
                let mut table = transaction.open_table(TRUST)?;
                // As it is by now: tasks need not run in the order in which they were spawned.
                let known = known.lock();
                let machine = sighting.machine.as_str();
                if let Some(observed) = known.get(machine) {
                    // Numbers and strings always have a JSON form.
                    let text = serde_json::to_string(observed).unwrap_or_default();
                    table.insert(machine, text.as_str())?;
                }
                if table.len()? > MAX_MACHINES as u64 {
                    table.retain(|machine, _| known.contains_key(machine))?;
                }
                Ok(())
            });
            saved(written.await)
        })
    }

    fn is_away(&self) -> bool {
        false
    }
}

/// The machine of which nothing was seen for longest.
fn oldest(known: &HashMap<String, Observed>) -> Option<String> {
    let last = |observed: &Observed| {
        Generation::ALL.iter().filter_map(|generation| Some(observed.reaction(*generation)?.at)).max()
    };
    known.iter().min_by_key(|(_, observed)| last(observed)).map(|(key, _)| key.clone())
}

/// A large site has fewer, in about 10 MB.
pub(crate) const MAX_MACHINES: usize = 50_000;
/// A day in seconds.
const A_DAY: u64 = 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(starts: bool, at: u64) -> Observation {
        Observation { starts, at, file: "pe/boot/x64/bootmgfw.efi".into() }
    }

    #[tokio::test]
    async fn what_was_seen_survives_a_restart_and_the_last_time_counts() {
        let folder = tempfile::tempdir().unwrap();
        let state = Arc::new(State::open(folder.path()).unwrap());
        let store = TrustStore::open(Arc::clone(&state)).unwrap();
        store.put("pc-1", Generation::Of2011, seen(true, 1));
        store.put("pc-1", Generation::Of2011, seen(false, 2));
        store.put("pc-1", Generation::Of2023, seen(true, 3));
        store.put("pc-2", Generation::Of2023, seen(false, 4));
        let counts =
            TrustCounts { machines: 2, ready_for_2023: 1, refuse_2023: 1, start_2011: 0, refuse_2011: 1 };
        assert_eq!(store.counts(), counts);
        // The writes of this thread are done once one that comes after them is; each is a task.
        while TrustStore::open(Arc::clone(&state)).unwrap().counts() != counts {
            tokio::task::yield_now().await;
        }
        assert_eq!(store.get("pc-1").of_2011, Some(seen(false, 2)));
        assert_eq!(store.get("pc-3"), Observed::default());
    }
}
