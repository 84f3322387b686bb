//! System calls of the command on Windows.

mod event_log;
pub(crate) mod service;

use std::io;
use std::path::{Path, PathBuf};

use netbootd_config::{LogFormat, Server};
use tracing::{Level, Subscriber};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::failure::Failure;

/// How to be one who may.
pub(crate) const PRIVILEGED: &str = "run as an administrator";
/// How the service is started.
pub(crate) const START_IT: &str = "start it with `sc start netbootd`";
/// Where a service writes its log when nothing else is said.
const LOG_FILE: &str = r"C:\ProgramData\netbootd\netbootd.log";

/// Gives a file the owner and the mode of another one: on Windows it has what its folder passes on.
pub(crate) fn give_owner_of(_other: &std::fs::Metadata, _file: &Path) -> io::Result<()> {
    Ok(())
}

/// How the log is written. A service has no standard error: it writes as Configuration Manager's
/// own logs are, unless a file is named.
pub(crate) fn log_settings(server: &Server) -> Server {
    let mut server = server.clone();
    if service::is_one() && server.log_file.is_none() {
        server.log_file = Some(PathBuf::from(LOG_FILE));
        server.log = match server.log {
            LogFormat::Json => LogFormat::Json,
            LogFormat::Text | LogFormat::CmTrace | LogFormat::Journald => LogFormat::CmTrace,
        };
    }
    server
}

/// The system's allocator returns memory by itself.
pub(crate) fn return_free_memory() {}

/// Has all events go to a log, and a service's also to the Event Log, as far as an operator should
/// see them there.
pub(crate) fn install_log(log: impl Subscriber + Send + Sync + for<'a> LookupSpan<'a>) {
    let events = service::is_one().then(event_log::EventLog::open).flatten();
    log.with(events).init();
}

/// There is none here.
pub(crate) fn start_journal(_level: Level) -> Result<(), Failure> {
    let words = "server.log = \"journald\": Windows has no journal of systemd; write text, json or cmtrace";
    Err(Failure::Unusable(words.into()))
}
