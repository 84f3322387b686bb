//! Where things are when nothing else is configured.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::{BOOT_ROOT, BUILT_IN_ROOT, DEFAULT_CONFIG, STATE_DIR};
#[cfg(windows)]
pub use windows::{BOOT_ROOT, BUILT_IN_ROOT, DEFAULT_CONFIG, STATE_DIR};
