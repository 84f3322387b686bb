//! The manager that started netbootd: systemd, or Windows' service control manager. It learns that
//! netbootd is ready, reloads, stops, lives; and it may hand over sockets.
//!
//! Without a manager every message goes nowhere, and there are no sockets.

#[cfg(windows)]
mod scm;
#[cfg(unix)]
mod systemd;
pub mod watchdog;

#[cfg(windows)]
pub use scm::*;
#[cfg(unix)]
pub use systemd::*;
