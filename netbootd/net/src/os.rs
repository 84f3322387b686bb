//! What the operating system says: the host's name, and what its errors mean.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::{has_no_ipv6, host_name, is_taken, let_rebind};
#[cfg(windows)]
pub use windows::{has_no_ipv6, host_name, is_taken, let_rebind};
