//! The catalogue: images by name, their versions, which one is current.
//!
//! The file is opened for a moment only, by the writer to commit and by readers to load; a
//! reader keeps what it loaded.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use redb::{
    Database, DatabaseError, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, ReadableTable,
    TableDefinition, WriteTransaction,
};
use serde::{Deserialize, Serialize};

use super::{StoreError, sizes};
use crate::{About, Digest, ImageKind};

/// Name to the record's JSON.
const IMAGES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("images");

/// The images, as they were when this was loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// The images by their names.
    pub images: BTreeMap<String, ImageRecord>,
}

/// An image with all of its versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// The version that is served.
    pub current: Digest,
    /// All versions, the oldest first.
    pub versions: Vec<Version>,
    /// Set when the source took the image back: it is announced to nobody, and served to the
    /// machines that run from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<Retired>,
}

/// An image that its source took back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// When, in seconds since 1970.
    pub at: u64,
    /// The reason, as a sentence.
    pub why: String,
}

/// One version of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The digest of the version's manifest.
    pub manifest: Digest,
    /// The kind of machine or loader that it boots.
    pub kind: ImageKind,
    /// How many files it has.
    pub files: usize,
    /// Its size in bytes.
    pub size: u64,
    /// Words that operators gave it.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Where it came from.
    pub source: String,
    /// When it was taken in, in seconds since 1970.
    pub at: u64,
    /// Its description and ways to boot, as far as they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<Box<About>>,
}

impl ImageRecord {
    /// Of a version that is about to be added.
    pub fn new(current: Digest) -> Self {
        ImageRecord { current, versions: Vec::new(), retired: None }
    }

    /// Why an image is retired that an operator removed while machines ran from it.
    pub const REMOVED: &'static str = "removed";

    /// Whether an operator removed it, and only the machines that run from it keep it.
    pub fn is_removed(&self) -> bool {
        self.retired.as_ref().is_some_and(|retired| retired.why == Self::REMOVED)
    }

    /// The version that is served.
    pub fn current(&self) -> Option<&Version> {
        self.versions.iter().find(|version| version.manifest == self.current)
    }
}

impl Catalogue {
    /// The catalogue in the file of this folder; empty when there is none yet.
    pub(super) fn load(root: &Path) -> Result<Self, StoreError> {
        let images = read(root, |read| {
            let mut images = BTreeMap::new();
            for entry in read.open_table(IMAGES)?.iter()? {
                let (name, record) = entry?;
                // A record of a later version of this program is kept as it is, not lost.
                if let Ok(record) = serde_json::from_slice(record.value()) {
                    images.insert(name.value().to_owned(), record);
                }
            }
            Ok(images)
        })?;
        Ok(Catalogue { images: images.unwrap_or_default() })
    }
}

/// Reads the file; None when there is none yet.
pub(super) fn read<T>(
    root: &Path,
    take: impl FnOnce(&ReadTransaction) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let path = root.join(FILE_NAME);
    if !path.exists() {
        return Ok(None);
    }
    // A writer that was killed leaves a file that must be repaired, which takes a moment and the
    // right to write.
    match patiently(|| ReadOnlyDatabase::open(&path)) {
        Ok(database) => take(&database.begin_read()?).map(Some),
        Err(StoreError::Catalogue(error)) if matches!(*error, redb::Error::RepairAborted) => {
            take(&patiently(|| Database::open(&path))?.begin_read()?).map(Some)
        }
        Err(error) => Err(error),
    }
}

/// Changes the file in one transaction, and makes it when there is none yet.
pub(super) fn write<T>(
    root: &Path,
    change: impl FnOnce(&WriteTransaction) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let database = patiently(|| Database::create(root.join(FILE_NAME)))?;
    let write = database.begin_write()?;
    drop(write.open_table(IMAGES)?); // readers look for it
    let changed = change(&write)?;
    write.commit()?;
    Ok(changed)
}

/// Adds a version and makes it current, and counts its new blobs. A version that is there already
/// only becomes current.
pub(super) fn add_version(
    root: &Path,
    name: &str,
    version: Version,
    new: &[u64],
) -> Result<ImageRecord, StoreError> {
    let add = |record: Option<ImageRecord>| {
        let mut record = record.unwrap_or_else(|| ImageRecord::new(version.manifest));
        record.current = version.manifest;
        record.retired = None;
        match record.versions.iter_mut().find(|known| known.manifest == version.manifest) {
            // The same files from elsewhere, such as the next version of a package.
            Some(known) => {
                known.labels.extend(version.labels);
                known.source = version.source;
                known.about = version.about;
            }
            None => record.versions.push(version),
        }
        Ok(Some(record))
    };
    let added = write(root, |write| {
        sizes::add_in(write, new)?;
        change_in(write, name, add)
    })?;
    added.ok_or_else(|| StoreError::NoImage(name.to_owned()))
}

/// Changes one record in one transaction; None removes it.
pub(super) fn change(
    root: &Path,
    name: &str,
    change: impl FnOnce(Option<ImageRecord>) -> Result<Option<ImageRecord>, StoreError>,
) -> Result<Option<ImageRecord>, StoreError> {
    write(root, |write| change_in(write, name, change))
}

fn change_in(
    write: &WriteTransaction,
    name: &str,
    change: impl FnOnce(Option<ImageRecord>) -> Result<Option<ImageRecord>, StoreError>,
) -> Result<Option<ImageRecord>, StoreError> {
    let mut table = write.open_table(IMAGES)?;
    let known = table.get(name)?.and_then(|record| serde_json::from_slice(record.value()).ok());
    let changed = change(known)?;
    match &changed {
        Some(record) => {
            // Plain structs always have a JSON form.
            let json = serde_json::to_vec(record).unwrap_or_default();
            table.insert(name, json.as_slice())?;
        }
        None => drop(table.remove(name)?),
    }
    Ok(changed)
}

/// Retries while another process holds the file, which lasts milliseconds.
fn patiently<T>(mut open: impl FnMut() -> Result<T, DatabaseError>) -> Result<T, StoreError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match open() {
            Err(DatabaseError::DatabaseAlreadyOpen) if Instant::now() < deadline => thread::sleep(PAUSE),
            other => return Ok(other?),
        }
    }
}

const FILE_NAME: &str = "catalogue.redb";
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);
