//! The leases that survive a restart: a table in the state file, and a journal of what it does not hold yet.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use pxe_policy::MacAddr;
use redb::{ReadableTable, TableDefinition};

use super::Lease;
use super::journal::{Change, Journal};
use crate::batch::Batcher;
use crate::keep::{Hold, Keep, Keeping, LeaseKeep, saved};
use crate::state::State;

/// Hardware address to (address, end in seconds since the epoch).
const LEASES: TableDefinition<'_, [u8; 6], (u32, u64)> = TableDefinition::new("leases");
/// The filling of the journal that belongs to the table.
const FILLING: TableDefinition<'_, (), u64> = TableDefinition::new("leases-journal");

/// The leases on the disk.
#[derive(Debug, Clone)]
pub struct LeaseStore {
    writer: Arc<Batcher<Change>>,
}

/// Owned by the writing thread.
struct Writer {
    state: Arc<State>,
    journal: Journal,
    filling: u64,
    /// What the journal holds and the table does not.
    ahead: Ahead,
    /// Records may be on the disk that nobody was told of: they must not be read behind later ones.
    torn: bool,
}

/// Machines' last changes.
type Ahead = BTreeMap<[u8; 6], Change>;

impl LeaseStore {
    /// Gives the leases that are remembered.
    pub fn open(state: Arc<State>) -> Result<(Self, Vec<Lease>), redb::Error> {
        state.make_table(LEASES)?;
        state.make_table(FILLING)?;
        let mut filling = state.read()?.open_table(FILLING)?.get(())?.map(|filling| filling.value());
        if filling.is_none() {
            // No number that a journal beside a former state file may have.
            let first = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
            fill_up(&state, &Ahead::new(), first)?;
            filling = Some(first);
        }
        let filling = filling.unwrap_or_default();
        let (journal, changes) = Journal::open(state.folder(), filling)?;
        let ahead = changes.into_iter().map(|change| (change.mac().octets(), change)).collect();
        let mut writer = Writer { state, journal, filling, ahead, torn: false };
        // Even when it holds nothing: behind a record that was not finished there may be some that were, and those never count.
        writer.begin_anew()?;
        let mut leases = Vec::new();
        for entry in writer.state.read()?.open_table(LEASES)?.iter()? {
            let (mac, value) = entry?;
            let (address, until) = value.value();
            leases.push(Lease { mac: MacAddr(mac.value()), address: Ipv4Addr::from(address), until });
        }
        let save = move |changes: Vec<Change>| match writer.save(&changes) {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, leases = changes.len(), "not saved");
                false
            }
        };
        Ok((LeaseStore { writer: Arc::new(Batcher::start("leases", save)?) }, leases))
    }

    /// Remembers a lease; true once it is on the disk.
    pub async fn put(&self, lease: Lease) -> bool {
        self.writer.save(Change::Given(lease)).await
    }

    /// Forgets a machine's lease; true once the disk has forgotten it.
    pub async fn remove(&self, mac: MacAddr) -> bool {
        self.writer.save(Change::Gone(mac)).await
    }
}

