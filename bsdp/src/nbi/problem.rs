//! Faults of an image folder.

use thiserror::Error;

use super::PlistError;
use crate::BootImageId;

/// Why an image folder is not offered to anybody.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// The property list does not read.
    #[error("NBImageInfo.plist does not read: {0}")]
    Plist(PlistError),
    /// A key that every image needs is missing or of another type.
    #[error("{key} is missing; {wanted} is needed")]
    Missing {
        /// The key of the property list.
        key: &'static str,
        /// The expected type, for the message.
        wanted: &'static str,
    },
    /// A path with characters that no path has.
    #[error("{key} {value:?} holds a control character")]
    ControlCharacter {
        /// The key of the property list.
        key: &'static str,
        /// The value that the key has.
        value: String,
    },
    /// `Index` is out of range.
    #[error("Index {0} is outside 1 to 65535")]
    Index(i128),
    /// `Type` is a word that is none.
    #[error("Type {0:?} is none of NFS, HTTP, Classic and BootFileOnly")]
    Type(String),
    /// Mac OS 9 needs AFP.
    #[error("Type Classic is Mac OS 9, which needs an AFP server")]
    Classic,
    /// The booter of a listed architecture is not there.
    #[error("the booter {path} is missing: {architecture} is among Architectures")]
    NoBooter {
        /// The architecture that the image lists.
        architecture: String,
        /// Where it should be, inside the folder.
        path: String,
    },
    /// The root image is not there.
    #[error("RootPath names {path}, and there is no such file")]
    NoRootImage {
        /// The file, inside the folder.
        path: String,
    },
    /// The root path names another host in a way that does not read.
    #[error("RootPath {0:?} is neither a file here, nor host:mount:image, nor an http: URL")]
    RootPath(String),
    /// A host that has no IPv4 address. Macs do no DNS here, so the server must.
    #[error("the host {0:?} has no IPv4 address")]
    UnknownHost(String),
    /// The booter's path does not fit the reply.
    #[error("the booter's path has {have} bytes, more than the 127 of the reply's file field: {path}")]
    PathTooLong {
        /// The path that the key names.
        path: String,
        /// The bytes that are there.
        have: usize,
    },
    /// Another folder has the same image id.
    #[error("the image id {id} is taken by {other}; give one of them another Index")]
    DuplicateId {
        /// The id that both images have.
        id: BootImageId,
        /// The folder that has it.
        other: String,
    },
    /// The folder or its property list cannot be read.
    #[error("{0}")]
    Unreadable(String),
}
