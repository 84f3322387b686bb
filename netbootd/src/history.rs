//! What happened to each machine in the last days, on the disk.
//!
//! Steps are written in batches beside the boot path, by day, machine and time: old days go as a whole, and a flood of made-up machines
//! costs what a full day may hold and no more.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use pxe_policy::MacAddr;
use redb::{ReadableTableMetadata, TableDefinition};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::api::views::StepView;
use crate::event::Recorded;
use crate::state::State;

/// The table.
#[derive(Debug)]
pub struct History {
    state: Arc<State>,
    number: AtomicU64,
    turns: Arc<Semaphore>,
}

/// A step that waits to be written.
#[derive(Debug)]
pub struct Line {
    key: Key,
    json: String,
}

/// Day since 1970, machine, milliseconds since 1970, number within the run.
type Key = (u32, [u8; 6], u64, u64);

const STEPS: TableDefinition<'static, Key, &'static str> = TableDefinition::new("steps");

impl History {
    /// Opens the table.
    pub fn open(state: Arc<State>) -> Result<Self, redb::Error> {
        state.make_table(STEPS)?;
        Ok(History { state, number: AtomicU64::new(0), turns: Arc::new(Semaphore::new(READERS)) })
    }

    /// A step as it will be written; None for what belongs to no machine.
    pub fn line(&self, mac: MacAddr, recorded: &Recorded) -> Option<Line> {
        let json = serde_json::to_string(&StepView::of(recorded)?).ok()?;
        let at = milliseconds(recorded.at);
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        Some(Line { key: (day(at), mac.octets(), at, number), json })
    }

    /// Writes steps, and lets go of old days. True once that is on the disk. A part at a time: what machines wait for goes between.
    pub async fn write(&self, mut lines: Vec<Line>, now: SystemTime) -> bool {
        // What is near one another in the table costs little together.
        lines.sort_unstable_by_key(|line| line.key);
        let mut saved = true;
        loop {
            let rest = lines.split_off(lines.len().min(AT_ONCE));
            saved &= self.write_part(lines, now).await;
            if rest.is_empty() {
                return saved;
            }
            lines = rest;
        }
    }

    async fn write_part(&self, lines: Vec<Line>, now: SystemTime) -> bool {
        let oldest = day(milliseconds(now)).saturating_sub(DAYS - 1);
        self.state
            .write(move |transaction| {
                let mut table = transaction.open_table(STEPS)?;
                let end = (oldest, [0; 6], 0, 0);
                table.extract_from_if(..end, |_, _| true)?.try_for_each(|step| step.map(drop))?;
                let room = MAX_STEPS.saturating_sub(table.len()?);
                for line in lines.iter().take(usize::try_from(room).unwrap_or(usize::MAX)) {
                    table.insert(line.key, line.json.as_str())?;
                }
                Ok(())
            })
            .await
    }

    /// A turn to read many steps: few read at a time, so that what they hold is bounded.
    pub async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turns).acquire_owned().await.ok()
    }

    /// The last step of each machine that has a word in one of its steps of the last days: in its address, GUID or name, in a file, a
    /// reason. Newest first, `limit` machines at most, and no more than those are held in memory.
    pub fn search(&self, word: &str, limit: usize, now: SystemTime) -> Result<Vec<Value>, redb::Error> {
        let table = self.state.read()?.open_table(STEPS)?;
        let word = word.to_lowercase();
        let today = day(milliseconds(now));
        let mut seen = HashSet::new();
        let mut found: Vec<String> = Vec::new();
        for day in (today.saturating_sub(DAYS - 1)..=today).rev() {
            if found.len() >= limit {
                break;
            }
            // A machine's steps lie together, its newest last.
            let mut newest: BTreeMap<(u64, [u8; 6]), String> = BTreeMap::new();
            let mut known: Option<(u64, [u8; 6])> = None;
            for step in table.range((day, [0; 6], 0, 0)..(day + 1, [0; 6], 0, 0))? {
                let (key, json) = step?;
                let (_, mac, at, _) = key.value();
                if seen.contains(&mac) || !json.value().to_lowercase().contains(&word) {
                    continue;
                }
                if let Some(older) = known.filter(|(_, known)| *known == mac) {
                    newest.remove(&older);
                }
                known = Some((at, mac));
                newest.insert((at, mac), json.value().to_owned());
                if newest.len() > limit - found.len() {
                    newest.pop_first();
                }
            }
            seen.extend(newest.keys().map(|(_, mac)| *mac));
            found.extend(newest.into_values().rev());
        }
        Ok(found.iter().filter_map(|json| serde_json::from_str(json).ok()).collect())
    }

    /// A machine's steps of the last days, oldest first; the newest [`MAX_OF_ONE`] when there are more.
    pub fn of(&self, mac: MacAddr, now: SystemTime) -> Result<Vec<Value>, redb::Error> {
        let table = self.state.read()?.open_table(STEPS)?;
        let today = day(milliseconds(now));
        let mut steps = Vec::new();
        for day in (today.saturating_sub(DAYS - 1)..=today).rev() {
            let of_day = table.range((day, mac.octets(), 0, 0)..=(day, mac.octets(), u64::MAX, u64::MAX))?;
            for step in of_day.rev().take(MAX_OF_ONE - steps.len()) {
                let (_, json) = step?;
                steps.extend(serde_json::from_str(json.value()).ok());
            }
        }
        steps.reverse();
        Ok(steps)
    }
}

