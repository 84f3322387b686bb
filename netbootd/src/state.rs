//! The file that remembers what must survive a restart: leases, and what Macs chose.
//!
//! One thread writes; whatever waits for the disk at a time shares one commit, so a building that switches on does not wait for a
//! thousand disk flushes. Dropping the last handle ends the thread and closes the file.

use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use redb::{Database, ReadTransaction, ReadableDatabase, TableDefinition, WriteTransaction};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

/// The file, with its thread.
pub struct State {
    database: Arc<Database>,
    queue: Mutex<Option<mpsc::Sender<Waiting>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// A change that waits for the disk.
struct Waiting {
    write: Write,
    done: oneshot::Sender<bool>,
}

type Write = Box<dyn FnOnce(&WriteTransaction) -> Result<(), redb::Error> + Send>;

/// Why the file cannot be used.
#[derive(Debug, Error)]
pub enum StateError {
    /// It cannot be opened or made.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has it open.
    #[error("{} is in use by another netbootd", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It is damaged, or of another version.
    #[error("cannot use {}; move it away to start without what it remembers", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<redb::Error>,
    },
}

impl State {
    /// Opens or makes `state.redb` in a folder.
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        let path = folder.join(FILE_NAME);
        let opened = std::fs::create_dir_all(folder).and_then(|()| {
            let mut options = std::fs::File::options();
            options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)
        });
        let file = opened.map_err(|source| StateError::Open { path: path.clone(), source })?;
        let database = Database::builder().create_file(file).map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => StateError::InUse { path: path.clone() },
            error => StateError::Database { path: path.clone(), source: Box::new(error.into()) },
        })?;
        let database = Arc::new(database);
        let (queue, inbox) = mpsc::channel(QUEUE);
        let writers = Arc::clone(&database);
        let writer = thread::Builder::new()
            .name("state".into())
            .spawn(move || write_until_closed(&writers, inbox))
            .map_err(|source| StateError::Open { path, source })?;
        Ok(State { database, queue: Mutex::new(Some(queue)), writer: Mutex::new(Some(writer)) })
    }

    /// Makes a change; true once it is on the disk. Changes are made in the order of the calls.
    pub async fn write(
        &self,
        write: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error> + Send + 'static,
    ) -> bool {
        let (done, written) = oneshot::channel();
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(queue) = queue else { return false };
        let waiting = Waiting { write: Box::new(write), done };
        queue.send(waiting).await.is_ok() && written.await.unwrap_or(false)
    }

    /// Reads what is on the disk.
    pub fn read(&self) -> Result<ReadTransaction, redb::Error> {
        Ok(self.database.begin_read()?)
    }

    /// Makes a table, unless it is there already.
    pub fn make_table<K: redb::Key, V: redb::Value>(
        &self,
        table: TableDefinition<'static, K, V>,
    ) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        transaction.open_table(table)?;
        Ok(transaction.commit()?)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        drop(self.queue.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(writer) = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = writer.join(); // a panic there has been told already
        }
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(FILE_NAME)
    }
}

fn write_until_closed(database: &Database, mut inbox: mpsc::Receiver<Waiting>) {
    while let Some(first) = inbox.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < QUEUE
            && let Ok(next) = inbox.try_recv()
        {
            batch.push(next);
        }
        let (writes, waiting): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|waiting| (waiting.write, waiting.done)).unzip();
        let written = commit(database, writes);
        if let Err(error) = &written {
            tracing::error!(%error, changes = waiting.len(), "not saved");
        }
        for done in waiting {
            // Whoever no longer waits has been told nothing, and that is as safe.
            let _ = done.send(written.is_ok());
        }
    }
}

fn commit(database: &Database, writes: Vec<Write>) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    for write in writes {
        write(&transaction)?;
    }
    Ok(transaction.commit()?)
}

const FILE_NAME: &str = "state.redb";
/// Changes that wait for the disk; more wait in their tasks.
const QUEUE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        std::fs::write(&path, vec![7; 100_000]).unwrap();
        assert!(matches!(State::open(folder.path()), Err(StateError::Database { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), vec![7; 100_000]);
    }

    #[test]
    fn a_file_has_one_user_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = State::open(folder.path()).unwrap();
        assert!(matches!(State::open(folder.path()), Err(StateError::InUse { .. })));
        drop(first);
        assert!(State::open(folder.path()).is_ok());
    }
}
