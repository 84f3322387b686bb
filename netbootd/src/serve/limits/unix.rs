//! The limits of a process (getrlimit(2)).

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::{info, warn};

/// Takes all the open files that the system allows: each transfer has a port and a file. The usual
/// limit of a shell, 1024, is enough for one classroom. Returns the new limit.
pub(in crate::serve) fn open_files() -> Option<u64> {
    let (soft, hard) = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok(limits) => limits,
        Err(error) => {
            warn!(%error, "the limit of open files cannot be read");
            return None;
        }
    };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) if soft < hard => info!("up to {hard} open files, not {soft}"),
        Ok(()) => {}
        Err(error) => {
            warn!(%error, "the limit of open files stays as it was");
            return Some(soft);
        }
    }
    Some(hard)
}
