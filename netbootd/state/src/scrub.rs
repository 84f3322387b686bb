//! How far the image store has been read again, on the disk: a restart goes on there.

use std::sync::Arc;

use imagestore::Digest;
use pxe_policy::Seconds;
use redb::TableDefinition;

use crate::file::{DatabaseError, State};

/// One round through the image store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// When the reading began.
    pub begun: Seconds,
    /// Whether every blob was read.
    pub done: bool,
    /// Blobs are read in their order, up to this one so far.
    pub read: Option<Digest>,
}

/// The round on the disk.
#[derive(Debug)]
pub struct ScrubStore {
    state: Arc<State>,
}

/// Begin, whether it is done, and the blob that was read last.
const ROUND: TableDefinition<'_, (), (u64, bool, &str)> = TableDefinition::new("scrub");

impl ScrubStore {
    /// Opens the table in the state file.
    pub fn open(state: Arc<State>) -> Result<Self, DatabaseError> {
        state.make_table(ROUND)?;
        Ok(ScrubStore { state })
    }

    /// The round; None before the first one.
    pub fn round(&self) -> Result<Option<Round>, DatabaseError> {
        let table = self.state.read()?.open_table(ROUND)?;
        let row = table.get(())?;
        Ok(row.map(|row| {
            let (begun, done, read) = row.value();
            Round { begun, done, read: read.parse().ok() }
        }))
    }

    /// Saves a round; true once it is on the disk.
    pub async fn save(&self, Round { begun, done, read }: Round) -> bool {
        let read = read.map(|read| read.to_string()).unwrap_or_default();
        let written = self.state.write(move |transaction| {
            transaction.open_table(ROUND)?.insert((), (begun, done, read.as_str()))?;
            Ok(())
        });
        written.await
    }
}
