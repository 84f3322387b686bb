//! The store: blobs by digest, and the catalogue of images made of them.
//!
//! ```text
//! blobs/ab/ab12…      the bytes, read-only, never changed
//! incoming/…          bytes that are not committed yet; swept by the next writer
//! quarantine/ab12…    bytes that are not what their name says
//! foreign/ab12…       where a blob lies that is served in place
//! cached/ab12…        when a blob that came from elsewhere was last used
//! filling/…           blobs that come from elsewhere
//! boot-media/…        secrets of ConfigMgr's boot media, by image: no blobs, and served by no path
//! leases/…            versions that a running boot may still need
//! catalogue.redb      images: name, versions, labels
//! lock                held by the one writer
//! ```
//!
//! Nobody sees an image before every byte of it is on the disk: bytes are written to `incoming`,
//! synced, renamed into `blobs`, their folders synced, and then the catalogue says so in one
//! transaction. A crash leaves the old state or the new one.

mod catalogue;
mod copying;
mod error;
mod foreign;
mod gc;
mod media;
mod observer;
mod runners;
mod scrub;
mod sizes;
mod writer;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use catalogue::{Catalogue, ImageRecord, Retired, Version};
pub(crate) use error::io_error;
pub use error::{Bound, StoreError};
pub use gc::Collected;
pub use observer::{Observer, Quiet, Step};
pub use runners::Runner;
pub use scrub::Scrubbed;
pub use writer::{Prepared, Writer};

use crate::{BootFile, Digest, Manifest, platform};
use foreign::KeptOpen;
pub(crate) use media::MediaSecrets;

/// The store in one folder. Many may read; see [`Store::write`].
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    limits: StoreLimits,
    kept_open: Arc<KeptOpen>,
}

/// How much the store may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreLimits {
    /// Bytes of all blobs; None for as many as the disk holds.
    pub quota: Option<u64>,
    /// Bytes that are left free on the disk.
    pub keep_free: u64,
}

/// How much the store may grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes that it may grow by.
    pub have: u64,
    /// Bytes that the disk has free.
    pub free: u64,
    /// The limit that keeps it from growing further.
    pub bound: Bound,
}

impl Store {
    /// Opens the store in a folder, and makes it when it is not there.
    pub fn open(root: &Path, limits: StoreLimits) -> Result<Self, StoreError> {
        for below in ["blobs", "incoming", "quarantine", "leases", "foreign", "cached", "filling"] {
            let folder = root.join(below);
            fs::create_dir_all(&folder).map_err(io_error("make", &folder))?;
        }
        Ok(Store { root: root.to_owned(), limits, kept_open: Arc::default() })
    }

    /// The folder that the store is in.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Becomes the one writer. It sweeps what a former writer left uncommitted.
    pub fn write(&self) -> Result<Writer, StoreError> {
        Writer::begin(self)
    }

    /// The catalogue as committed last. Waits a moment for a writer that commits.
    pub fn catalogue(&self) -> Result<Catalogue, StoreError> {
        Catalogue::load(&self.root)
    }

    /// Whether so many more bytes have room: on the disk, beside what is kept free, and in the
    /// quota.
    pub fn check_room(&self, need: u64) -> Result<(), StoreError> {
        let room = self.room()?;
        let bound = if need > room.free && matches!(room.bound, Bound::KeepFree { .. }) {
            Bound::Disk
        } else {
            room.bound
        };
        if need > room.have { Err(StoreError::NoRoom { need, have: room.have, bound }) } else { Ok(()) }
    }

    /// The bytes that the store may grow by, and what holds it there.
    pub fn room(&self) -> Result<Room, StoreError> {
        let free = platform::available_space(&self.root).map_err(io_error("measure", &self.root))?;
        let kept = self.limits.keep_free;
        let (mut have, mut bound) = (free.saturating_sub(kept), Bound::KeepFree { free, kept });
        if let Some(quota) = self.limits.quota {
            let used = self.used()?;
            let left = quota.saturating_sub(used);
            if left < have {
                (have, bound) = (left, Bound::Quota { used, quota });
            }
        }
        Ok(Room { have, free, bound })
    }

    /// Opens a blob. The file stays whole for as long as it is open, whatever is collected
    /// meanwhile.
    pub fn blob(&self, digest: &Digest) -> Result<BootFile, StoreError> {
        let path = self.blob_path(digest);
        let missing = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::Blob { digest: *digest, what: "missing" },
            _ => io_error("open", &path)(error),
        };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) => {
                let foreign = self.foreign_blob(digest).or_else(|| self.kept_blob(digest));
                return foreign.ok_or_else(|| missing(error));
            }
        };
        let metadata = file.metadata().map_err(io_error("read", &path))?;
        Ok(BootFile::of_blob(file, &metadata, digest))
    }

    /// Whether a blob is there, by its name alone, or unchanged where it lies.
    pub fn contains(&self, digest: &Digest) -> bool {
        self.blob_path(digest).exists() || self.foreign_blob(digest).is_some()
    }

    /// The manifest of a version.
    pub fn manifest(&self, version: &Digest) -> Result<Manifest, StoreError> {
        let damaged = || StoreError::Blob { digest: *version, what: "no manifest" };
        let path = self.blob_path(version);
        let bytes = fs::read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::Blob { digest: *version, what: "missing" },
            _ => io_error("read", &path)(error),
        })?;
        if Digest::compute(&bytes) != *version {
            return Err(damaged());
        }
        Manifest::from_json(&bytes).map_err(|_| damaged())
    }

    /// Keeps a version from being collected for a while: a machine boots from it. Cheap enough for
    /// every boot.
    pub fn lease(&self, version: &Digest) -> Result<(), StoreError> {
        let path = self.lease_path(version);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(io_error("write", &path))?;
        file.set_modified(SystemTime::now()).map_err(io_error("write", &path))
    }

    /// The versions that are leased now.
    pub fn leased(&self) -> Result<Vec<Digest>, StoreError> {
        let folder = self.root.join("leases");
        let mut leased = Vec::new();
        for entry in fs::read_dir(&folder).map_err(io_error("list", &folder))?.flatten() {
            let age = entry.metadata().and_then(|data| data.modified()).ok().and_then(|at| at.elapsed().ok());
            let version = entry.file_name().to_str().and_then(|name| name.parse().ok());
            match version {
                // A clock that went back leaves a lease in the future; it counts.
                Some(version) if age.is_none_or(|age| age < LEASE) => leased.push(version),
                _ => {
                    let _ = fs::remove_file(entry.path()); // an old lease does no harm
                }
            }
        }
        Ok(leased)
    }

    fn lease_path(&self, version: &Digest) -> PathBuf {
        self.root.join("leases").join(version.to_string())
    }

    pub(crate) fn cached_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("cached").join(digest.to_string())
    }

    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.root.join("blobs").join(&name[..2]).join(name)
    }
}

/// Twice as long as the slowest boot that was ever reported.
const LEASE: Duration = Duration::from_secs(2 * 3600);

#[cfg(test)]
mod tests;
