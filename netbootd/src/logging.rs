//! Where log lines go and how they look: the standard error, a file that rotates, or the system's
//! own log.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::Path;

use file_rotate::compression::Compression;
use file_rotate::suffix::AppendCount;
use file_rotate::{ContentLimit, FileRotate};
use imagestore::platform::OpenOptionsExt;
use netbootd_config::{Config, LogFormat, Server};
use netbootd_telemetry::event::CmTrace;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::failure::Failure;
use crate::platform::{install_log, log_settings, start_journal};

/// The log, for as long as it is kept: what is not written yet is written when it goes.
#[derive(Debug)]
pub struct Log(#[expect(dead_code, reason = "it is there to be dropped")] Option<WorkerGuard>);

/// Starts the log. With `progress` the steps are the output, and only what an operator should act
/// on stands between them.
pub fn start(config: &Config, progress: bool) -> Result<Log, Failure> {
    let server = &log_settings(&config.server);
    let level = if progress { tracing::Level::WARN } else { server.log_level };
    if server.log == LogFormat::Journald {
        return start_journal(level).map(|()| Log(None));
    }
    let (writer, guard, on_terminal) = match &server.log_file {
        Some(path) => {
            let (writer, guard) = rotating(server, path)?;
            (BoxMakeWriter::new(writer), Some(guard), false)
        }
        None => (BoxMakeWriter::new(io::stderr), None, io::stderr().is_terminal() && colours_wanted()),
    };
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(writer).with_target(false);
    match server.log {
        LogFormat::Text => install_log(log.with_ansi(on_terminal).finish()),
        LogFormat::Json => install_log(log.json().flatten_event(true).finish()),
        LogFormat::CmTrace => install_log(log.with_ansi(false).event_format(CmTrace).finish()),
        LogFormat::Journald => {}
    }
    Ok(Log(guard))
}

/// A file that is put aside as `.1` when it is full, and that as `.2`.
///
/// It has a thread of its own: a file system that flushes something else may hold a line up for
/// many milliseconds, and no machine waits for that. No line is lost; only who is [`LINES`] ahead
/// of the disk waits.
fn rotating(server: &Server, path: &Path) -> Result<(NonBlocking, WorkerGuard), Failure> {
    // The rotating writer drops lines that it cannot write: an error at the start is better.
    let mut options = File::options();
    options.read(true).create(true).append(true).mode(MODE);
    options.open(path).map_err(|error| Failure::Unusable(format!("{}: {error}", path.display())))?;
    let limit = ContentLimit::BytesSurpassed(usize::try_from(server.log_max_size).unwrap_or(usize::MAX));
    let aside = AppendCount::new(server.log_keep);
    let rotating = FileRotate::new(path, aside, limit, Compression::None, Some(options));
    let thread = NonBlockingBuilder::default().lossy(false).buffered_lines_limit(LINES).thread_name("log");
    Ok(thread.finish(rotating))
}

/// `NO_COLOR`, as no-color.org has it.
fn colours_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Half a minute of what may be logged at length.
const LINES: usize = 8192;
/// Names of machines are in it: for this user, and the group that an administrator reads logs by.
const MODE: u32 = 0o640;
