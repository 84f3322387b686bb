//! Windows, by what Rust's library and two small crates know of it. Where Linux has a faster way,
//! this is the plain one.

mod folder;

use std::fs::{DirBuilder, File, FileType, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::windows::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

pub(crate) use folder::Folder;

/// Reading and writing at a place. Windows moves the file's own position as well, so nobody here
/// relies on it.
pub trait FileExt {
    /// Reads at most as many bytes as `buf` holds, at an offset.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Fills `buf` from an offset.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of it.
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()>;
}

impl FileExt for File {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.seek_read(buf, offset)
    }

    fn read_exact_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            match self.seek_read(buf, offset) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    buf = &mut buf[count..];
                    offset += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn write_all_at(&self, mut buf: &[u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            match self.seek_write(buf, offset) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    buf = &buf[count..];
                    offset += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The identity and version of a file, under the names of Unix.
pub trait MetadataExt {
    /// Its volume: not known without a handle, so always 0.
    fn dev(&self) -> u64;
    /// In place of a number of its own: when it was made, in 100 ns.
    fn ino(&self) -> u64;
    /// When it was last changed, in seconds since 1970.
    fn mtime(&self) -> i64;
    /// The rest of that, in nanoseconds.
    fn mtime_nsec(&self) -> i64;
}

impl MetadataExt for Metadata {
    fn dev(&self) -> u64 {
        0
    }

    fn ino(&self) -> u64 {
        self.creation_time()
    }

    fn mtime(&self) -> i64 {
        (self.last_write_time() / TICKS) as i64 - SECONDS_FROM_1601_TO_1970
    }

    fn mtime_nsec(&self) -> i64 {
        (self.last_write_time() % TICKS) as i64 * 100
    }
}

/// Modes are not known here: what is made has the access list of the folder that it is made in.
pub trait OpenOptionsExt {
    /// Accepts Unix' mode; Windows has none.
    fn mode(&mut self, mode: u32) -> &mut Self;
}

impl OpenOptionsExt for OpenOptions {
    fn mode(&mut self, _mode: u32) -> &mut Self {
        self
    }
}

/// The same of folders.
pub trait DirBuilderExt {
    /// Accepts Unix' mode; Windows has none.
    fn mode(&mut self, mode: u32) -> &mut Self;
}

impl DirBuilderExt for DirBuilder {
    fn mode(&mut self, _mode: u32) -> &mut Self {
        self
    }
}

/// A lock that keeps other writers out until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _held: File,
}

impl Lock {
    /// None when another process has it.
    pub(crate) fn acquire(file: File) -> Option<Self> {
        file.try_lock().ok().map(|()| Lock { _held: file })
    }
}

/// There are no modes.
pub fn set_mode(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Access lists say who may; they are not looked at.
pub fn is_open_to(_path: &Path, _bits: u32) -> bool {
    false
}

/// A read-only file could not be removed by collection; who may write is what the folder's access
/// list says.
pub(crate) fn make_read_only(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Bytes that this user may still write.
pub fn available_space(folder: &Path) -> io::Result<u64> {
    fs4::available_space(folder)
}

/// Waits until a file's bytes are on the disk. It takes the right to write.
pub(crate) fn sync_file(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.sync_all()
}

/// Waits until the names in a folder are on the disk, where the filesystem knows how; NTFS keeps a
/// log of names by itself, so that a crash loses the last ones or none, and never mixes them up.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = OpenOptions::new().write(true).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path);
    let _ = folder.and_then(|folder| folder.sync_all()); // see above
    Ok(())
}

/// Only administrators may sync a whole volume.
pub(crate) fn sync_filesystem(_folder: &Path) -> io::Result<bool> {
    Ok(false)
}

/// There is no such copying between open files.
pub(crate) fn copy_between(
    _from: &File,
    _to: &File,
    _at_most: usize,
    _has_begun: bool,
) -> io::Result<Option<usize>> {
    Ok(None)
}

/// The system's own size will do.
pub(crate) fn widen_pipe<T>(_pipe: T) {}

/// A path below a folder, as images have it.
/// None for one that is not Unicode.
pub(crate) fn slashed(path: &Path) -> Option<String> {
    Some(path.to_str()?.replace('\\', "/"))
}

/// The words for a file type other than file, folder and link.
pub(crate) fn special_kind(_kind: FileType) -> &'static str {
    "no file"
}

/// Bytes that a file takes on the disk, at most its length.
pub(crate) fn allocated(_path: &Path, data: &Metadata) -> u64 {
    data.len()
}

/// Whether a file may have holes. They are not looked for here.
pub(crate) fn may_have_holes(_data: &Metadata) -> bool {
    false
}

/// The next bytes of a file from a place on that are no hole; None when there are no more. Holes
/// are not looked for here.
pub(crate) fn next_data(file: &File, from: u64) -> io::Result<Option<Range<u64>>> {
    let len = file.metadata()?.len();
    Ok((from < len).then_some(from..len))
}

/// A mapped file cannot be replaced or cut by anybody here, and there is no segmented sending to
/// feed.
pub(crate) const fn may_be_mapped() -> bool {
    false
}

/// Access lists say who may read a file.
pub const HAS_MODES: bool = false;
/// To open a folder at all (CreateFileW).
const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
/// Windows' ticks of 100 ns in a second.
const TICKS: u64 = 10_000_000;
const SECONDS_FROM_1601_TO_1970: i64 = 11_644_473_600;
