//! File operations beyond Rust's own library: the same names on every system, with Linux's fast
//! calls on Linux and portable ones elsewhere.

#[cfg(any(windows, test))]
mod names;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::{
    DirBuilderExt, FileExt, HAS_MODES, MetadataExt, OpenOptionsExt, available_space, is_open_to, set_mode,
    sync_folder,
};
#[cfg(unix)]
pub(crate) use unix::{
    Folder, Lock, allocated, copy_between, make_read_only, may_be_mapped, may_have_holes, next_data, slashed,
    special_kind, sync_file, sync_filesystem, widen_pipe,
};
#[cfg(windows)]
pub use windows::{
    DirBuilderExt, FileExt, HAS_MODES, MetadataExt, OpenOptionsExt, available_space, is_open_to, set_mode,
    sync_folder,
};
#[cfg(windows)]
pub(crate) use windows::{
    Folder, Lock, allocated, copy_between, make_read_only, may_be_mapped, may_have_holes, next_data, slashed,
    special_kind, sync_file, sync_filesystem, widen_pipe,
};
