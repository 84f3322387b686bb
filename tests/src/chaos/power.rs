//! The power goes: whatever was not synced is gone.
//!
//! The state is on a file system of its own, which is told to stop at once and to forget what it
//! has not written (`EXT4_IOC_SHUTDOWN`, which file systems have for such tests). Mounted again, it
//! plays back its journal as after a power loss.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::run;
use crate::wait;

/// An ext4 file system in a file.
#[derive(Debug)]
pub(super) struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    /// Makes and mounts it.
    ///
    /// # Panics
    /// When it cannot be made.
    pub(super) fn new(megabytes: u64) -> Self {
        let disk = Disk { folder: tempfile::tempdir().expect("a folder") };
        fs::create_dir(disk.path()).expect("a folder");
        File::create(disk.file()).and_then(|file| file.set_len(megabytes << 20)).expect("a file");
        run(Command::new("mkfs.ext4").arg("-q").arg(disk.file()));
        disk.mount();
        disk
    }

    /// Where it is mounted.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    /// The power goes. Nothing that is open here can be written any more.
    pub(super) fn lose_power(&self) {
        shut_down(&self.path());
    }

    /// The power is back.
    ///
    /// # Panics
    /// When a program still uses it.
    pub(super) fn restore(&self) {
        run(Command::new("umount").arg(self.path()));
        // Others' mount namespaces may have it for a moment longer; two mounts of one file would
        // ruin it.
        let is_free = || run(Command::new("losetup").arg("-j").arg(self.file())).is_empty();
        wait::until(PATIENCE, is_free, || "the loop device is still in use".into());
        self.mount();
    }

    /// The bytes behind `bytes` cannot be read any more (`EIO`): the file that the disk is in ends
    /// there. Nothing is written from then on.
    ///
    /// # Panics
    /// When a program still writes to it.
    pub(super) fn lose_end(&self, bytes: u64) {
        run(Command::new("mount").args(["-o", "remount,ro"]).arg(self.path()));
        File::options().write(true).open(self.file()).and_then(|file| file.set_len(bytes)).expect("the file");
    }

    fn mount(&self) {
        run(Command::new("mount").args(["-o", "loop"]).arg(self.file()).arg(self.path()));
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("disk")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A program that is just ending may still use it: it goes with the last of them.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// The one reason for unsafe here: no crate has this request.
#[allow(unsafe_code)]
fn shut_down(mounted: &Path) {
    /// Without a last flush of its journal.
    static NO_LOG_FLUSH: u32 = 2;
    /// `EXT4_IOC_SHUTDOWN`, as `_IOR('X', 125, __u32)`.
    const SHUTDOWN: nix::libc::Ioctl = nix::request_code_read!(b'X', 125, 4);
    let root = File::open(mounted).expect("a mounted file system");
    // SAFETY: the request reads one u32 behind the pointer (linux/fs/ext4/ioctl.c).
    let done = unsafe { nix::libc::ioctl(root.as_raw_fd(), SHUTDOWN, &raw const NO_LOG_FLUSH) };
    assert_eq!(done, 0, "ext4 can be shut down: {}", std::io::Error::last_os_error());
}

const PATIENCE: Duration = Duration::from_secs(30);