fn milliseconds(at: SystemTime) -> u64 {
    u64::try_from(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

fn day(milliseconds: u64) -> u32 {
    u32::try_from(milliseconds / 86_400_000).unwrap_or(u32::MAX)
}

/// Steps in one change to the file: about a millisecond's work.
const AT_ONCE: usize = 100;
/// Steps are kept this many days, today among them.
const DAYS: u32 = 7;
/// Who reads many steps at a time.
const READERS: usize = 2;
/// Steps of one machine that are shown: a hundred boots.
const MAX_OF_ONE: usize = 2000;
/// Of all machines together: some 100 MB.
const MAX_STEPS: u64 = 500_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::testing::{completed, offer, step};

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const DAY: u64 = 86_400;

    #[tokio::test]
    async fn steps_outlive_a_restart_and_go_after_a_week() {
        let folder = tempfile::tempdir().unwrap();
        let open = || History::open(Arc::new(State::open(folder.path()).unwrap())).unwrap();
        let at = |day: u64| UNIX_EPOCH + Duration::from_secs(day * DAY + 100);
        let history = open();
        let other = MacAddr([2, 0, 0, 0, 0, 2]);
        let lines = [
            history.line(MAC, &step(1000 * DAY, offer(MAC))),
            history.line(other, &step(1000 * DAY + 1, offer(other))),
            history.line(MAC, &step(1001 * DAY, completed(1, MAC, "boot.efi"))),
        ];
        assert!(history.write(lines.into_iter().flatten().collect(), at(1001)).await);
        drop(history);
        let history = open();
        let steps = history.of(MAC, at(1001)).unwrap();
        let words: Vec<&str> = steps.iter().map(|step| step["what"].as_str().unwrap()).collect();
        assert_eq!(words, ["offer", "completed"]);
        assert_eq!(history.of(other, at(1001)).unwrap().len(), 1);
        let found = |word: &str| -> Vec<String> {
            let found = history.search(word, 10, at(1001)).unwrap();
            found.iter().map(|step| format!("{} {}", step["mac"], step["what"])).collect()
        };
        let (one, two) = ("\"02:00:00:00:00:01\"", "\"02:00:00:00:00:02\"");
        assert_eq!(found("02:00"), [format!("{one} \"completed\""), format!("{two} \"offer\"")]);
        assert_eq!(found("BOOT.efi"), [format!("{one} \"completed\"")]);
        assert!(found("nobody").is_empty());
        assert!(history.write(Vec::new(), at(1007)).await);
        assert_eq!(history.of(MAC, at(1007)).unwrap().len(), 1, "the first day is gone");
        assert_eq!(history.of(other, at(1001)).unwrap().len(), 0, "from the disk as well");
    }

    #[tokio::test]
    async fn a_search_holds_no_more_machines_than_it_gives_and_gives_the_newest_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::open(Arc::new(State::open(folder.path()).unwrap())).unwrap();
        let at = |second: u64| UNIX_EPOCH + Duration::from_secs(1000 * DAY + second);
        let machine = |n: u8| MacAddr([2, 0, 0, 0, 0, n]);
        let mut lines = Vec::new();
        // Each machine once a day; the one with the highest number first.
        for n in 0..50_u8 {
            for day in 0..3 {
                let second = day * DAY + 1000 - u64::from(n);
                lines.extend(history.line(machine(n), &step(1000 * DAY + second, offer(machine(n)))));
            }
        }
        // Today only two of them have failed, one of them twice.
        for (n, second) in [(7, 2000), (7, 3000), (9, 2500)] {
            let failed = step(1002 * DAY + second, completed(1, machine(n), "needle.efi"));
            lines.extend(history.line(machine(n), &failed));
        }
        let failed_before = step(1001 * DAY + 5000, completed(1, machine(20), "needle.efi"));
        lines.extend(history.line(machine(20), &failed_before));
        assert!(history.write(lines, at(2 * DAY + 4000)).await);
        let found = |word: &str, limit: usize| -> Vec<String> {
            let found = history.search(word, limit, at(2 * DAY + 4000)).unwrap();
            found.iter().map(|step| step["mac"].as_str().unwrap().to_owned()).collect()
        };
        let names = |numbers: &[u8]| numbers.iter().map(|n| machine(*n).to_string()).collect::<Vec<_>>();
        assert_eq!(found("needle", 10), names(&[7, 9, 20]));
        assert_eq!(found("needle", 2), names(&[7, 9]));
        assert_eq!(found("offer", 3), names(&[0, 1, 2]));
        assert_eq!(found("offer", 500).len(), 50);
    }

    #[tokio::test]
    async fn two_read_at_a_time_and_a_third_waits() {
        let folder = tempfile::tempdir().unwrap();
        let history = Arc::new(History::open(Arc::new(State::open(folder.path()).unwrap())).unwrap());
        let held = [history.turn().await, history.turn().await];
        let waiting = Arc::clone(&history);
        let third = tokio::spawn(async move { waiting.turn().await.is_some() });
        tokio::task::yield_now().await;
        assert!(!third.is_finished());
        drop(held);
        assert!(third.await.unwrap());
    }
}
