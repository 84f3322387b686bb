//! Why the store did not do it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::Digest;

/// The limit that keeps the store from growing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Bound {
    /// The free space of the disk.
    #[error("that is what the disk has free")]
    Disk,
    /// The part of the disk that is kept free.
    #[error("the disk has {free} bytes free, of which store.keep-free keeps {kept}")]
    KeepFree {
        /// The bytes that are free.
        free: u64,
        /// The bytes that `keep-free` reserves.
        kept: u64,
    },
    /// The quota of the configuration.
    #[error("the store holds {used} of the {quota} bytes of store.quota")]
    Quota {
        /// The bytes in use.
        used: u64,
        /// The bytes that the quota allows.
        quota: u64,
    },
}

/// Why the store did not do it.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The system says no.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The action that failed, as a verb.
        action: &'static str,
        /// The file or folder of the action.
        path: PathBuf,
        /// The system's error that stopped it.
        source: io::Error,
    },
    /// Another process holds the writer's lock.
    #[error("another process is writing to the store; try again when it is done")]
    Busy,
    /// There is not enough room.
    #[error("{need} bytes are needed and {have} may be used: {bound}")]
    NoRoom {
        /// The bytes that are needed.
        need: u64,
        /// Bytes, the part that is kept free not counted.
        have: u64,
        /// The limit that refuses it.
        bound: Bound,
    },
    /// The observer asked to end.
    #[error("interrupted")]
    Cancelled,
    /// The catalogue cannot be read or written.
    #[error("the catalogue cannot be used")]
    Catalogue(#[source] Box<redb::Error>),
    /// There is no such image.
    #[error("there is no image {0:?}")]
    NoImage(String),
    /// There is no such version of it.
    #[error("the image {name:?} has no version {version}")]
    NoVersion {
        /// The image that was asked for.
        name: String,
        /// The version that was asked for.
        version: String,
    },
    /// A blob is missing or damaged.
    #[error("the blob {digest} is {what}")]
    Blob {
        /// The digest of the blob.
        digest: Digest,
        /// The fault: missing or damaged.
        what: &'static str,
    },
    /// A name that no image can have.
    #[error("{0:?} is no name for an image: one path component was expected")]
    Name(String),
}

impl StoreError {
    /// Whether the same may well succeed later: the disk, or another writer, is in the way.
    pub fn is_passing(&self) -> bool {
        match self {
            StoreError::Io { .. }
            | StoreError::Busy
            | StoreError::NoRoom { .. }
            | StoreError::Catalogue(_)
            | StoreError::Blob { .. } => true,
            StoreError::NoImage(_)
            | StoreError::NoVersion { .. }
            | StoreError::Name(_)
            | StoreError::Cancelled => false,
        }
    }
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        StoreError::Catalogue(Box::new(error.into()))
    }
}

pub(crate) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { action, path, source }
}
