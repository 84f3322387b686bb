//! The file that remembers leases. One thread writes; many waiting leases share one commit, so a building that switches on
//! does not wait for a thousand disk flushes.

use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use pxe_policy::MacAddr;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::Lease;

/// Hardware address to (address, end in seconds since the epoch).
const LEASES: TableDefinition<'_, [u8; 6], (u32, u64)> = TableDefinition::new("leases");

/// The file, with its thread.
#[derive(Debug, Clone)]
pub struct LeaseStore {
    queue: mpsc::Sender<(Entry, oneshot::Sender<bool>)>,
}

#[derive(Debug, Clone, Copy)]
enum Entry {
    Put(Lease),
    Remove(MacAddr),
}

/// Why the file cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// It cannot be opened or made.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is damaged, in use by another process, or of another version.
    #[error("cannot use {}; move it away to start without leases", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<redb::Error>,
    },
}

impl LeaseStore {
    /// Opens or makes `leases.redb` in a folder; gives the leases it remembers.
    pub fn open(folder: &Path) -> Result<(Self, Vec<Lease>), StoreError> {
        let path = folder.join("leases.redb");
        let opened = std::fs::create_dir_all(folder).and_then(|()| {
            let mut options = std::fs::File::options();
            options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)
        });
        let file = opened.map_err(|source| StoreError::Open { path: path.clone(), source })?;
        let damaged = |source| StoreError::Database { path: path.clone(), source: Box::new(source) };
        let database = Database::builder().create_file(file).map_err(|error| damaged(error.into()))?;
        let remembered = load(&database).map_err(damaged)?;
        let (queue, inbox) = mpsc::channel(QUEUE);
        thread::Builder::new()
            .name("leases".into())
            .spawn(move || write_until_closed(&database, inbox))
            .map_err(|source| StoreError::Open { path, source })?;
        Ok((LeaseStore { queue }, remembered))
    }

    /// Remembers a lease; true once it is on the disk.
    pub async fn put(&self, lease: Lease) -> bool {
        self.write(Entry::Put(lease)).await
    }

    /// Forgets a machine's lease; true once the disk has forgotten it.
    pub async fn remove(&self, mac: MacAddr) -> bool {
        self.write(Entry::Remove(mac)).await
    }

    async fn write(&self, entry: Entry) -> bool {
        let (done, written) = oneshot::channel();
        self.queue.send((entry, done)).await.is_ok() && written.await.unwrap_or(false)
    }
}

fn load(database: &Database) -> Result<Vec<Lease>, redb::Error> {
    let write = database.begin_write()?;
    write.open_table(LEASES)?; // made when it is not there yet
    write.commit()?;
    let table = database.begin_read()?.open_table(LEASES)?;
    let mut leases = Vec::new();
    for entry in table.iter()? {
        let (mac, value) = entry?;
        let (address, until) = value.value();
        leases.push(Lease { mac: MacAddr(mac.value()), address: Ipv4Addr::from(address), until });
    }
    Ok(leases)
}

fn write_until_closed(database: &Database, mut inbox: mpsc::Receiver<(Entry, oneshot::Sender<bool>)>) {
    while let Some(first) = inbox.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < QUEUE
            && let Ok(next) = inbox.try_recv()
        {
            batch.push(next);
        }
        let written = commit(database, &batch);
        if let Err(error) = &written {
            tracing::error!(%error, leases = batch.len(), "leases not saved");
        }
        for (_, done) in batch {
            // Whoever no longer waits has been told nothing, and that is as safe.
            let _ = done.send(written.is_ok());
        }
    }
}

fn commit(database: &Database, batch: &[(Entry, oneshot::Sender<bool>)]) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    {
        let mut table = write.open_table(LEASES)?;
        for (entry, _) in batch {
            match entry {
                Entry::Put(lease) => {
                    table.insert(lease.mac.octets(), (u32::from(lease.address), lease.until))?;
                }
                Entry::Remove(mac) => {
                    table.remove(mac.octets())?;
                }
            }
        }
    }
    write.commit()?;
    Ok(())
}

/// Leases that wait for the disk; more wait in their tasks.
const QUEUE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

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
        let (store, remembered) = LeaseStore::open(folder.path()).unwrap();
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
        let mut remembered = None;
        for _ in 0..1000 {
            // The writing thread lets go of the file's lock when it ends.
            if let Ok((_, leases)) = LeaseStore::open(folder.path()) {
                remembered = Some(leases);
                break;
            }
            tokio::task::yield_now().await;
            thread::yield_now();
        }
        let expected: Vec<Lease> = (1..=50).filter(|n| *n != 7).map(lease).collect();
        assert_eq!(remembered, Some(expected));
    }

    #[test]
    fn a_damaged_file_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("leases.redb");
        std::fs::write(&path, vec![7; 100_000]).unwrap();
        assert!(matches!(LeaseStore::open(folder.path()), Err(StoreError::Database { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), vec![7; 100_000]);
    }
}
