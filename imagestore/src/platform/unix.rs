//! File operations of the store on Linux.

mod folder;

use std::fs::{self, File, FileType, Metadata, Permissions};
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, Flock, FlockArg, copy_file_range, fcntl};
use nix::sys::statvfs::statvfs;
use nix::unistd::{Whence, lseek};

pub(crate) use folder::Folder;
pub use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};

/// A lock that keeps other writers out until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _held: Flock<File>,
}

impl Lock {
    /// None when another process has it.
    pub(crate) fn acquire(file: File) -> Option<Self> {
        Flock::lock(file, FlockArg::LockExclusiveNonblock).ok().map(|held| Lock { _held: held })
    }
}

/// Whether a file's mode has one of these bits.
pub fn is_open_to(path: &Path, bits: u32) -> bool {
    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & bits != 0)
}

/// Sets a file's or a folder's mode, of what a link leads to.
pub fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Nobody changes what a blob holds.
pub(crate) fn make_read_only(file: &File) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(0o444))
}

/// Bytes that this user may still write.
pub fn available_space(folder: &Path) -> io::Result<u64> {
    let disk = statvfs(folder)?;
    Ok(disk.blocks_available() as u64 * disk.fragment_size() as u64)
}

/// Waits until a file's bytes are on the disk.
pub(crate) fn sync_file(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Waits until the names in a folder are on the disk.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Waits for the whole filesystem; false where there is no such thing.
pub(crate) fn sync_filesystem(folder: &Path) -> io::Result<bool> {
    nix::unistd::syncfs(&File::open(folder)?)?;
    Ok(true)
}

/// Copies some bytes from where a file stands to where another does, sharing them where the
/// filesystem can; None where it cannot copy so at all, which a copy that has begun does not find.
pub(crate) fn copy_between(
    from: &File,
    to: &File,
    at_most: usize,
    has_begun: bool,
) -> io::Result<Option<usize>> {
    loop {
        return match copy_file_range(from, None, to, None, at_most) {
            Err(Errno::EINTR) => continue,
            // Other filesystems, older kernels.
            Err(Errno::EXDEV | Errno::ENOSYS | Errno::EINVAL | Errno::EOPNOTSUPP) if !has_begun => Ok(None),
            copied => Ok(Some(copied?)),
        };
    }
}

/// The words for a file type other than file, folder and link.
pub(crate) fn special_kind(kind: FileType) -> &'static str {
    match kind {
        kind if kind.is_fifo() => "a FIFO",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_block_device() => "a block device",
        kind if kind.is_char_device() => "a character device",
        _ => "no file",
    }
}

/// Bytes that a file takes on the disk, at most its length.
pub(crate) fn allocated(path: &Path, data: &Metadata) -> u64 {
    if !may_have_holes(data) {
        return data.len();
    }
    // Bytes that were written just now may have no blocks yet, so the holes themselves are counted.
    let Ok(file) = File::open(path) else { return data.len() };
    let (mut at, mut bytes) = (0, 0);
    while at < data.len()
        && let Ok(Some(next)) = next_data(&file, at)
    {
        bytes += next.end.min(data.len()).saturating_sub(next.start);
        at = next.end;
    }
    bytes
}

/// Whether a file may have holes, by what it takes on the disk.
pub(crate) fn may_have_holes(data: &Metadata) -> bool {
    data.blocks() * 512 < data.len()
}

/// The next bytes of a file from a place on that are no hole; None when there are no more.
pub(crate) fn next_data(file: &File, from: u64) -> io::Result<Option<Range<u64>>> {
    let seek = |from: u64, whence| lseek(file, i64::try_from(from).unwrap_or(i64::MAX), whence);
    let start = match seek(from, Whence::SeekData) {
        Err(Errno::ENXIO) => return Ok(None),
        start => start?,
    };
    let start = u64::try_from(start).unwrap_or_default();
    let end = seek(start, Whence::SeekHole)?;
    Ok(Some(start..u64::try_from(end).unwrap_or_default()))
}

/// Room for both sides of a pipe to work at the same time; where the system allows less, they take
/// turns.
pub(crate) fn widen_pipe(pipe: impl AsFd) {
    let _ = fcntl(pipe, FcntlArg::F_SETPIPE_SZ(PIPE));
}

/// A path below a folder, as images have it.
/// None for one that is not UTF-8.
pub(crate) fn slashed(path: &Path) -> Option<String> {
    path.to_str().map(str::to_owned)
}

/// Whether a file may be mapped for the kernel to send from.
pub(crate) const fn may_be_mapped() -> bool {
    true
}

/// Whether a file's mode says who may read it.
pub const HAS_MODES: bool = true;
/// Bytes between the reader's process and this one: the most that an unprivileged process may have.
const PIPE: i32 = 1 << 20;
