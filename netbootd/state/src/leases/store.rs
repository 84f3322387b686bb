//! The leases that survive a restart: a table in the state file, and a journal of what it does not
//! hold yet.

use std::sync::Arc;

use pxe_policy::MacAddr;

use super::Lease;
use super::journal::{Change, Journal};
use super::table::{self, Ahead, TakeOver};
use crate::batch::Batcher;
use crate::durable::{Commit, Durable, Hold, LeaseKeep, saved};
use crate::file::State;

/// The leases on the disk.
#[derive(Debug, Clone)]
pub struct LeaseStore {
    writer: Arc<Batcher<Change>>,
}

/// Owned by the writing thread.
struct Writer {
    state: Arc<State>,
    journal: Journal,
    /// The leases in this filling of the journal.
    ahead: Ahead,
    /// The filling before, until the table has it.
    before: Option<TakeOver>,
    /// Records may be on the disk whose ACK never left: they must not be read behind later ones.
    torn: bool,
}

impl LeaseStore {
    /// Gives the leases that are remembered.
    pub fn open(state: Arc<State>) -> Result<(Self, Vec<Lease>), redb::Error> {
        let mut writer = Writer::open(state)?;
        let leases = table::leases(&writer.state)?;
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

impl Durable<LeaseKeep> for LeaseStore {
    /// Offers are kept in memory only: after a restart the client asks again.
    fn keep(&self, change: LeaseKeep) -> Commit<'_> {
        Box::pin(async move {
            match change {
                LeaseKeep::Lease(Hold { client: mac, address, until, .. }) => {
                    saved(self.put(Lease { mac, address, until }).await)
                }
                LeaseKeep::InUse { by: Some(mac), .. } | LeaseKeep::Released(mac) => {
                    saved(self.remove(mac).await)
                }
                LeaseKeep::Offer(_) | LeaseKeep::InUse { by: None, .. } => Ok(()),
            }
        })
    }

    fn is_away(&self) -> bool {
        false
    }
}

impl Writer {
    fn open(state: Arc<State>) -> Result<Self, redb::Error> {
        let oldest = table::make(&state)?;
        let (journal, changes) = Journal::open(state.folder(), oldest)?;
        let ahead = changes.into_iter().map(|change| (change.mac().octets(), change)).collect();
        let mut writer = Writer { state, journal, ahead, before: None, torn: false };
        // Even when it holds nothing: behind a record that was not finished there may be some that
        // were, and those never count.
        writer.begin_anew()?;
        Ok(writer)
    }

    fn save(&mut self, changes: &[Change]) -> Result<(), redb::Error> {
        if self.torn {
            self.begin_anew()?;
        } else if self.journal.room() < changes.len() {
            self.turn()?;
        }
        if let Err(error) = self.journal.append(changes) {
            self.torn = true;
            return Err(error.into());
        }
        self.ahead.extend(changes.iter().map(|change| (change.mac().octets(), *change)));
        Ok(())
    }

    /// Goes on in the journal's other half, while the table takes over what is in this one.
    fn turn(&mut self) -> Result<(), redb::Error> {
        self.end_take_over()?;
        self.journal.turn();
        let ahead = std::mem::take(&mut self.ahead);
        self.before = Some(TakeOver::begin(&self.state, ahead, self.journal.filling()));
        Ok(())
    }

    /// Brings the table up to date, and begins the journal anew.
    fn begin_anew(&mut self) -> Result<(), redb::Error> {
        self.end_take_over()?;
        table::take_over(&self.state, &self.ahead, self.journal.filling().wrapping_add(1), || ())?;
        self.journal.turn();
        self.ahead.clear();
        self.torn = false;
        Ok(())
    }

    fn end_take_over(&mut self) -> Result<(), redb::Error> {
        if let Some(before) = &mut self.before {
            before.end()?;
        }
        self.before = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::file::faulty_disk::FaultyDisk;
    use crate::leases::journal::RECORDS;

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

    fn renewed(until: std::ops::Range<u64>) -> Vec<Change> {
        until.map(|until| Change::Given(Lease { until, ..lease(1) })).collect()
    }

    #[tokio::test]
    async fn the_table_takes_over_one_half_of_the_journal_while_the_other_is_filled() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(Arc::new(State::open(folder.path()).unwrap())).unwrap();
        let first = writer.journal.filling();
        let mut until = 0;
        while writer.journal.filling() < first + 3 {
            writer.save(&renewed(until..until + 1000)).unwrap();
            until += 1000;
        }
        assert_eq!(writer.ahead.len(), 1, "the last batch is in the new filling");
        assert!(writer.before.is_some());
        drop(writer);
        let (_, leases) = LeaseStore::open(Arc::new(State::open(folder.path()).unwrap())).unwrap();
        assert_eq!(leases, [Lease { until: until - 1, ..lease(1) }]);
    }

