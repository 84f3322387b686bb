//! A folder that nothing opened below it leads out of: the kernel itself sees to that (openat2(2)).

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::libc;
use nix::sys::stat::Mode;

use crate::OpenError;

/// The folder, open for as long as it is served.
#[derive(Debug)]
pub(crate) struct Folder(OwnedFd);

impl Folder {
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = nix::fcntl::open(folder, flags, Mode::empty())?;
        // A folder that may be entered but not listed would only fail later, and for case-folded
        // names only.
        Dir::from_fd(root.try_clone().map_err(|_| Errno::EMFILE)?)?.iter().next().transpose()?;
        Ok(Folder(root))
    }

    /// Opens a file of any kind below.
    pub(crate) fn file(&self, path: &[u8]) -> Result<File, OpenError> {
        self.open_file(path, ResolveFlag::empty())
    }

    /// The same without waiting for a disk or a server: any doubt is an error.
    pub(crate) fn file_at_once(&self, path: &[u8]) -> Result<File, OpenError> {
        self.open_file(path, cached())
    }

    /// The names in a folder below that differ from this one in case only; none when it cannot be
    /// listed.
    pub(crate) fn names_like(&self, folder: &[u8], wanted: &[u8]) -> Vec<Vec<u8>> {
        self.names_that(folder, |name| name.eq_ignore_ascii_case(wanted))
    }

    /// The names in a folder below, as many as are looked at; none when it cannot be listed.
    pub(crate) fn names(&self, folder: &[u8]) -> Vec<Vec<u8>> {
        let mut left = MAX_NAMES;
        self.names_that(folder, |_| left.checked_sub(1).inspect(|less| left = *less).is_some())
    }

    fn names_that(&self, folder: &[u8], mut fits: impl FnMut(&[u8]) -> bool) -> Vec<Vec<u8>> {
        let folder: &[u8] = if folder.is_empty() { b"." } else { folder };
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let Ok(mut dir) = self.beneath(folder, flags, ResolveFlag::empty()).and_then(Dir::from_fd) else {
            return Vec::new();
        };
        let names = dir.iter().filter_map(Result::ok).map(|entry| entry.file_name().to_bytes().to_vec());
        names.filter(|name| fits(name)).collect()
    }

    fn open_file(&self, path: &[u8], further: ResolveFlag) -> Result<File, OpenError> {
        // O_NONBLOCK: a pipe without a writer must not hold the thread.
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
        match self.beneath(path, flags, further) {
            Ok(fd) => Ok(File::from(fd)),
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ENAMETOOLONG) => Err(OpenError::NotFound),
            Err(Errno::EXDEV | Errno::ELOOP) => Err(OpenError::OutsideTree),
            Err(Errno::EACCES | Errno::EPERM) => Err(OpenError::Permission),
            Err(Errno::ENXIO | Errno::ENODEV) => Err(OpenError::NotAFile),
            Err(errno) => Err(OpenError::Io(errno.into())),
        }
    }

    /// Symbolic links that stay below are followed, others are refused by the kernel.
    fn beneath(&self, path: &[u8], flags: OFlag, further: ResolveFlag) -> nix::Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(flags)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS | further);
        openat2(&self.0, OsStr::from_bytes(path), how)
    }
}

/// Names of one folder that are compared with a misspelled one.
const MAX_NAMES: usize = 16_384;
/// Fails with EAGAIN where the kernel would have to ask a disk or a server (openat2(2)); nix has no
/// name for it.
fn cached() -> ResolveFlag {
    ResolveFlag::from_bits_retain(libc::RESOLVE_CACHED)
}
