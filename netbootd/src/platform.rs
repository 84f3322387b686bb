//! Functions that differ between systems, behind the same names everywhere.
//!
//! Modules of which each system has its own are siblings, `unix.rs` and `windows.rs`, where they
//! are used. Files are `imagestore::platform`'s, sockets `netbootd_net`'s.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::{
    PRIVILEGED, START_IT, give_owner_of, install_log, log_settings, return_free_memory, start_journal,
};
#[cfg(windows)]
pub(crate) use windows::{
    PRIVILEGED, START_IT, give_owner_of, install_log, log_settings, return_free_memory, service,
    start_journal,
};
