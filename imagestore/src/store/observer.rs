//! How an import tells how far it has come.

/// Follows an import. Every method does nothing unless written.
pub trait Observer {
    /// So many bytes will be read.
    fn total(&mut self, _bytes: u64) {}
    /// This file is read next.
    fn file(&mut self, _name: &str) {}
    /// So many more bytes have been read.
    fn bytes(&mut self, _count: u64) {}
    /// This has just been done.
    fn step(&mut self, _step: Step) {}
    /// Whether to end before everything is done. The work so far is undone, or stays invisible.
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// An observer that looks away.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Observer for Quiet {}

/// The steps of an ingest, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// The lock is held and leftovers are swept.
    Begun,
    /// A file's bytes are written, not yet synced.
    Written,
    /// All bytes are on the disk.
    Synced,
    /// A blob has its name.
    Renamed,
    /// The blobs' folders are on the disk.
    FoldersSynced,
    /// The catalogue says so.
    Committed,
}

impl Step {
    /// The steps in their order.
    pub const ALL: [Step; 6] =
        [Step::Begun, Step::Written, Step::Synced, Step::Renamed, Step::FoldersSynced, Step::Committed];
}
