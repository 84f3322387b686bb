//! Getting bytes into a file of the store, with their digest.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use super::{Observer, StoreError, io_error};
use crate::Digest;
use crate::digest::Digester;
use crate::platform::{FileExt, copy_between, may_have_holes, next_data};

/// Copies a stream, hashing while it goes.
pub(super) fn copy(
    name: &Path,
    source: &mut dyn Read,
    temporary: &Path,
    to: &mut File,
    observer: &mut dyn Observer,
) -> Result<(Digest, u64), StoreError> {
    let mut tally = Tally::new(observer);
    let mut buf = vec![0; PIECE];
    loop {
        let count = read(source, &mut buf).map_err(io_error("read", name))?;
        if count == 0 {
            return Ok(tally.end());
        }
        to.write_all(&buf[..count]).map_err(io_error("write", temporary))?;
        tally.add(&buf[..count], Some(to))?;
    }
}

/// Copies a file by the system's own means, which shares the bytes where the filesystem can (btrfs,
/// XFS). None where it cannot copy so at all, and nothing has been copied then.
pub(super) fn share(
    path: &Path,
    file: &File,
    temporary: &Path,
    copy: &File,
    observer: &mut dyn Observer,
) -> Result<Option<(Digest, u64)>, StoreError> {
    let mut tally = Tally::new(observer);
    let mut buf = vec![0; PIECE];
    loop {
        let copied = copy_between(file, copy, WRITE_BACK_EVERY, tally.size > 0);
        let count = match copied.map_err(io_error("copy", path))? {
            Some(0) => return Ok(Some(tally.end())),
            Some(count) => count,
            None => return Ok(None),
        };
        // The stored bytes count, so the copy is read and not the source.
        let end = tally.size + count as u64;
        while tally.size < end {
            let piece = piece(end - tally.size);
            copy.read_exact_at(&mut buf[..piece], tally.size).map_err(io_error("read", temporary))?;
            tally.add(&buf[..piece], Some(copy))?;
        }
    }
}

/// Copies a file that has holes, and leaves them holes. None for a file without, and nothing has
/// been copied then.
pub(super) fn holes_kept(
    path: &Path,
    file: &File,
    temporary: &Path,
    copy: &mut File,
    observer: &mut dyn Observer,
) -> Result<Option<(Digest, u64)>, StoreError> {
    let metadata = file.metadata().map_err(io_error("read", path))?;
    let size = metadata.len();
    // A file that the filesystem compresses takes less room too, and has no holes.
    let is_whole =
        || next_data(file, 0).map(|data| data.is_some_and(|data| data.start == 0 && data.end >= size));
    if !may_have_holes(&metadata) || is_whole().map_err(io_error("read", path))? {
        return Ok(None);
    }
    let mut tally = Tally::new(observer);
    let (mut buf, zeros) = (vec![0; PIECE], vec![0; PIECE]);
    copy.set_len(size).map_err(io_error("write", temporary))?;
    while tally.size < size {
        let data = next_data(file, tally.size).map_err(io_error("read", path))?.unwrap_or(size..size);
        let (start, end) = (data.start.min(size), data.end.min(size));
        while tally.size < start {
            tally.add(&zeros[..piece(start - tally.size)], None)?;
        }
        while tally.size < end {
            let bytes = &mut buf[..piece(end - tally.size)];
            file.read_exact_at(bytes, tally.size).map_err(io_error("read", path))?;
            copy.write_all_at(bytes, tally.size).map_err(io_error("write", temporary))?;
            tally.add(bytes, Some(copy))?;
        }
    }
    Ok(Some(tally.end()))
}

fn piece(left: u64) -> usize {
    usize::try_from(left).unwrap_or(PIECE).min(PIECE)
}

/// Hashes a file while another process writes it.
pub(super) fn follow(
    temporary: &Path,
    file: &File,
    mut has_ended: impl FnMut() -> bool,
    observer: &mut dyn Observer,
) -> Result<(Digest, u64), StoreError> {
    let mut tally = Tally::new(observer);
    let mut buf = vec![0; PIECE];
    loop {
        let ended = has_ended();
        let count = file.read_at(&mut buf, tally.size).map_err(io_error("read", temporary))?;
        if count == 0 && ended {
            return Ok(tally.end());
        }
        if count < PIECE && !ended {
            thread::sleep(GROWTH); // the other process is the slower one
        }
        tally.add(&buf[..count], Some(file))?;
    }
}

/// The digest and the length of a stream.
pub(super) fn digest_of(
    path: &Path,
    source: &mut dyn Read,
    observer: &mut dyn Observer,
) -> Result<(Digest, u64), StoreError> {
    let mut tally = Tally::new(observer);
    let mut buf = vec![0; PIECE];
    loop {
        let count = read(source, &mut buf).map_err(io_error("read", path))?;
        if count == 0 {
            return Ok(tally.end());
        }
        tally.add(&buf[..count], None)?;
    }
}

/// The size and digest of the bytes so far. Bytes of large files go to the disk while more of them
/// come, so the last sync has little left to do.
struct Tally<'a> {
    digester: Digester,
    size: u64,
    pending: usize,
    write_back: Option<SyncSender<File>>,
    observer: &'a mut dyn Observer,
}

impl<'a> Tally<'a> {
    fn new(observer: &'a mut dyn Observer) -> Self {
        Tally { digester: Digester::default(), size: 0, pending: 0, write_back: None, observer }
    }

    fn add(&mut self, bytes: &[u8], stored_in: Option<&File>) -> Result<(), StoreError> {
        if self.observer.is_cancelled() {
            return Err(StoreError::Cancelled);
        }
        self.digester.update(bytes);
        self.size += bytes.len() as u64;
        self.observer.bytes(bytes.len() as u64);
        self.pending += bytes.len();
        if let Some(file) = stored_in
            && self.pending >= WRITE_BACK_EVERY
        {
            self.pending = 0;
            self.write_back(file);
        }
        Ok(())
    }

    fn end(self) -> (Digest, u64) {
        (self.digester.finish(), self.size)
    }

    fn write_back(&mut self, file: &File) {
        let Ok(same) = file.try_clone() else { return };
        let sender = self.write_back.get_or_insert_with(|| {
            let (sender, files) = sync_channel::<File>(1);
            // The last sync does the rest, and reports what fails.
            thread::spawn(move || files.iter().for_each(|file| drop(file.sync_data())));
            sender
        });
        let _ = sender.try_send(same); // one that is busy still writes back the rest later
    }
}

fn read(source: &mut dyn Read, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read(buf) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Read and hashed at a time, in bytes: fits the second-level cache.
const PIECE: usize = 256 << 10;
/// How long to wait for more of a file that another process writes.
const GROWTH: Duration = Duration::from_millis(1);
const WRITE_BACK_EVERY: usize = 32 << 20;
