//! The reasons why an upload does not go on.

use std::io;

use imagestore::ingest::IngestError;
use imagestore::{Digest, StoreError};
use thiserror::Error;

use super::MOST;

/// Why an upload does not go on.
#[derive(Debug, Error)]
pub enum UploadError {
    /// A name that no file may have.
    #[error("{0:?} is no name for a file: one path component without a leading dot was expected")]
    Name(String),
    /// A file, or a piece, without bytes.
    #[error("an upload, and each piece of it, has at least one byte")]
    Empty,
    /// Too many at a time.
    #[error("{MOST} uploads are under way; finish or remove one of them")]
    TooMany,
    #[error("there is no upload {0:?}; an upload that no client continues for a day is removed")]
    Unknown(String),
    /// A piece or the import of it is under way.
    #[error("the upload is busy: a piece is being written, or it is being imported")]
    Busy,
    /// A piece that does not follow the bytes that are here.
    #[error("the next piece begins at byte {offset}, not {sent}")]
    Offset {
        /// The bytes that are here.
        offset: u64,
        /// Where the piece begins.
        sent: u64,
    },
    /// More bytes than were announced.
    #[error("{sent} bytes are more than the {size} that were announced")]
    TooLong {
        size: u64,
        /// The size with this piece.
        sent: u64,
    },
    /// Fewer bytes than were announced.
    #[error("{offset} of {size} bytes are here")]
    Incomplete {
        /// The bytes that are here.
        offset: u64,
        size: u64,
    },
    /// Other bytes than were announced.
    #[error("the file's SHA-256 is {found}, and {announced} was announced; upload it again")]
    Digest {
        /// The digest of the bytes that are here.
        found: Digest,
        announced: Digest,
    },
    /// The store has no room.
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Import(#[from] IngestError),
    #[error("cannot write the upload")]
    Io(#[from] io::Error),
}
