//! The file that remembers what must survive a restart: leases, and what Macs chose.
//!
//! One thread writes; whatever waits for the disk at a time shares one commit. Dropping the last handle ends the thread and closes the file.
//! After an error, such as a full disk, the file is opened anew: what comes then is written as soon as the disk takes it again.

#[cfg(test)]
pub(crate) mod faulty_disk;

mod schema;

use std::fs::DirBuilder;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use imagestore::platform::{DirBuilderExt, OpenOptionsExt};
use redb::{Database, ReadTransaction, ReadableDatabase, TableDefinition, WriteTransaction};
use thiserror::Error;

use crate::batch::Batcher;

/// The file, with its thread.
pub struct State {
    opened: Arc<Opened>,
    folder: PathBuf,
    writer: Batcher<Write>,
}

/// The database, for as long as it has had no error: it takes nothing more after one.
struct Opened {
    open: Box<Open>,
    database: RwLock<Option<Database>>,
}

type Open = dyn Fn() -> Result<Database, StateError> + Send + Sync;

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
        State::start(folder, Box::new(move || open_file(&path)))
    }

    fn start(folder: &Path, open: Box<Open>) -> Result<Self, StateError> {
        let database = RwLock::new(Some(open()?));
        let opened = Arc::new(Opened { open, database });
        let written = Arc::clone(&opened);
        let writer = Batcher::start("state", move |writes: Vec<Write>| {
            let changes = writes.len();
            let all =
                |transaction: &WriteTransaction| writes.into_iter().try_for_each(|write| write(transaction));
            match written.write(all) {
                Ok(()) => true,
                Err(error) => {
                    tracing::error!(%error, changes, "not saved");
                    false
                }
            }
        });
        let writer = writer.map_err(|source| StateError::Open { path: folder.join(FILE_NAME), source })?;
        Ok(State { opened, folder: folder.to_owned(), writer })
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
        self.opened.write(write)
    }

    /// Reads what is on the disk.
    pub fn read(&self) -> Result<ReadTransaction, redb::Error> {
        self.opened.with(|database| Ok(database.begin_read()?))
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

impl Opened {
    /// Uses the database, which is opened before if it had an error.
    fn with<T>(&self, action: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T, redb::Error> {
        let mut read = self.database.read().unwrap_or_else(PoisonError::into_inner);
        if read.is_none() {
            drop(read);
            let mut write = self.database.write().unwrap_or_else(PoisonError::into_inner);
            if write.is_none() {
                *write = Some((self.open)().map_err(|error| redb::Error::Io(io::Error::other(error)))?);
            }
            drop(write);
            read = self.database.read().unwrap_or_else(PoisonError::into_inner);
        }
        match &*read {
            Some(database) => action(database),
            None => Err(redb::Error::PreviousIo), // another thread has just had an error
        }
    }

    fn write(
        &self,
        write: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), redb::Error> {
        let written = self.with(|database| {
            let transaction = database.begin_write()?;
            write(&transaction)?;
            Ok(transaction.commit()?)
        });
        if written.is_err() {
            *self.database.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
        written
    }
}

fn open_file(path: &Path) -> Result<Database, StateError> {
    let cannot_open = |source| StateError::Open { path: path.to_owned(), source };
    // Names of machines, and what came through from the distribution point: for this user alone.
    let make = |folder| DirBuilder::new().recursive(true).mode(0o700).create(folder);
    path.parent().map_or(Ok(()), make).map_err(cannot_open)?;
    let mut options = std::fs::File::options();
    let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(path).map_err(cannot_open)?;
    let database =
        Database::builder().set_cache_size(CACHE).create_file(file).map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => StateError::InUse { path: path.to_owned() },
            error => StateError::Database { path: path.to_owned(), source: Box::new(error.into()) },
        })?;
    schema::take_up(&database, path)?;
    Ok(database)
}

const FILE_NAME: &str = "state.redb";
/// In bytes. What is read often is kept elsewhere in memory, and the kernel keeps the file's pages: more would only be filled by the history
/// of a week, one step at a time.
const CACHE: usize = 1 << 20;

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
    fn nobody_else_may_look_into_the_folder_or_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        drop(State::open(&state).unwrap());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&state), mode(&state.join(FILE_NAME))), (0o700, 0o600));
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
