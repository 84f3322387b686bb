//! A large file on its way to the disk, while this process reads what is there already.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::Writing;
#[cfg(unix)]
pub(super) use unix::start;
#[cfg(windows)]
pub use windows::Writing;
#[cfg(windows)]
pub(super) use windows::start;