impl Keep<LeaseKeep> for LeaseStore {
    /// Offers are kept in memory only: after a restart the client asks again.
    fn keep(&self, change: LeaseKeep) -> Keeping<'_> {
        Box::pin(async move {
            match change {
                LeaseKeep::Lease(Hold { mac, address, until, .. }) => {
                    saved(self.put(Lease { mac, address, until }).await)
                }
                LeaseKeep::InUse { by: Some(mac), .. } | LeaseKeep::Released(mac) => {
                    saved(self.remove(mac).await)
                }
                LeaseKeep::Offer(_) | LeaseKeep::InUse { by: None, .. } => Ok(()),
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

impl Writer {
    fn save(&mut self, changes: &[Change]) -> Result<(), redb::Error> {
        if self.torn || self.journal.room() < changes.len() {
            self.begin_anew()?;
        }
        if let Err(error) = self.journal.append(changes) {
            self.torn = true;
            return Err(error.into());
        }
        self.ahead.extend(changes.iter().map(|change| (change.mac().octets(), *change)));
        Ok(())
    }

    /// Brings the table up to date, and begins the journal anew: both in one transaction, since the table says which filling counts.
    fn begin_anew(&mut self) -> Result<(), redb::Error> {
        let filling = self.filling.wrapping_add(1);
        fill_up(&self.state, &self.ahead, filling)?;
        self.filling = filling;
        self.journal.restart(self.filling);
        self.ahead.clear();
        self.torn = false;
        Ok(())
    }
}

fn fill_up(state: &State, ahead: &Ahead, filling: u64) -> Result<(), redb::Error> {
    state.write_now(|transaction| {
        let mut table = transaction.open_table(LEASES)?;
        for (mac, change) in ahead {
            match change {
                Change::Given(lease) => table.insert(mac, (u32::from(lease.address), lease.until))?,
                Change::Gone(_) => table.remove(mac)?,
            };
        }
        transaction.open_table(FILLING)?.insert((), filling)?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::faulty_disk::FaultyDisk;

    fn lease(n: u8) -> Lease {
        Lease {
            mac: MacAddr([2, 0, 0, 0, 0, n]),
            address: Ipv4Addr::new(10, 0, 0, n),
            until: 1_000_000 + u64::from(n),
        }
    }

    #[tokio::test]
    async fn leases_are_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let state = Arc::new(State::open(folder.path()).unwrap());
        let (store, remembered) = LeaseStore::open(state).unwrap();
        assert_eq!(remembered, []);
        let puts: Vec<_> = (1..=50)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move { store.put(lease(n)).await })
            })
            .collect();
        for put in puts {
            assert!(put.await.unwrap());
        }
        assert!(store.remove(lease(7).mac).await);
        drop(store);
        let (store, leases) = LeaseStore::open(Arc::new(State::open(folder.path()).unwrap())).unwrap();
        let expected: Vec<Lease> = (1..=50).filter(|n| *n != 7).map(lease).collect();
        assert_eq!(leases, expected);
        drop(store);
    }

    #[tokio::test]
    async fn the_table_catches_up_with_a_full_journal() {
        let folder = tempfile::tempdir().unwrap();
        let state = Arc::new(State::open(folder.path()).unwrap());
        let (journal, _) = Journal::open(folder.path(), 1).unwrap();
        let mut writer = Writer { state, journal, filling: 1, ahead: Ahead::new(), torn: false };
        let renewed = |until| Lease { until, ..lease(1) };
        let mut until = 0;
        while writer.filling == 1 {
            until += 1000;
            let changes: Vec<Change> =
                (until - 999..=until).map(|until| Change::Given(renewed(until))).collect();
            writer.save(&changes).unwrap();
        }
        assert_eq!(writer.ahead.len(), 1, "the last batch is in the new filling");
        drop(writer);
        let (_, leases) = LeaseStore::open(Arc::new(State::open(folder.path()).unwrap())).unwrap();
        assert_eq!(leases, [renewed(until)]);
    }

    #[tokio::test]
    async fn records_behind_one_that_was_not_finished_never_count() {
        let folder = tempfile::tempdir().unwrap();
        let open = || LeaseStore::open(Arc::new(State::open(folder.path()).unwrap())).unwrap();
        let (store, _) = open();
        // The power goes while three are written together, and the first of them never reaches the disk.
        assert!(store.put(lease(1)).await && store.put(lease(2)).await && store.put(lease(3)).await);
        drop(store);
        let journal = folder.path().join("leases.journal");
        let mut bytes = std::fs::read(&journal).unwrap();
        bytes[..32].fill(0);
        std::fs::write(&journal, bytes).unwrap();
        let (store, leases) = open();
        assert_eq!(leases, []);
        let other = Lease { address: lease(2).address, ..lease(9) };
        assert!(store.put(other).await);
        drop(store);
        assert_eq!(open().1, [other], "the address is told to one machine only");
    }

    #[test]
    fn a_full_disk_takes_no_lease_once_the_journal_is_full_and_takes_them_again_later() {
        let (disk, folder) = (FaultyDisk::default(), tempfile::tempdir().unwrap());
        let state = Arc::new(disk.state(folder.path()).unwrap());
        state.make_table(LEASES).unwrap();
        state.make_table(FILLING).unwrap();
        let (journal, _) = Journal::open(folder.path(), 1).unwrap();
        let mut writer = Writer { state, journal, filling: 1, ahead: Ahead::new(), torn: false };
        disk.fill(true);
        let batch: Vec<Change> = (0..200).map(|n| Change::Given(lease(n))).collect();
        while writer.journal.room() >= batch.len() {
            writer.save(&batch).unwrap();
        }
        assert!(writer.save(&batch).is_err() && writer.save(&batch).is_err());
        disk.fill(false);
        writer.save(&batch).unwrap();
        assert_eq!((writer.filling, writer.ahead.len()), (2, 200));
    }

    #[tokio::test]
    async fn a_journal_beside_a_new_state_file_is_not_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = LeaseStore::open(Arc::new(State::open(folder.path()).unwrap())).unwrap();
        assert!(store.put(lease(1)).await);
        drop(store);
        std::fs::remove_file(folder.path().join("state.redb")).unwrap();
        let state = Arc::new(State::open(folder.path()).unwrap());
        state.make_table(FILLING).unwrap();
        fill_up(&state, &Ahead::new(), u64::MAX).unwrap();
        assert_eq!(LeaseStore::open(state).unwrap().1, []);
    }
}
