//! Which version the tables of a state file have, and how older ones become the present ones.

use std::path::Path;

use redb::{Database, ReadableDatabase, TableDefinition, TableError, WriteTransaction};
use tracing::info;

use super::StateError;

/// Makes older tables into the present ones, all in one commit; refuses newer ones and leaves them
/// as they are.
pub(super) fn apply(database: &Database, path: &Path) -> Result<(), StateError> {
    let unusable = |error| StateError::new(path, error);
    let found = version(database).map_err(unusable)?;
    if found > VERSION {
        return Err(StateError::Newer { path: path.to_owned(), found, known: VERSION });
    }
    if found < VERSION {
        migrate(database, found).map_err(unusable)?;
        info!(from = found, to = VERSION, "state tables converted");
    }
    Ok(())
}

fn version(database: &Database) -> Result<u64, redb::Error> {
    match database.begin_read()?.open_table(TABLE) {
        Ok(table) => Ok(table.get(KEY)?.map_or(0, |version| version.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

fn migrate(database: &Database, found: u64) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        step(&transaction)?;
    }
    transaction.open_table(TABLE)?.insert(KEY, VERSION)?;
    Ok(transaction.commit()?)
}

type Step = fn(&WriteTransaction) -> Result<(), redb::Error>;

/// How tables of version 0, 1, 2 ... become the next version's.
const STEPS: &[Step] = &[
    // Files without a version have the tables of version 1, and so has a file that is new.
    |_| Ok(()),
    crate::ledger::disk::migrate,
];
/// The version that this netbootd writes.
const VERSION: u64 = STEPS.len() as u64;
const TABLE: TableDefinition<&str, u64> = TableDefinition::new("schema");
const KEY: &str = "version";

#[cfg(test)]
mod tests {
    use super::super::{FILE_NAME, State};
    use super::*;

    const LEASES: TableDefinition<u32, &str> = TableDefinition::new("leases");

    fn database(folder: &Path) -> Database {
        Database::create(folder.join(FILE_NAME)).unwrap()
    }

    #[test]
    fn a_file_of_before_versions_keeps_what_it_remembers() {
        let folder = tempfile::tempdir().unwrap();
        let old = database(folder.path());
        let transaction = old.begin_write().unwrap();
        transaction.open_table(LEASES).unwrap().insert(7, "mine").unwrap();
        transaction.commit().unwrap();
        drop(old);

        drop(State::open(folder.path()).unwrap());
        let now = database(folder.path());
        assert_eq!(version(&now).unwrap(), VERSION);
        let leases = now.begin_read().unwrap().open_table(LEASES).unwrap();
        assert_eq!(leases.get(7).unwrap().unwrap().value(), "mine");
    }

    #[test]
    fn a_newer_file_is_refused_with_words_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let newer = database(folder.path());
        let transaction = newer.begin_write().unwrap();
        transaction.open_table(TABLE).unwrap().insert(KEY, VERSION + 4).unwrap();
        transaction.commit().unwrap();
        drop(newer);

        let refused = State::open(folder.path()).unwrap_err().to_string();
        let words =
            format!("is of a newer netbootd (tables of version {}, this one knows {VERSION})", VERSION + 4);
        assert!(refused.contains(&words), "{refused}");
        assert_eq!(version(&database(folder.path())).unwrap(), VERSION + 4);
    }
}
