//! Webhooks: a POST for each finding that opens or ends, signed, retried, from a bounded queue.
//!
//! Each webhook has a task and a queue of its own. A target that hangs or answers with an error
//! holds up its own messages alone; the boot path never waits. Cancelled by the services' shutdown
//! token; what is still queued then is dropped.

mod delivery;
mod signature;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use netbootd_config::Webhook;
use netbootd_net::with_causes;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tracing::warn;

use crate::daemon::Daemon;
use crate::findings::Change;
use delivery::{Delivery, Unusable};

/// How many messages ended in each way, of all webhooks.
#[derive(Debug, Default)]
pub struct Outcomes {
    delivered: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

/// One webhook's queue, and its task.
struct Worker {
    settings: Webhook,
    queue: mpsc::Sender<Arc<Change>>,
    task: AbortHandle,
}

/// Hands each change to the webhooks of the configuration in force, until shutdown.
pub async fn run(daemon: Arc<Daemon>) {
    let mut changes = daemon.findings.watch();
    let mut workers: Vec<Worker> = Vec::new();
    loop {
        let change = tokio::select! {
            change = changes.recv() => change,
            () = daemon.services.lifecycle.shutdown.cancelled() => return,
        };
        let change = match change {
            Ok(change) => change,
            Err(RecvError::Lagged(lost)) => {
                daemon.findings.webhooks.count_dropped(lost);
                continue;
            }
            Err(RecvError::Closed) => return,
        };
        let wanted = &daemon.services.snapshot.load_full().config.webhooks;
        workers.retain(|worker| wanted.contains(&worker.settings));
        for webhook in wanted {
            if change.finding.severity < webhook.severity {
                continue;
            }
            let known = workers.iter().position(|worker| worker.settings == *webhook);
            let place = match known {
                Some(place) => place,
                None => match Worker::start(webhook, &daemon) {
                    Ok(worker) => {
                        workers.push(worker);
                        workers.len() - 1
                    }
                    Err(error) => {
                        warn!(url = webhook.url, error = with_causes(&error), "this webhook cannot be used");
                        continue;
                    }
                },
            };
            if workers[place].queue.try_send(Arc::clone(&change)).is_err() {
                daemon.findings.webhooks.count_dropped(1);
            }
        }
    }
}

impl Worker {
    fn start(webhook: &Webhook, daemon: &Arc<Daemon>) -> Result<Self, Unusable> {
        let delivery = Delivery::open(webhook)?;
        let (queue, messages) = mpsc::channel(QUEUE);
        let task = tokio::spawn(deliver(delivery, messages, Arc::clone(daemon)));
        Ok(Worker { settings: webhook.clone(), queue, task: task.abort_handle() })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn deliver(delivery: Delivery, mut messages: mpsc::Receiver<Arc<Change>>, daemon: Arc<Daemon>) {
    let outcomes = &daemon.findings.webhooks;
    loop {
        let next = tokio::select! {
            next = messages.recv() => next,
            () = daemon.services.lifecycle.shutdown.cancelled() => return,
        };
        let Some(change) = next else { return };
        tokio::select! {
            delivered = delivery.deliver(&change) => outcomes.count(delivered),
            () = daemon.services.lifecycle.shutdown.cancelled() => return,
        }
    }
}

impl Outcomes {
    /// How many messages were delivered, given up after the last try, and dropped because the queue
    /// was full.
    pub fn counts(&self) -> [(&'static str, u64); 3] {
        [("delivered", &self.delivered), ("failed", &self.failed), ("dropped", &self.dropped)]
            .map(|(word, count)| (word, count.load(Ordering::Relaxed)))
    }

    fn count(&self, delivered: bool) {
        let counter = if delivered { &self.delivered } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn count_dropped(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }
}

/// Messages that wait for one webhook.
const QUEUE: usize = 256;
