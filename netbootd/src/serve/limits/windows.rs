//! Windows knows no limit of open files.

/// Nothing is to be raised.
pub(in crate::serve) fn open_files() -> Option<u64> {
    None
}
