//! The system's limits on this process.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(super) use unix::open_files;
#[cfg(windows)]
pub(super) use windows::open_files;
