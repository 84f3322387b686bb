//! Images and the boot tree that clients see.
//!
//! A client's path becomes a [`BootPath`], which a [`BootTree`] opens: case-insensitively, with `\` for `/`, and never outside
//! its folders. Blocking file I/O happens here; the caller chooses the thread.

mod file;
mod path;
mod pe;
mod tree;

pub use file::{BootFile, ReadError};
pub use path::{BootPath, PathError};
pub use pe::Signature;
pub use tree::{BootTree, Mount, MountError, OpenError};
