//! Least privilege on Windows: what the account may do that the service runs as. Nothing is given up at the start, and that is said.

use netbootd_config::{Config, Source};
use netbootd_server::daemon::{OutOfReach, Sandboxed};

use crate::failure::Failure;

/// What may be opened: access lists alone say that.
#[derive(Debug, Default)]
pub struct Held;

/// Makes the folder for state; nothing is given up.
pub fn apply(config: &Config, _source: &Source) -> Result<(Sandboxed, Held), Failure> {
    let folder = &config.server.state_dir;
    std::fs::create_dir_all(folder).map_err(|error| {
        let words = format!("cannot make {}: {error}", folder.display());
        Failure::Permission(format!(
            "{words}; {}, or name a folder of your own with --state-dir",
            crate::platform::PRIVILEGED
        ))
    })?;
    let mut notes = Vec::new();
    if let Some(user) = &config.server.user {
        notes.push(format!("server.user = {user:?} does nothing on Windows: give the account to the service (sc config netbootd obj= ...)"));
    }
    let sandboxed = Sandboxed {
        pid: std::process::id(),
        user: account::current(),
        wanted: config.server.sandbox,
        files: NOT_HERE.into(),
        notes,
        ..Sandboxed::default()
    };
    Ok((sandboxed, Held))
}

impl Held {
    /// Nothing is out of reach that was within reach at the start.
    pub fn beyond(&self, _config: &Config, _source: &Source) -> Vec<OutOfReach> {
        Vec::new()
    }

    /// A restart opens nothing more.
    pub fn cure(&self) -> Option<&'static str> {
        None
    }
}

/// Accounts.
pub mod account {
    use std::path::Path;

    use crate::failure::Failure;

    /// What is made belongs to the folder's access list, whoever makes it.
    pub fn act_as_owner_of(_folder: &Path) -> Result<(), Failure> {
        Ok(())
    }

    /// The account that the process runs as.
    pub fn current() -> String {
        std::env::var("USERNAME").unwrap_or_else(|_| "?".to_owned())
    }
}

/// What an operator reads of it.
pub const NOT_HERE: &str = "access lists alone: Windows has no Landlock and no seccomp";
