//! What the system lets this process have.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::{info, warn};

/// Takes all the open files that the system allows: each transfer has a port and a file. What is usual for a shell, 1024, is a classroom.
pub(super) fn open_files() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        Ok((soft, hard))
    });
    match raised {
        Ok((soft, hard)) if soft < hard => info!("up to {hard} open files, not {soft}"),
        Ok(_) => {}
        Err(error) => warn!(%error, "the limit of open files stays as it was"),
    }
}
