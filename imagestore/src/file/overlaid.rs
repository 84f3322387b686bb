//! A Windows image with files added: the original's bytes between those of an overlay.

use std::fs::File;
use std::io;

use super::{BootFile, Bytes, ReadError};
use crate::platform::FileExt;
use crate::wim::overlay::HEADER;

/// The original, and the file that has what differs from it.
#[derive(Debug)]
pub(super) struct Overlaid {
    pub(super) original: BootFile,
    over: File,
    /// Where the header begins in `over`, in bytes; the tail follows it.
    at: u64,
}

impl BootFile {
    /// The Windows image with an overlay, which is in `over` from `at` on.
    pub(crate) fn overlaid(self, over: File, at: u64) -> io::Result<Self> {
        let length = over.metadata()?.len();
        let mut header = [0; HEADER];
        over.read_exact_at(&mut header, at)?;
        let tail = length.checked_sub(at + HEADER as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        let identifier: String = header[IDENTIFIER].iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(BootFile {
            start: 0,
            len: self.len + tail,
            modified: self.modified,
            version: None,
            etag: Some(format!("\"{}-{identifier}\"", self.etag().trim_matches('"'))),
            blob: None,
            sealed: self.sealed,
            image_version: self.image_version,
            is_part: false,
            bytes: Bytes::Overlaid(Box::new(Overlaid { original: self, over, at })),
        })
    }
}

impl Overlaid {
    pub(super) fn reopen(&self) -> io::Result<Self> {
        Ok(Overlaid { original: self.original.reopen()?, over: self.over.try_clone()?, at: self.at })
    }

    pub(super) fn read_exact_at(&self, offset: u64, mut buf: &mut [u8]) -> Result<(), ReadError> {
        let (head, whole) = (HEADER as u64, self.original.len());
        let mut offset = offset;
        while !buf.is_empty() {
            let end = if offset < head {
                head
            } else if offset < whole {
                whole
            } else {
                u64::MAX
            };
            let count = usize::try_from(end - offset).unwrap_or(buf.len()).min(buf.len());
            let (part, rest) = buf.split_at_mut(count);
            if (head..whole).contains(&offset) {
                self.original.read_exact_at(offset, part)?;
            } else {
                let inside = if offset < head { offset } else { head + (offset - whole) };
                let read = self.over.read_exact_at(part, self.at + inside);
                read.map_err(|source| ReadError::Io { at: offset, source })?;
            }
            (buf, offset) = (rest, offset + count as u64);
        }
        Ok(())
    }
}

/// The identifier (GUID) in a Windows image's header.
const IDENTIFIER: std::ops::Range<usize> = 24..40;
