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

/// What one system gave up.
#[derive(Debug, Default)]
struct GivenUp {
    /// What holds files back, in words.
    files: String,
    /// What may be opened; None where owners, modes and access lists alone say that.
    reach: Option<Reach>,
    refused_calls: usize,
    notes: Vec<String>,
}

/// What may be opened; None where nothing holds the process to that.
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
    /// What a new configuration names beyond what may be opened since the start.
    pub fn beyond(&self, config: &Config, source: &Source) -> Vec<OutOfReach> {
        let beyond = self.0.as_ref().map(|reach| reach.beyond(config, source)).unwrap_or_default();
        beyond.into_iter().map(|(path, why)| OutOfReach { path, why, cure: RESTART }).collect()
    }

    /// What to do about a path that cannot be opened.
    pub fn cure(&self) -> Option<&'static str> {
        self.0.as_ref().map(|_| RESTART)
    }
}

const RESTART: &str = "restart netbootd to use it";
