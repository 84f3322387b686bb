//! Getting bytes into a file of the store, with their digest.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::copy_file_range;

use super::{Observer, StoreError, io_error};
use crate::Digest;
use crate::digest::Digester;

/// Copies a stream, hashing while it goes.
pub(super) fn copy(
    name: &Path,
    source: &mut dyn Read,
    temporary: &Path,
    to: &mut File,
    observer: &mut dyn Observer,
) -> Result<(Digest, u64), StoreError> {
    let mut digester = Digester::default();
    let mut size = 0;
    let mut buf = vec![0; PIECE];
    let (mut write_back, mut pending) = (WriteBack(None), 0);
    loop {
        let count = read(source, &mut buf).map_err(io_error("read", name))?;
        if count == 0 {
            return Ok((digester.finish(), size));
        }
        digester.update(&buf[..count]);
        to.write_all(&buf[..count]).map_err(io_error("write", temporary))?;
        size += count as u64;
        observer.bytes(count as u64);
        pending += count;
        if pending >= WRITE_BACK_EVERY {
            pending = 0;
            write_back.start(to);
        }
    }
}

/// Copies a file by the system's own means, which shares the bytes where the filesystem can (btrfs, XFS). None where it cannot copy so
/// at all, and nothing has been copied then.
pub(super) fn share(
    path: &Path,
    file: &File,
    temporary: &Path,
    copy: &File,
    observer: &mut dyn Observer,
) -> Result<Option<(Digest, u64)>, StoreError> {
    let (mut digester, mut size) = (Digester::default(), 0_u64);
    let (mut buf, mut write_back) = (vec![0; PIECE], WriteBack(None));
    loop {
        let count = match copy_file_range(file, None, copy, None, WRITE_BACK_EVERY) {
            Ok(count) => count,
            Err(Errno::EINTR) => continue,
            // Other filesystems, older kernels: nothing has been copied yet.
            Err(Errno::EXDEV | Errno::ENOSYS | Errno::EINVAL | Errno::EOPNOTSUPP) if size == 0 => {
                return Ok(None);
            }
            Err(error) => return Err(io_error("copy", path)(error.into())),
        };
        if count == 0 {
            break;
        }
        // What counts is what is stored, so the copy is read and not the source.
        let end = size + count as u64;
        while size < end {
            let piece = usize::try_from(end - size).unwrap_or(PIECE).min(PIECE);
            copy.read_exact_at(&mut buf[..piece], size).map_err(io_error("read", temporary))?;
            digester.update(&buf[..piece]);
            size += piece as u64;
            observer.bytes(piece as u64);
        }
        if count == WRITE_BACK_EVERY {
            write_back.start(copy);
        }
    }
    Ok(Some((digester.finish(), size)))
}

/// Hashes a file while another process writes it.
pub(super) fn follow(
    temporary: &Path,
    file: &File,
    mut has_ended: impl FnMut() -> bool,
    observer: &mut dyn Observer,
) -> Result<(Digest, u64), StoreError> {
    let (mut digester, mut size, mut pending) = (Digester::default(), 0, 0);
    let (mut buf, mut write_back) = (vec![0; PIECE], WriteBack(None));
    loop {
        let ended = has_ended();
        let count = file.read_at(&mut buf, size).map_err(io_error("read", temporary))?;
        if count == 0 && ended {
            break;
        }
        if count < PIECE && !ended {
            thread::sleep(GROWTH); // the other process is the slower one
        }
        digester.update(&buf[..count]);
        size += count as u64;
        observer.bytes(count as u64);
        pending += count;
        if pending >= WRITE_BACK_EVERY {
            pending = 0;
            write_back.start(file);
        }
    }
    Ok((digester.finish(), size))
}

/// The digest and the length of a stream.
pub(super) fn digest_of(
    path: &Path,
    source: &mut dyn Read,
    observer: &mut dyn Observer,
) -> Result<(Digest, u64), StoreError> {
    let mut digester = Digester::default();
    let mut size = 0;
    let mut buf = vec![0; PIECE];
    loop {
        let count = read(source, &mut buf).map_err(io_error("read", path))?;
        if count == 0 {
            return Ok((digester.finish(), size));
        }
        digester.update(&buf[..count]);
        size += count as u64;
        observer.bytes(count as u64);
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

/// Bytes of large files go to the disk while more of them come, so the last sync has little left to do.
struct WriteBack(Option<SyncSender<File>>);

impl WriteBack {
    fn start(&mut self, file: &File) {
        let Ok(same) = file.try_clone() else { return };
        let sender = self.0.get_or_insert_with(|| {
            let (sender, files) = sync_channel::<File>(1);
            // What it does not get done, or cannot, the last sync does and tells.
            thread::spawn(move || files.iter().for_each(|file| drop(file.sync_data())));
            sender
        });
        let _ = sender.try_send(same); // one that is busy still writes back the rest later
    }
}

/// Read and hashed at a time, in bytes: fits the second-level cache.
const PIECE: usize = 256 << 10;
/// How long to wait for more of a file that another process writes.
const GROWTH: Duration = Duration::from_millis(1);
const WRITE_BACK_EVERY: usize = 32 << 20;