    #[tokio::test]
    async fn both_halves_count_when_the_table_has_neither() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(Arc::new(State::open(folder.path()).unwrap())).unwrap();
        writer.save(&[Change::Given(lease(1)), Change::Given(lease(2))]).unwrap();
        // The power goes before the table has taken over anything.
        writer.journal.turn();
        writer.save(&[Change::Gone(lease(1).mac), Change::Given(lease(3))]).unwrap();
        drop(writer);
        let (_, leases) = LeaseStore::open(Arc::new(State::open(folder.path()).unwrap())).unwrap();
        assert_eq!(leases, [lease(2), lease(3)]);
    }

    #[test]
    fn a_table_that_has_taken_over_a_part_is_no_worse_than_one_that_has_nothing() {
        let (disk, folder) = (FaultyDisk::default(), tempfile::tempdir().unwrap());
        let mut writer = Writer::open(Arc::new(disk.state(folder.path()).unwrap())).unwrap();
        let given = |until: u64| {
            (0..1000_u16).map(move |n| {
                let [high, low] = n.to_be_bytes();
                let (mac, address) = (MacAddr([2, 0, 0, 0, high, low]), Ipv4Addr::new(10, 0, high, low));
                Change::Given(Lease { mac, address, until })
            })
        };
        writer.save(&given(1).collect::<Vec<_>>()).unwrap();
        let before = std::mem::take(&mut writer.ahead);
        writer.journal.turn();
        let gone: Vec<Change> = before.values().take(10).map(|change| Change::Gone(change.mac())).collect();
        let renewed: Vec<Change> = given(2).skip(10).take(10).collect();
        writer.save(&[gone, renewed].concat()).unwrap();
        let next = writer.journal.filling();
        assert!(table::take_over(&writer.state, &before, next, || disk.fill(true)).is_err());
        disk.fill(false);
        let taken = table::leases(&writer.state).unwrap().len();
        assert!((1..1000).contains(&taken), "{taken}");
        drop(writer);
        let writer = Writer::open(Arc::new(disk.state(folder.path()).unwrap())).unwrap();
        let leases: Vec<Change> =
            table::leases(&writer.state).unwrap().into_iter().map(Change::Given).collect();
        let expected = given(2).skip(10).take(10).chain(given(1).skip(20));
        assert_eq!(leases, expected.collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn records_behind_one_that_was_not_finished_never_count() {
        let folder = tempfile::tempdir().unwrap();
        let open = || LeaseStore::open(Arc::new(State::open(folder.path()).unwrap())).unwrap();
        let (store, _) = open();
        // The power goes while three are written together, and the first of them never reaches the
        // disk.
        assert!(store.put(lease(1)).await && store.put(lease(2)).await && store.put(lease(3)).await);
        drop(store);
        let journal = folder.path().join("leases.journal");
        let mut bytes = std::fs::read(&journal).unwrap();
        let first = bytes.iter().position(|byte| *byte != 0).unwrap();
        bytes[first..first + 32].fill(0);
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
        let mut writer = Writer::open(Arc::new(disk.state(folder.path()).unwrap())).unwrap();
        disk.fill(true);
        let batch: Vec<Change> = (0..200).map(|n| Change::Given(lease(n))).collect();
        let saved = std::iter::repeat_with(|| writer.save(&batch)).take_while(Result::is_ok).count();
        assert_eq!(saved, 2 * (RECORDS / batch.len()), "both halves");
        assert!(writer.save(&batch).is_err());
        disk.fill(false);
        writer.save(&batch).unwrap();
        writer.end_take_over().unwrap();
        assert_eq!(table::leases(&writer.state).unwrap(), (0..200).map(lease).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_journal_beside_a_new_state_file_is_not_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = LeaseStore::open(Arc::new(State::open(folder.path()).unwrap())).unwrap();
        assert!(store.put(lease(1)).await);
        drop(store);
        std::fs::remove_file(folder.path().join("state.redb")).unwrap();
        let state = Arc::new(State::open(folder.path()).unwrap());
        table::make(&state).unwrap();
        table::take_over(&state, &Ahead::new(), u64::MAX, || ()).unwrap();
        assert_eq!(LeaseStore::open(state).unwrap().1, []);
    }
}
