//! How often each rule decided, since the start.

use std::collections::HashMap;

use netbootd_server::services::Services;
use netbootd_telemetry::event::Event;
use parking_lot::Mutex;
use tokio::sync::broadcast::error::RecvError;

/// Decisions by the name of their rule.
#[derive(Debug, Default)]
pub(crate) struct Hits {
    by_rule: Mutex<HashMap<String, u64>>,
}

impl Hits {
    /// Counts until shutdown. Steps that a busy server loses are not counted, as everywhere on the
    /// page.
    pub(crate) async fn follow(&self, services: &Services) {
        let mut watcher = services.recorder.watch();
        loop {
            let step = tokio::select! {
                step = watcher.recv() => step,
                () = services.lifecycle.shutdown.cancelled() => return,
            };
            match step {
                Ok(step) => self.note(&step.event),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn note(&self, event: &Event) {
        let Event::Decided(decided) = event else { return };
        if decided.probe {
            return;
        }
        let Some(rule) = &decided.rule else { return };
        let mut by_rule = self.by_rule.lock();
        let is_full = by_rule.len() >= MOST_RULES;
        match by_rule.get_mut(rule) {
            Some(hits) => *hits += 1,
            // Rules of configurations of before stay, up to a bound.
            None if is_full => {}
            None => drop(by_rule.insert(rule.clone(), 1)),
        }
    }

    /// The decisions of one rule.
    pub(crate) fn count(&self, rule: &str) -> u64 {
        self.by_rule.lock().get(rule).copied().unwrap_or_default()
    }
}

/// Rules that are counted.
const MOST_RULES: usize = 4096;

#[cfg(test)]
mod tests {
    use netbootd_telemetry::event::testing::offer;
    use pxe_policy::MacAddr;

    use super::*;

    #[test]
    fn each_decision_of_a_rule_counts() {
        let hits = Hits::default();
        let Event::Decided(mut decided) = offer(MacAddr([2, 0, 0, 0, 0, 1])) else { panic!("no decision") };
        decided.rule = Some("lab".into());
        let event = Event::Decided(decided);
        hits.note(&event);
        hits.note(&event);
        assert_eq!((hits.count("lab"), hits.count("other")), (2, 0));
    }
}
