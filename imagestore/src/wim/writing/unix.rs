//! The reader has the file: its bytes do not pass through this process.

use std::fs::File;

use wim_protocol::Command;

use super::super::process::Reader;
use super::super::{ArchiveEntry, Wim, WimError};

/// A file on its way out. Dropping it ends the reader.
#[derive(Debug)]
pub struct Writing<'a> {
    wim: &'a Wim,
    reader: Reader,
}

pub(in super::super) fn start<'a>(
    wim: &'a Wim,
    entry: &ArchiveEntry,
    to: File,
) -> Result<Writing<'a>, WimError> {
    let command = Command::Write { image: entry.image, path: entry.exact_path(), size: entry.size };
    Ok(Writing { wim, reader: wim.start_with(command, entry.size, Some(to))? })
}

impl Writing<'_> {
    /// Whether the reader has ended; its result is in [`Writing::finish`].
    pub fn has_ended(&mut self) -> bool {
        self.reader.has_ended()
    }

    /// Waits for the end.
    pub fn finish(self) -> Result<(), WimError> {
        self.wim.expect_done(self.reader)
    }
}
