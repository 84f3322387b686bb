//! The host's name and the meaning of the operating system's errors.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::{has_no_ipv6, host_name, is_taken, let_rebind};
#[cfg(windows)]
pub use windows::{has_no_ipv6, host_name, is_taken, let_rebind};
