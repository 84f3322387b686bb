//! What the system lets this process have: Windows knows no limit of open files.

/// Nothing is to be raised.
pub(super) fn open_files() -> Option<u64> {
    None
}
