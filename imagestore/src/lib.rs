//! Images and the boot tree that clients see.
//!
//! A client's path becomes a [`BootPath`], which a [`BootTree`] opens: case-insensitively, with `\`
//! for `/`, and never outside its folders. The [`Store`] keeps images as blobs by digest. Blocking
//! file I/O happens here; the caller chooses the thread.
#![warn(missing_docs)]

mod about;
mod cache;
mod digest;
mod file;
mod image_tree;
pub mod ingest;
pub mod library;
mod manifest;
mod map;
pub mod media;
mod nearest;
mod path;
mod pe;
pub mod platform;
mod recognise;
mod store;
mod tree;
pub mod wim;

pub use about::{About, AnswerForm, BootMedia, BootMethod, Rendered, Unattended, WindowsFacts, WindowsRole};
pub use cache::{Cache, FillError, Filling, Origin};
pub use digest::{Digest, DigestError, Digester};
pub use file::{BootFile, ReadError};
pub use image_tree::{AT, ImageTree, NETBOOT_SHARE, netboot_folder};
pub use manifest::{BootEntry, FileEntry, ImageKind, Manifest};
pub use map::Mapping;
pub use path::{BootPath, PathError, RequestedPath};
pub use pe::{PeHeader, Signature};
pub use store::{
    Bound, Catalogue, Collected, ImageRecord, Observer, Prepared, Quiet, Retired, Room, Runner, Scrubbed,
    Step, Store, StoreError, StoreLimits, Version, Writer,
};
pub use tree::{BootTree, Mount, MountError, OpenError};
