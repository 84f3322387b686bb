//! Moments of the ledger.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

/// A time in seconds since 1970.
pub type Seconds = u64;

/// A moment, shown as people write it (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp(pub Seconds);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = UNIX_EPOCH + Duration::from_secs(self.0.min(LAST_SECOND));
        humantime::format_rfc3339_seconds(at).fmt(f)
    }
}

/// The end of the year 9999, where RFC 3339 ends.
const LAST_SECOND: Seconds = 253_402_300_799;
