//! A file's bytes in the page cache, for the kernel to send from: no copy is made on the way.
//!
//! The one module of this crate with unsafe code. A mapping is shared memory: another writer of
//! the file changes it, and reading behind the end of a file that was cut ends the process. So
//! nothing here gives the bytes to be read by this process. They go into gathered writes only,
//! where the kernel answers with `EFAULT` instead.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::IoSlice;

use memmap2::{Mmap, MmapOptions};

use crate::platform;

/// A file that is mapped into memory.
#[derive(Debug)]
pub struct Mapping(Mmap);

impl Mapping {
    /// Maps `len` bytes from `start` on; None where the system cannot.
    pub(crate) fn new(file: &File, start: u64, len: u64) -> Option<Self> {
        if !platform::may_be_mapped() {
            return None;
        }
        let len = usize::try_from(len).ok().filter(|len| *len > 0)?;
        // SAFETY: the bytes are only ever handed to the kernel, see above: no code here relies on
        // what they are.
        let map = unsafe { MmapOptions::new().offset(start).len(len).map(file) }.ok()?;
        Some(Mapping(map))
    }

    /// Bytes for a gathered write, which fails with `EFAULT` if they are not there. Not to be read
    /// otherwise. None beyond the length.
    pub fn slice(&self, offset: u64, len: usize) -> Option<IoSlice<'_>> {
        let start = usize::try_from(offset).ok()?;
        self.0.get(start..start.checked_add(len)?).map(IoSlice::new)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_kernel_writes_what_is_mapped_and_says_when_it_is_gone() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 10_000]).unwrap();
        let map = Mapping::new(&file, 0, 10_000).unwrap();
        assert!(map.slice(9_000, 1_001).is_none() && map.slice(u64::MAX, 1).is_none());

        let (mut reader, mut writer) = std::io::pipe().unwrap();
        let parts = [IoSlice::new(b"head"), map.slice(9_990, 10).unwrap()];
        assert_eq!(writer.write_vectored(&parts).unwrap(), 14);
        let mut came = [0; 14];
        std::io::Read::read_exact(&mut reader, &mut came).unwrap();
        assert_eq!(&came, b"head\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07");

        file.set_len(0).unwrap();
        let error = writer.write_vectored(&[map.slice(0, 10).unwrap()]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(nix::libc::EFAULT));
    }

    #[test]
    fn an_empty_file_is_not_mapped() {
        assert!(Mapping::new(&tempfile::tempfile().unwrap(), 0, 0).is_none());
    }
}
