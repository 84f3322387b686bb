//! Reads everything in the image store again, a round every month or so: what the disk has damaged
//! is found before a machine needs it.
//!
//! One blob at a time and slowly, beside what machines read. How far a round has come is on the
//! disk: a restart goes on there.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use imagestore::Observer;
use netbootd_content::files::Images;
use netbootd_net::with_causes;
use netbootd_state::file::{DatabaseError, State};
use netbootd_state::leases::Seconds;
use netbootd_state::ledger::now;
use netbootd_state::scrub::{Round, ScrubStore};
use tracing::{error, info, warn};

use crate::services::Services;

/// How far reading has come.
#[derive(Debug)]
pub struct Scrub {
    store: ScrubStore,
}

/// The counts of a round since it was last continued.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// Blobs that were read.
    pub read: usize,
    /// Of them, those that are withdrawn now.
    pub damaged: usize,
}

/// Reads what is due, as often as the configuration says, until shutdown.
pub async fn now_and_then(services: Arc<Services>, scrub: Arc<Scrub>, images: Arc<Images>) {
    loop {
        let every = services.snapshot.load().config.store.scrub;
        if !every.is_zero() {
            let stops = || services.lifecycle.shutdown.is_cancelled();
            scrub.go_on(&images, every, now(), stops).await;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = services.lifecycle.shutdown.cancelled() => return,
        }
    }
}

impl Scrub {
    /// With the round that the state file remembers.
    pub fn open(state: Arc<State>) -> Result<Self, DatabaseError> {
        Ok(Scrub { store: ScrubStore::open(state)? })
    }

    /// Goes on with the round, or begins one when the last began long enough ago, and reads to its
    /// end unless it is to stop. Gives what was found; None when nothing was due.
    pub async fn go_on(
        &self,
        images: &Arc<Images>,
        every: Duration,
        now: Seconds,
        stops: impl Fn() -> bool,
    ) -> Option<Found> {
        let mut round = match self.store.round() {
            Ok(Some(round)) => due(round, now, every),
            Ok(None) => {
                // All of it was read when it came.
                self.save(Round { begun: now, done: true, read: None }).await;
                return None;
            }
            Err(error) => {
                error!(%error, "the image store is not read again");
                return None;
            }
        };
        if round.done {
            return None;
        }
        let listed = Arc::clone(images);
        let all = match tokio::task::spawn_blocking(move || listed.digests()).await.ok()? {
            Ok(all) => all,
            Err(error) => {
                warn!("{}", with_causes(&error));
                return None;
            }
        };
        let mut found = Found::default();
        let mut saved = tokio::time::Instant::now();
        let behind = round.read;
        for blob in all.into_iter().filter(|blob| behind.is_none_or(|read| *blob > read)) {
            if stops() {
                self.save(round).await;
                return Some(found);
            }
            let held = Arc::clone(&images.verification).lock_owned().await;
            let images = Arc::clone(images);
            let read = tokio::task::spawn_blocking(move || images.scrub(&blob, &mut Slowly::default())).await;
            drop(held);
            match read.ok()? {
                Ok(None) => {}
                Ok(Some(whole)) => {
                    found.read += 1;
                    if !whole {
                        found.damaged += 1;
                        warn!(%blob, "a damaged blob is withdrawn");
                    }
                }
                Err(error) => warn!(%blob, "{}", with_causes(&error)),
            }
            round.read = Some(blob);
            if saved.elapsed() >= SAVE_EVERY {
                self.save(round).await;
                saved = tokio::time::Instant::now();
            }
        }
        self.save(Round { done: true, read: None, ..round }).await;
        info!(blobs = found.read, damaged = found.damaged, "image store read again");
        Some(found)
    }

    /// A position that is not saved is read once more after a restart.
    async fn save(&self, round: Round) {
        self.store.save(round).await;
    }
}

/// The round to go on with: this one, or a new one when it is time. A clock that went back makes it
/// time.
fn due(round: Round, now: Seconds, every: Duration) -> Round {
    let is_due = now < round.begun || now - round.begun >= every.as_secs();
    if round.done && is_due { Round { begun: now, done: false, read: None } } else { round }
}

/// Waits after each piece, so that no more than [`RATE`] is read.
#[derive(Debug)]
struct Slowly {
    began: Instant,
    bytes: u64,
}

impl Default for Slowly {
    fn default() -> Self {
        Slowly { began: Instant::now(), bytes: 0 }
    }
}

impl Observer for Slowly {
    fn bytes(&mut self, count: u64) {
        self.bytes += count;
        let due = Duration::from_secs_f64(self.bytes as f64 / RATE);
        thread::sleep(due.saturating_sub(self.began.elapsed()));
    }
}

/// Bytes a second: a disk gives machines several times as much meanwhile, and a store of 80 TB is
/// read in a month.
const RATE: f64 = 32.0 * 1024.0 * 1024.0;
/// How often it is looked at whether a round is due.
const LOOK: Duration = Duration::from_secs(600);
const SAVE_EVERY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
