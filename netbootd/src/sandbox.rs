//! Least privilege: what netbootd gives up before the first packet arrives.
//!
//! Each system has its own way, `sandbox/unix.rs` and `sandbox/windows.rs`; what is in force is
//! described in the same words.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use netbootd_config::{Config, Source};
use netbootd_server::daemon::{OutOfReach, Sandboxed};

use crate::failure::Failure;
#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

pub use system::account;
#[cfg(unix)]
pub use unix::{Reach, seen, would_be};
#[cfg(windows)]
pub use windows::{NOT_HERE, Reach};

/// The restrictions that one system's half put in force.
#[derive(Debug, Default)]
struct GivenUp {
    /// The mechanism that restricts files, in words.
    files: String,
    /// The paths that may be opened; None where only owners, modes and access lists restrict them.
    reach: Option<Reach>,
    refused_calls: usize,
    notes: Vec<String>,
}

/// The paths that may be opened; None where the process is not restricted.
#[derive(Debug, Default)]
pub struct Held(Option<Reach>);

/// Gives up what is not needed. Must run while the process has one thread.
pub fn apply(config: &Config, source: &Source) -> Result<(Sandboxed, Held), Failure> {
    let GivenUp { files, reach, refused_calls, notes } = system::give_up(config, source)?;
    let sandboxed = Sandboxed {
        pid: std::process::id(),
        user: account::current(),
        wanted: config.server.sandbox,
        files,
        files_are_held: reach.is_some(),
        refused_calls,
        notes,
    };
    Ok((sandboxed, Held(reach)))
}

impl Held {
    /// The paths of a new configuration beyond those that may be opened since the start.
    pub fn beyond(&self, config: &Config, source: &Source) -> Vec<OutOfReach> {
        let beyond = self.0.as_ref().map(|reach| reach.beyond(config, source)).unwrap_or_default();
        beyond.into_iter().map(|(path, why)| OutOfReach { path, why, cure: RESTART }).collect()
    }

    /// The remedy for a path that cannot be opened.
    pub fn cure(&self) -> Option<&'static str> {
        self.0.as_ref().map(|_| RESTART)
    }
}

const RESTART: &str = "restart netbootd to use it";
