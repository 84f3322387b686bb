//! The file that remembers what must survive a restart: leases, and what Macs chose.
//!
//! One thread writes; whatever waits for the disk at a time shares one commit. Dropping the last
//! handle ends the thread and closes the file. After an error, such as a full disk, the file is
//! opened anew: what comes then is written as soon as the disk takes it again.

#[cfg(test)]
pub(crate) mod faulty_disk;

mod schema;

use std::fs::{self, DirBuilder, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imagestore::platform::{DirBuilderExt, OpenOptionsExt, is_open_to, set_mode};
use parking_lot::RwLock;
use redb::backends::InMemoryBackend;
use redb::{Database, ReadTransaction, ReadableDatabase, TableDefinition, WriteTransaction};
use thiserror::Error;

use crate::batch::Batcher;

/// An error of the database below.
pub type DatabaseError = redb::Error;

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
        /// The state file that the error is about.
        path: PathBuf,
        /// The system's error that stopped it.
        source: io::Error,
    },
    /// Everybody on this host may look into its folder, which holds other things.
    #[error(
        "the state folder {} is open to other users and holds files of others; name a folder of its own, or run: chmod 0700 {}",
        folder.display(),
        folder.display()
    )]
    OpenToOthers {
        /// The folder that others may read.
        folder: PathBuf,
    },
    /// Another process has it open.
    #[error("{} is in use by another netbootd", path.display())]
    InUse {
        /// The state file that the error is about.
        path: PathBuf,
    },
    /// A newer netbootd has written it.
    #[error(
        "{} is of a newer netbootd (tables of version {found}, this one knows {known}); install that one again, or move the file away to \
         start without what it remembers",
        path.display()
    )]
    Newer {
        /// The state file that the error is about.
        path: PathBuf,
        /// The version of its tables.
        found: u64,
        /// The newest version that is known here.
        known: u64,
    },
    /// The disk fails it. The file is as whole as it was.
    #[error("{} stays as it is, and is needed: {}", path.display(), disk_words(source))]
    Disk {
        /// The state file that the error is about.
        path: PathBuf,
        /// The system's error that stopped it.
        source: io::Error,
    },
    /// It is damaged, or of another version.
    #[error("cannot use {}; move it away to start without what it remembers", path.display())]
    Database {
        /// The state file that the error is about.
        path: PathBuf,
        /// The error of the database.
        source: Box<redb::Error>,
    },
}

impl StateError {
    /// Of what the database says of a file.
    pub fn new(path: &Path, error: redb::Error) -> Self {
        // A file that is no database comes as an error of reading, too.
        let is_damage = |kind| matches!(kind, io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof);
        match error {
            redb::Error::Io(source) if !is_damage(source.kind()) => {
                StateError::Disk { path: path.to_owned(), source }
            }
            error => StateError::Database { path: path.to_owned(), source: Box::new(error) },
        }
    }
}

fn disk_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "its disk is full; make room there and start again".to_owned()
        }
        _ => "its disk fails; put that right and start again".to_owned(),
    }
}

impl State {
    /// Opens or makes `state.redb` in a folder.
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        let path = folder.join(FILE_NAME);
        State::start(folder, Box::new(move || open_file(&path)))
    }

    /// One in memory, for a decision that leaves nothing behind.
    pub fn in_memory() -> Result<Self, StateError> {
        State::start(Path::new(""), Box::new(open_in_memory))
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

    /// Where the state file lies.
    pub fn path(&self) -> PathBuf {
        self.folder.join(FILE_NAME)
    }

    /// Makes a change; true once it is on the disk. Changes are made in the order of the calls.
    pub async fn write(
        &self,
        write: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error> + Send + 'static,
    ) -> bool {
        self.writer.save(Box::new(write)).await
    }

    /// Makes a change on this thread, once others have made theirs. When it returns, it is on the
    /// disk.
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

    /// Copies the state and the journal of leases into `folder`, which is replaced, as they are
    /// between two changes. Changes wait meanwhile.
    pub fn copy_to(&self, folder: &Path) -> Result<(), StateError> {
        let fail = |source| StateError::Disk { path: folder.to_owned(), source };
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
            _ => {}
        }
        make_private(folder)?;
        let mut copied = Ok(());
        let written = self.write_now(|_| {
            // While the transaction is open nobody else changes the file, and the journal only
            // grows.
            copied = [FILE_NAME, JOURNAL].into_iter().try_for_each(|name| {
                match fs::copy(self.folder.join(name), folder.join(name)) {
                    Err(error) if name == JOURNAL && error.kind() == io::ErrorKind::NotFound => Ok(()),
                    copied => copied.map(drop),
                }
            });
            Ok(())
        });
        written.map_err(|error| StateError::new(&self.path(), error))?;
        copied.map_err(fail)
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
        let mut read = self.database.read();
        if read.is_none() {
            drop(read);
            let mut write = self.database.write();
            if write.is_none() {
                *write = Some((self.open)().map_err(|error| redb::Error::Io(io::Error::other(error)))?);
            }
            drop(write);
            read = self.database.read();
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
            *self.database.write() = None;
        }
        written
    }
}

