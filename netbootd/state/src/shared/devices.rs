//! The devices of the database, as a directory.

use std::sync::Arc;

use pxe_policy::{Answer, Identity, SharedError, Trouble, TroubleKind};
use thiserror::Error;

use super::Shared;

/// The database answers, and its devices are still on their way.
#[derive(Debug, Error)]
#[error("they have not been read yet")]
struct NotRead;

/// The devices as a directory.
#[derive(Debug, Clone)]
pub struct SharedDevices {
    shared: Arc<Shared>,
}

impl SharedDevices {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        SharedDevices { shared }
    }

    /// The devices' records of a machine. While the database is away, the last known records count
    /// as an old answer.
    pub fn ask(&self, directory: &str, who: &Identity) -> Answer {
        let trouble = self.trouble();
        let said = match (&*self.shared.copies.devices.load(), &trouble) {
            (Some(table), _) => Ok(table.ask(who)),
            (None, Some(trouble)) => Err(trouble.clone()),
            (None, None) => Err(Trouble::new(TroubleKind::Unreachable, NotRead)),
        };
        Answer { directory: directory.to_owned(), age: 0, stale: trouble.is_some() && said.is_ok(), said }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.shared.copies.devices.load().as_ref().map_or(0, |table| table.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Why they cannot be read, if so.
    pub fn trouble(&self) -> Option<Trouble> {
        let trouble = self.shared.trouble()?;
        Some(Trouble { kind: TroubleKind::Unreachable, error: SharedError::from_arc(trouble) })
    }
}
