//! Blobs that are served where they lie: files of a content library, whose hash was checked once.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::copying::digest_of;
use super::{Observer, Store, StoreError, Writer, io_error};
use crate::platform::MetadataExt;
use crate::{BootFile, Digest};

/// A file that has been found to have a digest, and by what it is known to be unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Foreign {
    path: PathBuf,
    size: u64,
    modified: (i64, i64),
    volume: u64,
}

impl Foreign {
    fn new(path: &Path, metadata: &fs::Metadata) -> Self {
        Foreign {
            path: path.to_owned(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            volume: metadata.dev(),
        }
    }
}

/// Files that lie elsewhere and that machines run from, kept open: ConfigMgr may remove a file
/// under a running machine.
#[derive(Debug, Default)]
pub(super) struct KeptOpen(Mutex<HashMap<Digest, (BootFile, Instant)>>);

impl KeptOpen {
    fn keep(&self, digest: Digest, file: &BootFile, now: Instant) {
        let mut kept = self.0.lock();
        if let Some((_, last)) = kept.get_mut(&digest) {
            *last = now;
            return;
        }
        kept.retain(|_, (_, last)| now.saturating_duration_since(*last) < KEPT_FOR);
        if kept.len() >= MAX_KEPT {
            let oldest = kept.iter().min_by_key(|(_, (_, last))| *last).map(|(digest, _)| *digest);
            oldest.map(|digest| kept.remove(&digest));
        }
        // Out of descriptors it is served for as long as it lies there.
        if let Ok(file) = file.reopen() {
            kept.insert(digest, (file, now));
        }
    }

    fn get(&self, digest: &Digest) -> Option<BootFile> {
        let kept = self.0.lock();
        let (file, _) = kept.get(digest)?;
        // Overwritten where it lay, it is not what the digest names any more.
        file.check_unchanged().ok()?;
        file.reopen().ok()
    }
}

impl Store {
    /// Keeps a file open that a machine runs from, if it is one that somebody else may remove.
    pub fn keep_open(&self, file: &BootFile) {
        let Some(digest) = file.holding_blob().filter(|_| file.file().is_some()) else { return };
        if !self.blob_path(&digest).exists() {
            self.kept_open.keep(digest, file, Instant::now());
        }
    }

    /// A blob that lay elsewhere and has been removed there, while a machine runs from it.
    pub(super) fn kept_blob(&self, digest: &Digest) -> Option<BootFile> {
        self.kept_open.get(digest)
    }

    /// Opens a blob that lies elsewhere; None when none is known, or when the file is no longer the
    /// one that was checked.
    pub(super) fn foreign_blob(&self, digest: &Digest) -> Option<BootFile> {
        let known: Foreign = serde_json::from_slice(&fs::read(self.foreign_path(digest)).ok()?).ok()?;
        let file = File::open(&known.path).ok()?;
        let metadata = file.metadata().ok()?;
        let same = metadata.is_file() && Foreign::new(&known.path, &metadata) == known;
        same.then(|| BootFile::of_blob(file, &metadata, digest).unsealed())
    }

    pub(super) fn foreign_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("foreign").join(digest.to_string())
    }

    /// The digests of what lies elsewhere.
    pub(super) fn foreign_digests(&self) -> Result<Vec<Digest>, StoreError> {
        let folder = self.root.join("foreign");
        let entries = fs::read_dir(&folder).map_err(io_error("list", &folder))?.flatten();
        Ok(entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
    }
}

impl Writer {
    /// Takes a file as the blob of a digest without copying it. It is read once, now, unless it is
    /// known unchanged.
    pub fn adopt(
        &mut self,
        digest: &Digest,
        path: &Path,
        observer: &mut dyn Observer,
    ) -> Result<u64, StoreError> {
        if let Some(known) = self.store().foreign_blob(digest) {
            observer.bytes(known.len());
            return Ok(known.len());
        }
        let mut file = File::open(path).map_err(io_error("open", path))?;
        let metadata = file.metadata().map_err(io_error("read", path))?;
        let (found, size) = digest_of(path, &mut file, observer)?;
        if found != *digest {
            return Err(StoreError::Blob {
                digest: *digest,
                what: "not what the file in the content library holds",
            });
        }
        let json = serde_json::to_vec(&Foreign::new(path, &metadata)).unwrap_or_default(); // plain struct
        let place = self.store().foreign_path(digest);
        let temporary = place.with_extension("new");
        let written = fs::write(&temporary, json).and_then(|()| fs::rename(&temporary, &place));
        written.map_err(io_error("write", &place))?;
        Ok(size)
    }
}

/// As long as a lease keeps a version in the store.
const KEPT_FOR: Duration = Duration::from_secs(2 * 3600);
/// Root images that machines run from at a time, one descriptor each.
const MAX_KEPT: usize = 64;

/// Forgets where a blob lies; the file itself is not ours.
pub(super) fn forget(store: &Store, digest: &Digest) -> Result<(), StoreError> {
    let place = store.foreign_path(digest);
    match fs::remove_file(&place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", &place)(error)),
        _ => Ok(()),
    }
}
