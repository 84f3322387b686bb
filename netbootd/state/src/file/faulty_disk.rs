//! A disk that fills up, and that forgets what was not synced when the power goes; and what of the
//! state must hold all the same.

use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use redb::{Database, StorageBackend};

use super::{State, StateError};

/// The disk. Copies are the same disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct FaultyDisk(Arc<Mutex<Disk>>);

#[derive(Debug, Default)]
struct Disk {
    /// The bytes as reads see them.
    seen: Vec<u8>,
    /// The bytes that survive a power loss in any case.
    synced: Vec<u8>,
    /// The writes since, in this order.
    unsynced: Vec<Change>,
    full: bool,
    /// Counts power losses: a handle that was opened before one fails.
    age: u32,
}

#[derive(Debug, Clone)]
enum Change {
    Length(usize),
    Bytes(usize, Vec<u8>),
}

/// The disk as one who opened it has it.
#[derive(Debug)]
struct Handle {
    disk: FaultyDisk,
    age: u32,
}

impl FaultyDisk {
    /// The state on it.
    pub(crate) fn state(&self, folder: &Path) -> Result<State, StateError> {
        let disk = self.clone();
        let open = move || {
            let handle = Handle { age: disk.lock().age, disk: disk.clone() };
            Database::builder()
                .create_with_backend(handle)
                .map_err(|error| StateError::new(Path::new("disk"), error.into()))
        };
        State::start(folder, Box::new(open))
    }

    /// From now on it takes no more, or takes more again.
    pub(crate) fn fill(&self, full: bool) {
        self.lock().full = full;
    }

    /// The power goes and comes back. Of what was not synced each sector is there or not, as
    /// `chance` says.
    pub(crate) fn lose_power(&self, mut chance: impl FnMut() -> bool) {
        let mut disk = self.lock();
        disk.age += 1;
        let mut left = std::mem::take(&mut disk.synced);
        for change in std::mem::take(&mut disk.unsynced) {
            match change {
                Change::Length(length) if chance() => left.resize(length, 0),
                Change::Length(_) => {}
                Change::Bytes(at, bytes) => {
                    for (number, sector) in bytes.chunks(SECTOR).enumerate() {
                        let from = at + number * SECTOR;
                        if chance() {
                            left.resize(left.len().max(from + sector.len()), 0);
                            left[from..from + sector.len()].copy_from_slice(sector);
                        }
                    }
                }
            }
        }
        (disk.seen, disk.synced) = (left.clone(), left);
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock()
    }
}

impl Handle {
    fn disk(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let disk = self.disk.lock();
        if disk.age == self.age { Ok(disk) } else { Err(io::Error::other("the power is gone")) }
    }
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk()?.seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let disk = self.disk()?;
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        let bytes = disk.seen.get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.disk()?;
        let length = usize::try_from(len).map_err(io::Error::other)?;
        if disk.full && length > disk.seen.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.seen.resize(length, 0);
        disk.unsynced.push(Change::Length(length));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.disk()?;
        disk.synced = disk.seen.clone();
        disk.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut disk = self.disk()?;
        if disk.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        let end = at + data.len();
        let length = disk.seen.len().max(end);
        disk.seen.resize(length, 0);
        disk.seen[at..end].copy_from_slice(data);
        disk.unsynced.push(Change::Bytes(at, data.to_vec()));
        Ok(())
    }
}

