//! The copy of a Configuration Manager site on the disk: `site.redb` in the state folder.
//!
//! The file holds nothing that the site does not: a damaged one is removed and read anew. It is
//! apart from the state file, whose writer a page of a thousand rows would hold up, and whose
//! backups it would fill.

use std::fs;
use std::io;
use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableError};
use tracing::warn;

use crate::file::DatabaseError;

/// A file of rows by key.
#[derive(Debug)]
pub struct SiteFile {
    database: Database,
}

/// A key with its new value, or without one when the row goes.
pub type SiteChange = (String, Option<Vec<u8>>);

impl SiteFile {
    /// Opens or makes the file in a folder.
    pub fn open(folder: &Path) -> Result<Self, DatabaseError> {
        let path = folder.join(FILE_NAME);
        let open = || Database::builder().set_cache_size(CACHE).create(&path).map_err(DatabaseError::from);
        let database = match open() {
            Ok(database) => database,
            Err(error) if is_damage(&error) => {
                warn!(file = %path.display(), %error, "the copy of the site is damaged and is read anew");
                fs::remove_file(&path).map_err(DatabaseError::Io)?;
                open()?
            }
            Err(error) => return Err(error),
        };
        Ok(SiteFile { database })
    }

    /// Every row, in the order of the keys.
    pub fn each(&self, mut row: impl FnMut(&str, &[u8])) -> Result<(), DatabaseError> {
        let table = match self.database.begin_read()?.open_table(ROWS) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(()),
            table => table?,
        };
        for entry in table.iter()? {
            let (key, value) = entry?;
            row(key.value(), value.value());
        }
        Ok(())
    }

    /// Makes changes, all or none of them. Blocks until they are on the disk.
    pub fn write(&self, changes: &[SiteChange]) -> Result<(), DatabaseError> {
        let transaction = self.database.begin_write()?;
        {
            let mut table = transaction.open_table(ROWS)?;
            for (key, value) in changes {
                match value {
                    Some(value) => drop(table.insert(key.as_str(), value.as_slice())?),
                    None => drop(table.remove(key.as_str())?),
                }
            }
        }
        Ok(transaction.commit()?)
    }

    /// Removes every row of the file.
    pub fn clear(&self) -> Result<(), DatabaseError> {
        let transaction = self.database.begin_write()?;
        transaction.delete_table(ROWS)?;
        Ok(transaction.commit()?)
    }
}

fn is_damage(error: &DatabaseError) -> bool {
    match error {
        DatabaseError::Corrupted(_) | DatabaseError::UpgradeRequired(_) => true,
        DatabaseError::Io(error) => {
            matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
        }
        _ => false,
    }
}

const ROWS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("site");
const FILE_NAME: &str = "site.redb";
/// In bytes. The rows are read once, at the start.
const CACHE: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(file: &SiteFile) -> Vec<(String, Vec<u8>)> {
        let mut rows = Vec::new();
        file.each(|key, value| rows.push((key.to_owned(), value.to_vec()))).unwrap();
        rows
    }

    #[test]
    fn rows_survive_a_restart_and_go_when_they_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let file = SiteFile::open(folder.path()).unwrap();
        assert!(rows(&file).is_empty());
        file.write(&[("d/2".into(), Some(vec![2])), ("d/1".into(), Some(vec![1]))]).unwrap();
        drop(file);
        let file = SiteFile::open(folder.path()).unwrap();
        assert_eq!(rows(&file), [("d/1".into(), vec![1]), ("d/2".into(), vec![2])]);
        file.write(&[("d/1".into(), None)]).unwrap();
        assert_eq!(rows(&file), [("d/2".into(), vec![2])]);
        file.clear().unwrap();
        assert!(rows(&file).is_empty());
    }

    #[test]
    fn a_damaged_copy_is_removed_and_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE_NAME), vec![7; 100_000]).unwrap();
        assert!(rows(&SiteFile::open(folder.path()).unwrap()).is_empty());
    }
}
