//! Each machine's steps of the last days, on the disk: one line of JSON a step, in the order in
//! which the steps came.
//!
//! Lines are appended by a thread of their own, so neither the boot path nor the state file waits
//! for them, and a step costs its own bytes and no more. The oldest lines go first: by age, and
//! above a size that the folder may have.

mod journal;
mod segments;
mod table;

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use netbootd_telemetry::event::Recorded;
use netbootd_telemetry::view::StepView;
use pxe_policy::MacAddr;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::file::State;
use journal::Journal;
use segments::Segments;

/// The steps of the last days.
#[derive(Debug)]
pub struct History {
    segments: Segments,
    journal: OnceLock<Option<Journal>>,
    lost: AtomicU64,
    turns: Arc<Semaphore>,
}

/// Lines that wait to be written.
#[derive(Debug, Default)]
pub struct Lines {
    text: String,
    count: u64,
}

impl Lines {
    /// Adds a step; one that belongs to no machine has no line.
    pub fn push(&mut self, recorded: &Recorded) {
        if let Some(step) = StepView::from_recorded(recorded) {
            self.push_step(&step);
        }
    }

    /// Adds a step as a line of JSON.
    pub fn push_step(&mut self, step: &StepView) {
        if let Ok(json) = serde_json::to_string(step) {
            self.text.push_str(&json);
            self.text.push('\n');
            self.count += 1;
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether there are enough of them to be worth a write.
    pub fn is_full(&self) -> bool {
        self.text.len() >= WORTH_WRITING
    }
}

impl History {
    /// The history in a state folder. Nothing is read or made before there is a step.
    pub fn new(state: &Path) -> Self {
        History {
            segments: Segments::new(state.join("history"), SEGMENT, MOST),
            journal: OnceLock::new(),
            lost: AtomicU64::new(0),
            turns: Arc::new(Semaphore::new(READERS)),
        }
    }

    /// Takes over the steps that netbootd 0.1 kept in the state file.
    pub fn migrate(&self, state: &State) -> Result<(), io::Error> {
        table::migrate(state, &self.segments)
    }

    /// Hands lines to the thread that writes them. Never waits: lines that find no room are lost,
    /// and counted.
    pub fn append(&self, lines: Lines) {
        let count = lines.count;
        let appended = self.journal().is_some_and(|journal| journal.append(lines));
        if !appended {
            self.lost.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Waits until everything that was handed over is on the disk.
    pub fn flush(&self) {
        if let Some(Some(journal)) = self.journal.get() {
            journal.flush();
        }
    }

    /// How many steps could not be written since the start.
    pub fn lost(&self) -> u64 {
        let unwritten = self.journal.get().and_then(Option::as_ref).map_or(0, Journal::lost);
        self.lost.load(Ordering::Relaxed) + unwritten
    }

    /// A turn to read many steps: few read at a time, so that what they hold is bounded.
    pub async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turns).acquire_owned().await.ok()
    }

    /// The last step of each machine that has a word in one of its steps of the last days: in its
    /// address, GUID or name, in a file, a reason. Newest first, `limit` machines at most, and no
    /// more than those are held in memory.
    pub fn search(&self, word: &str, limit: usize, now: SystemTime) -> io::Result<Vec<Value>> {
        let word = word.to_lowercase();
        let (mut known, mut found) = (HashSet::new(), Vec::new());
        self.newest_first(now, |line| {
            if line.to_lowercase().contains(&word)
                && let Ok(step) = serde_json::from_str::<Value>(line)
                && step["mac"].as_str().is_some_and(|mac| known.insert(mac.to_owned()))
            {
                found.push(step);
            }
            found.len() < limit
        })?;
        Ok(found)
    }

    /// A machine's steps of the last days, oldest first; of more than [`MOST_LISTED`] the newest.
    pub fn steps(&self, mac: MacAddr, now: SystemTime) -> io::Result<Vec<Value>> {
        let wanted = format!("\"mac\":\"{mac}\"");
        let mut steps = Vec::new();
        self.newest_first(now, |line| {
            if line.contains(&wanted) {
                steps.extend(serde_json::from_str::<Value>(line).ok());
            }
            steps.len() < MOST_LISTED
        })?;
        steps.reverse();
        Ok(steps)
    }

    /// Shows lines of the last days, the newest first, for as long as `take` wants more.
    fn newest_first(&self, now: SystemTime, mut take: impl FnMut(&str) -> bool) -> io::Result<()> {
        self.flush();
        for segment in self.segments.since(oldest_day(now))?.iter().rev() {
            // A segment that went meanwhile was the oldest one.
            let Some(text) = segment.text()? else { continue };
            // A line that is not UTF-8, or no JSON, is the rest that a power cut left.
            for line in text.split(|byte| *byte == b'\n').rev() {
                if let Ok(line) = std::str::from_utf8(line)
                    && !line.is_empty()
                    && !take(line)
                {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn journal(&self) -> Option<&Journal> {
        self.journal.get_or_init(|| Journal::start(self.segments.clone()).ok()).as_ref()
    }
}

/// The number of the day since 1970.
fn day(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 86_400
}

fn oldest_day(now: SystemTime) -> u64 {
    day(now).saturating_sub(DAYS - 1)
}

/// Steps are kept this many days, today among them.
const DAYS: u64 = 7;
/// Bytes that all steps may take on the disk: about a million and a half of them.
const MOST: u64 = 512 << 20;
/// Bytes of one file: what a search holds in memory, and what goes at once when there is too much.
const SEGMENT: u64 = 8 << 20;
/// Bytes of lines that are handed over together.
const WORTH_WRITING: usize = 64 << 10;
/// Steps of one machine that an answer holds.
pub const MOST_LISTED: usize = 2000;
/// Readers of the history at a time.
const READERS: usize = 2;

#[cfg(test)]
mod tests;