const SECTOR: usize = 512;

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use bsdp::{Binding, BootImageId, Change};
    use proptest::prelude::*;
    use pxe_policy::{Deployed, MacAddr, MachineId, Purpose, Reason, Settings};

    use super::*;
    use crate::bindings::BindingStore;
    use crate::ledger::{LedgerStore, Which};

    fn deployed(n: u8) -> Deployed {
        let machine = MachineId { macs: vec![mac(n)], ..MachineId::default() };
        let name = format!("machine-{n}");
        Deployed { id: "PS120083".into(), purpose: Purpose::Required, machine, name, ..Deployed::default() }
    }

    fn mac(n: u8) -> MacAddr {
        MacAddr([2, 0, 0, 0, 0, n])
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn what_a_full_disk_does_not_take_is_not_given_and_is_given_once_there_is_room() {
        let (disk, folder) = (FaultyDisk::default(), tempfile::tempdir().unwrap());
        let settings = Settings { same_boot: Duration::ZERO, ..Settings::default() };
        let give = async |ledger: &LedgerStore, n| ledger.give(&deployed(n), mac(n), &settings, 1000).await;
        runtime().block_on(async {
            let ledger = LedgerStore::open(Arc::new(disk.state(folder.path()).unwrap())).unwrap();
            assert_eq!(give(&ledger, 1).await, Ok(()));
            disk.fill(true);
            assert_eq!(give(&ledger, 2).await, Err(Reason::LedgerNotSaved));
            assert_eq!(give(&ledger, 2).await, Err(Reason::LedgerNotSaved), "it is asked for again");
            disk.fill(false);
            assert_eq!(give(&ledger, 2).await, Ok(()), "without a restart");
            let later = ledger.give(&deployed(1), mac(1), &settings, 1001).await;
            assert_eq!(later, Err(Reason::AlreadyRun));
            drop(ledger);
            let ledger = LedgerStore::open(Arc::new(disk.state(folder.path()).unwrap())).unwrap();
            assert_eq!(ledger.with(|ledger| ledger.entries().count()), 2);
        });
    }

    #[test]
    fn a_start_on_a_full_disk_advises_to_make_room_and_nothing_else() {
        let (disk, folder) = (FaultyDisk::default(), tempfile::tempdir().unwrap());
        drop(LedgerStore::open(Arc::new(disk.state(folder.path()).unwrap())).unwrap());
        disk.fill(true);
        let refused = match disk.state(folder.path()) {
            Err(error) => error,
            Ok(state) => {
                let path = state.path();
                let refused = LedgerStore::open(Arc::new(state)).map(drop).unwrap_err();
                StateError::new(&path, refused)
            }
        };
        let words = refused.to_string();
        assert!(words.contains("its disk is full; make room there and start again"), "{words}");
        assert!(!words.contains("move"), "{words}");
        disk.fill(false);
        assert!(disk.state(folder.path()).is_ok(), "what it remembers is there");
    }

    /// The operations on the state.
    #[derive(Debug, Clone)]
    enum Happens {
        Given(u8),
        Cleared(u8),
        Bound(u8, u8),
        Unbound(u8),
        /// A write is under way, and nobody waits for it any more.
        PowerLoss {
            given: u8,
            seed: u64,
        },
    }

    fn happens() -> impl Strategy<Value = Happens> {
        prop_oneof![
            4 => (0..20_u8).prop_map(Happens::Given),
            1 => (0..20_u8).prop_map(Happens::Cleared),
            4 => (0..20_u8, any::<u8>()).prop_map(|(n, image)| Happens::Bound(n, image)),
            1 => (0..20_u8).prop_map(Happens::Unbound),
            2 => (20..40_u8, any::<u64>()).prop_map(|(given, seed)| Happens::PowerLoss { given, seed }),
        ]
    }

    fn binding(n: u8, image: u8) -> Binding {
        let image = BootImageId::from_wire([0x81, 0, 4, image]);
        Binding { mac: mac(n).octets(), image, number: n.into(), model: "iMac14,3".into(), at: 1_000 }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_was_told_is_there_after_a_power_loss(happens in proptest::collection::vec(happens(), 1..40)) {
            let (disk, folder) = (FaultyDisk::default(), tempfile::tempdir().unwrap());
            let settings = Settings { same_boot: Duration::from_secs(3600), ..Settings::default() };
            let open = || {
                let state = Arc::new(disk.state(folder.path()).unwrap());
                let (store, bindings) = BindingStore::open(Arc::clone(&state)).unwrap();
                (LedgerStore::open(state).unwrap(), store, bindings)
            };
            let (mut ledger, mut store, _) = open();
            let (mut given, mut maybe) = (BTreeSet::new(), BTreeSet::new());
            let mut bound = BTreeMap::new();
            let runtime = runtime();
            for happens in happens {
                match happens {
                    Happens::Given(n) => {
                        runtime.block_on(ledger.give(&deployed(n), mac(n), &settings, 1000)).unwrap();
                        given.insert(n);
                    }
                    Happens::Cleared(n) => {
                        let which = Which { mac: Some(mac(n)), deployment: None };
                        prop_assert!(runtime.block_on(ledger.clear(&which)).is_some());
                        given.remove(&n);
                    }
                    Happens::Bound(n, image) => {
                        prop_assert!(runtime.block_on(store.save(Change::Bind(binding(n, image)))));
                        bound.insert(n, image);
                    }
                    Happens::Unbound(n) => {
                        prop_assert!(runtime.block_on(store.save(Change::Unbind(mac(n).octets()))));
                        bound.remove(&n);
                    }
                    Happens::PowerLoss { given: n, mut seed } => {
                        // The answer is not waited for: it may have been written, in part, or not
                        // at all.
                        let lost = deployed(n);
                        runtime.block_on(async {
                            tokio::select! {
                                biased;
                                _ = ledger.give(&lost, mac(n), &settings, 1000) => {}
                                () = std::future::ready(()) => {}
                            }
                        });
                        maybe.insert(n);
                        disk.lose_power(|| {
                            seed ^= seed << 13;
                            seed ^= seed >> 7;
                            seed ^= seed << 17;
                            seed & 1 == 1
                        });
                        drop((ledger, store));
                        let remembered;
                        (ledger, store, remembered) = open();
                        let known: BTreeSet<MacAddr> =
                            ledger.with(|ledger| ledger.entries().map(|entry| entry.mac).collect());
                        for n in &given {
                            prop_assert!(known.contains(&mac(*n)), "{n} is lost");
                        }
                        let told = |n: &u8| given.contains(n) || maybe.contains(n);
                        prop_assert!(known.iter().all(|known| (0..40).filter(told).any(|n| mac(n) == *known)));
                        let expected: BTreeMap<u8, Option<Binding>> =
                            (0..20).map(|n| (n, bound.get(&n).map(|image| binding(n, *image)))).collect();
                        for (n, expected) in expected {
                            prop_assert_eq!(remembered.get(mac(n).octets()), expected.as_ref());
                        }
                    }
                }
            }
        }
    }
}
