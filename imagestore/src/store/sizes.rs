//! How many blobs there are of each size, kept in the catalogue: what an import asks, without a
//! look at every blob.
//!
//! Blobs that are only cached do not count. A crash between the blobs' names and the catalogue, and
//! a blob that is withdrawn, leave the numbers a little wrong until the next collection counts
//! anew: a file may be read once more for its digest, and the quota may be off by it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use redb::{ReadOnlyTable, ReadableTable, TableDefinition, TableError, TableHandle, WriteTransaction};

use super::{Store, StoreError, catalogue, io_error};
use crate::Digest;

/// A blob's size in bytes to how many blobs have it.
const SIZES: TableDefinition<'_, u64, u64> = TableDefinition::new("sizes");

impl Store {
    /// Which of these sizes a blob has that is here already: a file of another size is new for
    /// sure.
    pub(crate) fn known_sizes(&self, sizes: &BTreeSet<u64>) -> Result<BTreeSet<u64>, StoreError> {
        let counted = self.counted(|table| {
            let mut known = BTreeSet::new();
            for size in sizes {
                known.extend(table.get(size)?.map(|_| *size));
            }
            Ok(known)
        })?;
        match counted {
            Some(known) => Ok(known),
            None => Ok(count(self)?.into_keys().filter(|size| sizes.contains(size)).collect()),
        }
    }

    /// Bytes of all blobs.
    pub fn used(&self) -> Result<u64, StoreError> {
        let counted = self.counted(|table| {
            let mut bytes = 0;
            for entry in table.iter()? {
                let (size, count) = entry?;
                bytes += size.value() * count.value();
            }
            Ok(bytes)
        })?;
        let counted = match counted {
            Some(bytes) => bytes,
            None => count(self)?.iter().map(|(size, count)| size * count).sum(),
        };
        Ok(counted + self.cached()?)
    }

    /// Reads the numbers; None when the store was never counted.
    fn counted<T>(
        &self,
        take: impl FnOnce(&ReadOnlyTable<u64, u64>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let counted = catalogue::read(self.root(), |read| match read.open_table(SIZES) {
            Ok(table) => take(&table).map(Some),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        })?;
        Ok(counted.flatten())
    }

    /// Bytes of the blobs that are only cached.
    fn cached(&self) -> Result<u64, StoreError> {
        let folder = self.root().join("cached");
        let entries = fs::read_dir(&folder).map_err(io_error("list", &folder))?.flatten();
        let digests = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<Digest>().ok());
        Ok(digests.filter_map(|digest| Some(self.blob_path(&digest).metadata().ok()?.len())).sum())
    }
}

/// Counts further blobs, in a transaction of their own.
#[cfg(test)]
pub(super) fn add(root: &Path, sizes: &[u64]) -> Result<(), StoreError> {
    if sizes.is_empty() {
        return Ok(());
    }
    catalogue::write(root, |write| add_in(write, sizes))
}

/// Counts further blobs. A store that was never counted stays so until its next import counts all
/// of it.
pub(super) fn add_in(write: &WriteTransaction, sizes: &[u64]) -> Result<(), StoreError> {
    if !write.list_tables()?.any(|table| table.name() == SIZES.name()) {
        return Ok(());
    }
    let mut table = write.open_table(SIZES)?;
    for size in sizes {
        let count = table.get(size)?.map_or(0, |count| count.value());
        table.insert(size, count + 1)?;
    }
    Ok(())
}

/// Looks at every blob and keeps the numbers: for a store that was never counted.
fn count(store: &Store) -> Result<BTreeMap<u64, u64>, StoreError> {
    let mut sizes = BTreeMap::new();
    for (digest, size) in store.blobs()? {
        if !store.cached_path(&digest).exists() {
            *sizes.entry(size).or_default() += 1;
        }
    }
    replace(store.root(), &sizes)?;
    Ok(sizes)
}

/// Keeps these numbers from now on.
pub(super) fn replace(root: &Path, sizes: &BTreeMap<u64, u64>) -> Result<(), StoreError> {
    catalogue::write(root, |write| {
        write.delete_table(SIZES)?;
        let mut table = write.open_table(SIZES)?;
        for (size, count) in sizes {
            table.insert(size, count)?;
        }
        Ok(())
    })
}
