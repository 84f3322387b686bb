//! System calls of the command on Linux.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use netbootd_config::Server;
use tracing::{Level, Subscriber};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::failure::Failure;

/// How to be one who may.
pub(crate) const PRIVILEGED: &str = "run as root";
/// How the service is started.
pub(crate) const START_IT: &str = "start it with `systemctl start netbootd`";

/// Gives a file the owner and the mode of another one.
pub(crate) fn give_owner_of(other: &Metadata, file: &Path) -> io::Result<()> {
    if std::fs::metadata(file).is_ok_and(|own| (own.uid(), own.gid()) != (other.uid(), other.gid())) {
        chown(file, Some(other.uid()), Some(other.gid()))?;
    }
    std::fs::set_permissions(file, other.permissions())
}

/// Has a thread of the allocator return free memory, also while nothing happens. It is started in the
/// sandbox, as every thread is.
pub(crate) fn return_free_memory() {
    #[cfg(target_os = "linux")]
    if let Err(error) = tikv_jemalloc_ctl::background_thread::write(true) {
        tracing::warn!(%error, "free memory is returned only while netbootd allocates");
    }
}

/// How the log is written: as the configuration says.
pub(crate) fn log_settings(server: &Server) -> Server {
    server.clone()
}

/// Has all events go to a log.
pub(crate) fn install_log(log: impl Subscriber + Send + Sync) {
    log.init();
}

/// Each field is a field of the journal's too: `journalctl F_MAC=52:54:00:12:34:56`.
pub(crate) fn start_journal(level: Level) -> Result<(), Failure> {
    let journal = tracing_journald::layer()
        .map_err(|error| Failure::Unusable(format!("the journal of systemd is not there: {error}")))?;
    let level = tracing_subscriber::filter::LevelFilter::from_level(level);
    tracing_subscriber::registry().with(level).with(journal).init();
    Ok(())
}
