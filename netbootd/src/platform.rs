//! What is not the same on every system, behind the same names everywhere.
//!
//! `unix.rs` is Linux. `windows.rs` is Windows, and the files of `windows/` stand in for modules that are Linux's alone: `lib.rs`
//! and others name them by `cfg_attr(windows, path = ...)`. Files are
//! `imagestore::platform`'s, sockets `netbootd_net`'s.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::{PRIVILEGED, give_owner_of, log_settings, start_journal, take_up_log};
#[cfg(windows)]
pub(crate) use windows::{PRIVILEGED, give_owner_of, log_settings, service, start_journal, take_up_log};
