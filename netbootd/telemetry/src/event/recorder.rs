//! The sinks of every event: the log, the counters and the subscribers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use parking_lot::Mutex;
use tokio::sync::broadcast;
use tracing::level_filters::LevelFilter;

use super::limit::{self, Limit, Who};
use super::{Event, Proto, TransferId, log};

/// One event with the time it was recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// When the event happened.
    pub at: SystemTime,
    /// The event with its facts.
    pub event: Event,
}

/// How often each thing happened since the start, by (kind, word): `("offer", "rule")`, `("tftp",
/// "completed")`.
pub type Counters = BTreeMap<(&'static str, &'static str), u64>;

/// Takes every event, and gives it to log, counters and watchers.
#[derive(Debug)]
pub struct Recorder {
    watchers: broadcast::Sender<Arc<Recorded>>,
    counters: Mutex<Counters>,
    tftp_bytes: AtomicU64,
    http_bytes: AtomicU64,
    next_transfer: AtomicU64,
    limit: Mutex<Limit>,
}

impl Recorder {
    /// With no watchers yet.
    pub fn new() -> Self {
        Recorder {
            watchers: broadcast::Sender::new(WATCHER_BACKLOG),
            counters: Mutex::default(),
            tftp_bytes: AtomicU64::new(0),
            http_bytes: AtomicU64::new(0),
            next_transfer: AtomicU64::new(1),
            limit: Mutex::new(Limit::new(Instant::now())),
        }
    }

    /// A number for a new transfer.
    pub fn transfer_id(&self) -> TransferId {
        TransferId(self.next_transfer.fetch_add(1, Ordering::Relaxed))
    }

    /// Logs, counts and passes on one event.
    pub fn record(&self, event: Event) {
        self.log(&event);
        if let Some((kind, word)) = event.counter() {
            self.count(kind, word);
        }
        if let Event::TransferFinished(finished) = &event {
            let sum = if finished.proto == Proto::Tftp { &self.tftp_bytes } else { &self.http_bytes };
            sum.fetch_add(finished.bytes, Ordering::Relaxed);
        }
        if self.watchers.receiver_count() > 0 {
            // No watcher is no failure: the last one may have left just now.
            let _ = self.watchers.send(Arc::new(Recorded { at: SystemTime::now(), event }));
        }
    }

    /// Counts an event that is not worth a line.
    pub fn count_event(&self, event: &Event) {
        if let Some((kind, word)) = event.counter() {
            self.count(kind, word);
        }
    }

    /// Counts an event that was recorded before, of the same sender: a flood is no stream of
    /// events.
    pub fn count(&self, kind: &'static str, word: &'static str) {
        *self.counters.lock().entry((kind, word)).or_default() += 1;
    }

    fn log(&self, event: &Event) {
        let facts = event.facts();
        let Some(level) = facts.level() else { return facts.write() };
        // A line below the log's level takes no place from others.
        if level > LevelFilter::current() {
            return;
        }
        let (kind, word) = facts.counter().unwrap_or(("transfer", ""));
        let who = facts.mac().map(Who::Machine).or(facts.peer().map(Who::Address));
        let Some(line) = who.map(|who| (who, kind, word)) else { return facts.write() };
        let mut limit = self.limit.lock();
        let verdict = limit.admit(line, Instant::now());
        drop(limit);
        match verdict {
            limit::LogVerdict::Suppress => return,
            limit::LogVerdict::WriteAfter(lines) => log::lines_left_out(lines),
            limit::LogVerdict::Write => {}
        }
        facts.write();
    }

    /// Forgets which lines were written about peers of which nothing was heard for a minute.
    /// Returns how many.
    pub fn forget_idle(&self, now: Instant) -> usize {
        self.limit.lock().sweep(now)
    }

    /// Every event from now on. A watcher that falls behind loses the oldest ones and learns how
    /// many.
    pub fn watch(&self) -> broadcast::Receiver<Arc<Recorded>> {
        self.watchers.subscribe()
    }

    /// Bytes that clients have had, by protocol.
    pub fn bytes(&self) -> [(Proto, u64); 2] {
        [(Proto::Tftp, &self.tftp_bytes), (Proto::Http, &self.http_bytes)]
            .map(|(proto, sum)| (proto, sum.load(Ordering::Relaxed)))
    }

    /// A copy of the counters.
    pub fn counters(&self) -> Counters {
        self.counters.lock().clone()
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Recorder::new()
    }
}

/// Events kept for a watcher that is slow to fetch them: three seconds of 5,000 a second, in ten
/// megabytes.
const WATCHER_BACKLOG: usize = 16_384;

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::super::{FileRefused, Refusal};
    use super::*;

    #[tokio::test]
    async fn an_event_is_counted_and_reaches_a_watcher() {
        let recorder = Recorder::new();
        let mut watcher = recorder.watch();
        let event = Event::FileRefused(FileRefused {
            proto: Proto::Tftp,
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 2000)),
            mac: None,
            path: "pxelinux.cfg/0A".into(),
            refusal: Refusal::NotFound,
            detail: None,
        });
        recorder.record(event.clone());
        recorder.record(Event::TransferProgress { id: recorder.transfer_id(), bytes: 1 });
        assert_eq!(recorder.counters(), Counters::from([(("tftp", "not-found"), 1)]));
        assert_eq!(watcher.recv().await.unwrap().event, event);
    }
}
