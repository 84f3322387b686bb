//! The outcomes of all sources of images, kept in the store's folder.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};
use std::{fs, io};

use imagestore::Store;
use imagestore::ingest::PackageUse;
use serde::{Deserialize, Serialize};

/// The outcome of each source, by its path or content id.
pub type Outcomes = BTreeMap<String, Outcome>;

/// The outcome of one source.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outcome {
    pub(super) look: Look,
    /// The image's name, when it was taken in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Why it was not, or what is to know about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) failed: bool,
    /// An ordinary package: it holds nothing to boot and nothing to offer.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ordinary: bool,
    /// Its image was taken back.
    #[serde(default, skip_serializing_if = "is_false")]
    pub withdrawn: bool,
    /// How the package was used when it was judged; None for a source that is no package, and in
    /// the files of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) package: Option<PackageUse>,
    /// When it is tried again without a change, in seconds since 1970; None for a reason that does
    /// not pass by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<u64>,
    /// How often it has failed in a row for a reason that passes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) attempts: u32,
}

/// The outline of a source. Equal outlines mean that nobody has written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Look {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) changed: i64,
}

impl Outcome {
    /// In a word or two, for a table.
    pub fn state(&self) -> String {
        match &self.image {
            Some(_) if self.withdrawn => "withdrawn".to_owned(),
            Some(name) => format!("image {name}"),
            None if self.ordinary => "ordinary".to_owned(),
            None => match self.retry_at {
                Some(at) => {
                    let at = UNIX_EPOCH + Duration::from_secs(at);
                    format!("refused, next try at {}", humantime::format_rfc3339_seconds(at))
                }
                None => "refused".to_owned(),
            },
        }
    }

    /// Whether the time for another try has come. A clock that was set back does not put it off for
    /// longer than the longest back-off.
    pub(super) fn is_due(&self, now: u64) -> bool {
        self.retry_at.is_some_and(|at| at <= now || at > now.saturating_add(LONGEST_BACK_OFF.as_secs()))
    }
}

/// The outcomes of all sources of a store.
pub fn outcomes(store: &Store) -> Outcomes {
    let text = fs::read(place(store)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default() // at worst everything is looked at once more
}

/// Retries every source at start: the operator who restarts the daemon may have cured the cause.
pub(super) fn retried_at_start(mut outcomes: Outcomes) -> Outcomes {
    for retry_at in outcomes.values_mut().filter_map(|outcome| outcome.retry_at.as_mut()) {
        *retry_at = 0;
    }
    outcomes
}

/// How long to wait after so many failures in a row.
pub(super) fn back_off(attempts: u32) -> Duration {
    FIRST_BACK_OFF.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(LONGEST_BACK_OFF)
}

pub(super) fn save(store: &Store, outcomes: &Outcomes) -> io::Result<()> {
    let place = place(store);
    let temporary = place.with_extension("new");
    fs::write(&temporary, serde_json::to_vec(outcomes)?)?;
    fs::rename(temporary, place)
}

fn place(store: &Store) -> PathBuf {
    store.root().join("sources.json")
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_false(value: &bool) -> bool {
    !*value
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// The wait before the second try of a source that failed for a passing reason; it doubles with
/// each further failure.
const FIRST_BACK_OFF: Duration = Duration::from_secs(30);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_back_off_doubles_up_to_an_hour() {
        let waits: Vec<u64> = [1, 2, 3, 7, 8, 1000, u32::MAX].map(|n| back_off(n).as_secs()).into();
        assert_eq!(waits, [30, 60, 120, 1920, 3600, 3600, 3600]);
    }

    #[test]
    fn a_source_is_due_at_its_time_and_after_the_clock_was_set_back() {
        let outcome = |retry_at| Outcome { failed: true, retry_at, attempts: 1, ..Outcome::default() };
        assert!(!outcome(None).is_due(u64::MAX));
        assert!(!outcome(Some(1030)).is_due(1029));
        assert!(outcome(Some(1030)).is_due(1030));
        assert!(outcome(Some(100_000)).is_due(1000), "the clock was set back by a day");
    }
}