fn open_file(path: &Path) -> Result<Database, StateError> {
    let cannot_open = |source| StateError::Open { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        make_private(folder)?;
    }
    let mut options = fs::File::options();
    let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(path).map_err(cannot_open)?;
    if is_open_to(path, OTHERS) {
        set_mode(path, 0o600).map_err(cannot_open)?;
    }
    let database =
        Database::builder().set_cache_size(CACHE).create_file(file).map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => StateError::InUse { path: path.to_owned() },
            error => StateError::new(path, error.into()),
        })?;
    schema::apply(&database, path)?;
    Ok(database)
}

/// Names of machines, and what came through from the distribution point: for this user alone, also
/// where the folder was there before or is a link. A folder that holds other things is left as it
/// is: it may be the system's.
fn make_private(folder: &Path) -> Result<(), StateError> {
    let cannot_open = |source| StateError::Open { path: folder.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(cannot_open)?;
    if !is_open_to(folder, OTHERS) {
        return Ok(());
    }
    let is_ours = |entry: io::Result<DirEntry>| {
        entry.is_ok_and(|entry| OURS.iter().any(|name| entry.file_name() == *name))
    };
    let own = folder.join(FILE_NAME).exists() || fs::read_dir(folder).map_err(cannot_open)?.all(is_ours);
    if !own {
        return Err(StateError::OpenToOthers { folder: folder.to_owned() });
    }
    set_mode(folder, 0o700).map_err(cannot_open)
}

fn open_in_memory() -> Result<Database, StateError> {
    let path = Path::new("memory");
    let database = Database::builder()
        .create_with_backend(InMemoryBackend::new())
        .map_err(|error| StateError::Database { path: path.to_owned(), source: Box::new(error.into()) })?;
    schema::apply(&database, path)?;
    Ok(database)
}

/// The folder in the state folder that backups are copied to.
pub const COPY_FOLDER: &str = "backup.part";
/// The journal of leases.
const JOURNAL: &str = "leases.journal";
const FILE_NAME: &str = "state.redb";
/// Names that a start makes before the file, or that a disk of its own holds.
const OURS: [&str; 2] = ["images", "lost+found"];
/// The bits of a mode that let the group and everybody in.
const OTHERS: u32 = 0o077;
/// In bytes. Values that are read often are kept elsewhere in memory, and the kernel keeps the
/// file's pages: more would only be filled by the history of a week, one step at a time.
const CACHE: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        fs::write(&path, vec![7; 100_000]).unwrap();
        assert!(matches!(State::open(folder.path()), Err(StateError::Database { .. })));
        assert_eq!(fs::read(&path).unwrap(), vec![7; 100_000]);
    }

    #[test]
    fn nobody_else_may_look_into_the_folder_or_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        drop(State::open(&state).unwrap());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&state), mode(&state.join(FILE_NAME))), (0o700, 0o600));
    }

    #[test]
    fn a_folder_that_is_there_already_or_a_link_gets_its_mode_and_one_with_other_things_is_refused() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let open_to_all = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let (there, target, shared) = (open_to_all("there"), open_to_all("target"), open_to_all("shared"));
        fs::create_dir(there.join("images")).unwrap();
        let link = folder.path().join("link");
        symlink(&target, &link).unwrap();
        for (named, real) in [(&there, &there), (&link, &target)] {
            drop(State::open(named).unwrap());
            assert_eq!((mode(real), mode(&real.join(FILE_NAME))), (0o700, 0o600));
            // Somebody opens it again while netbootd is away.
            fs::set_permissions(real, fs::Permissions::from_mode(0o750)).unwrap();
            fs::set_permissions(real.join(FILE_NAME), fs::Permissions::from_mode(0o644)).unwrap();
            drop(State::open(named).unwrap());
            assert_eq!((mode(real), mode(&real.join(FILE_NAME))), (0o700, 0o600));
        }
        fs::write(shared.join("somebody's"), "file").unwrap();
        let refused = State::open(&shared).unwrap_err();
        assert!(
            matches!(refused, StateError::OpenToOthers { .. }) && refused.to_string().contains("chmod 0700")
        );
        assert_eq!((mode(&shared), shared.join(FILE_NAME).exists()), (0o755, false));
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
