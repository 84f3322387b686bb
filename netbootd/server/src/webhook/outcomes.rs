//! How the messages of webhooks ended.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many messages ended in each way, of all webhooks.
#[derive(Debug, Default)]
pub struct Outcomes {
    delivered: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl Outcomes {
    /// How many messages were delivered, given up after the last try, and dropped because the queue
    /// was full.
    pub fn counts(&self) -> [(&'static str, u64); 3] {
        [("delivered", &self.delivered), ("failed", &self.failed), ("dropped", &self.dropped)]
            .map(|(word, count)| (word, count.load(Ordering::Relaxed)))
    }

    pub(crate) fn count(&self, delivered: bool) {
        let counter = if delivered { &self.delivered } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_dropped(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }
}
