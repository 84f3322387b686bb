//! Which machines run from which version: written into the version's lease by the server, for
//! an operator who removes it.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{LEASE, Store, StoreError, io_error};
use crate::Digest;

/// A machine that runs from a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runner {
    /// The address of the client that runs it.
    pub client: String,
    /// Its hardware address, when that is known.
    pub mac: Option<String>,
    /// When it last read a file of the version, in seconds since 1970.
    pub at: u64,
}

impl Store {
    /// Writes down which machines run from a version, instead of what was written before; that
    /// leases the version.
    pub fn note_runners(&self, version: &Digest, runners: &[Runner]) -> Result<(), StoreError> {
        let path = self.lease_path(version);
        let json = serde_json::to_vec(runners).unwrap_or_default(); // plain structs always have a JSON form
        fs::write(&path, json).map_err(io_error("write", &path))
    }

    /// The machines that ran from a version in the last two hours, as far as they were written
    /// down.
    pub fn runners(&self, version: &Digest) -> Vec<Runner> {
        let json = fs::read(self.lease_path(version)).unwrap_or_default();
        // A lease may name nobody.
        let mut runners: Vec<Runner> = serde_json::from_slice(&json).unwrap_or_default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        runners.retain(|runner| now.saturating_sub(runner.at) < LEASE.as_secs());
        runners
    }
}
