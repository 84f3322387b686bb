//! The file that remembers what must survive a restart: leases, and what Macs chose.
//!
//! One thread writes; whatever waits for the disk at a time shares one commit. Dropping the last handle ends the thread and closes the file.

mod schema;

use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, ReadTransaction, ReadableDatabase, TableDefinition, WriteTransaction};
use thiserror::Error;

use crate::batch::Batcher;

/// The file, with its thread.
pub struct State {
    database: Arc<Database>,
    folder: PathBuf,
    writer: Batcher<Write>,
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
    /// A newer netbootd has written it.
    #[error(
        "{} is of a newer netbootd (tables of version {found}, this one knows {known}); install that one again, or move the file away to \
         start without what it remembers",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of its tables.
        found: u64,
        /// The newest version that is known here.
        known: u64,
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
        schema::take_up(&database, &path)?;
        let database = Arc::new(database);
        let writers = Arc::clone(&database);
        let writer = Batcher::start("state", move |writes: Vec<Write>| {
            let changes = writes.len();
            match commit(&writers, writes) {
                Ok(()) => true,
                Err(error) => {
                    tracing::error!(%error, changes, "not saved");
                    false
                }
            }
        });
        let writer = writer.map_err(|source| StateError::Open { path, source })?;
        Ok(State { database, folder: folder.to_owned(), writer })
    }

    /// The folder that it is in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes a change; true once it is on the disk. Changes are made in the order of the calls.
    pub async fn write(
        &self,
        write: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error> + Send + 'static,
    ) -> bool {
        self.writer.save(Box::new(write)).await
    }

    /// Makes a change on this thread, once others have made theirs. When it returns, it is on the disk.
    pub fn write_now(
        &self,
        write: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        write(&transaction)?;
        Ok(transaction.commit()?)
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
        self.write_now(|transaction| Ok(transaction.open_table(table).map(drop)?))
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(FILE_NAME)
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
