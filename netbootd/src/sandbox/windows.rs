//! The rights of the service's account. Windows gives up none at the start, and the report says so.

use std::path::PathBuf;

use netbootd_config::{Config, Source};

use super::GivenUp;
use crate::failure::Failure;

/// The paths that may be opened: access lists alone decide, so there is no value.
#[derive(Debug)]
pub enum Reach {}

/// Makes the folder for state; nothing is given up.
pub(super) fn give_up(config: &Config, _source: &Source) -> Result<GivenUp, Failure> {
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
        notes.push(format!(
            "server.user = {user:?} does nothing on Windows: give the account to the service \
             (sc config netbootd obj= ...)"
        ));
    }
    Ok(GivenUp { files: NOT_HERE.into(), notes, ..GivenUp::default() })
}

impl Reach {
    pub(super) fn beyond(&self, _config: &Config, _source: &Source) -> Vec<(PathBuf, &'static str)> {
        match *self {}
    }
}

/// Accounts, which the service manager chooses on Windows.
pub mod account {
    use std::path::Path;

    use crate::failure::Failure;

    /// Does nothing: new files inherit the folder's access list, whichever account creates them.
    pub fn act_as_owner_of(_folder: &Path) -> Result<(), Failure> {
        Ok(())
    }

    /// The account that the process runs as.
    pub fn current() -> String {
        std::env::var("USERNAME").unwrap_or_else(|_| "?".to_owned())
    }
}

/// The note for an operator.
pub const NOT_HERE: &str = "access lists alone: Windows has no Landlock and no seccomp";
