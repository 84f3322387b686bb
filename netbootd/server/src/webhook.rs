//! Webhooks: a POST for each finding that opens or ends, signed, retried, from a bounded queue.
//!
//! Each webhook has a task and a queue of its own. A target that hangs or answers with an error
//! holds up its own messages alone; the boot path never waits. Cancelled by the services' shutdown
//! token; what is still queued then is dropped.

mod delivery;
pub mod outcomes;
mod signature;

use std::sync::Arc;

use netbootd_config::Webhook;
use netbootd_net::with_causes;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tracing::warn;

use crate::findings::{Change, Findings};
use crate::services::Services;
use delivery::{Delivery, Unusable};

/// One webhook's queue, and its task.
struct Worker {
    settings: Webhook,
    queue: mpsc::Sender<Arc<Change>>,
    task: AbortHandle,
}

/// Hands each change to the webhooks of the configuration in force, until shutdown.
pub async fn run(services: Arc<Services>, findings: Arc<Findings>) {
    let mut changes = findings.watch();
    let mut workers: Vec<Worker> = Vec::new();
    loop {
        let change = tokio::select! {
            change = changes.recv() => change,
            () = services.lifecycle.shutdown.cancelled() => return,
        };
        let change = match change {
            Ok(change) => change,
            Err(RecvError::Lagged(lost)) => {
                findings.webhooks.count_dropped(lost);
                continue;
            }
            Err(RecvError::Closed) => return,
        };
        let wanted = &services.snapshot.load_full().config.webhooks;
        workers.retain(|worker| wanted.contains(&worker.settings));
        for webhook in wanted {
            if change.finding.severity < webhook.severity {
                continue;
            }
            let known = workers.iter().position(|worker| worker.settings == *webhook);
            let place = match known {
                Some(place) => place,
                None => match Worker::start(webhook, &services, &findings) {
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
                findings.webhooks.count_dropped(1);
            }
        }
    }
}

impl Worker {
    fn start(
        webhook: &Webhook,
        services: &Arc<Services>,
        findings: &Arc<Findings>,
    ) -> Result<Self, Unusable> {
        let delivery = Delivery::open(webhook)?;
        let (queue, messages) = mpsc::channel(QUEUE);
        let task = tokio::spawn(deliver(delivery, messages, Arc::clone(services), Arc::clone(findings)));
        Ok(Worker { settings: webhook.clone(), queue, task: task.abort_handle() })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn deliver(
    delivery: Delivery,
    mut messages: mpsc::Receiver<Arc<Change>>,
    services: Arc<Services>,
    findings: Arc<Findings>,
) {
    let outcomes = &findings.webhooks;
    loop {
        let next = tokio::select! {
            next = messages.recv() => next,
            () = services.lifecycle.shutdown.cancelled() => return,
        };
        let Some(change) = next else { return };
        tokio::select! {
            delivered = delivery.deliver(&change) => outcomes.count(delivered),
            () = services.lifecycle.shutdown.cancelled() => return,
        }
    }
}

/// Messages that wait for one webhook.
const QUEUE: usize = 256;
