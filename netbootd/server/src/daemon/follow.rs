//! Feeds the timelines and the history with the events that the log is written from, beside the
//! boot path: a server that is busy loses steps here before it makes a machine wait.

use std::sync::Arc;
use std::time::Duration;

use netbootd_state::history::Lines;
use netbootd_telemetry::event::{Event, Recorded, TransferOutcome};
use netbootd_telemetry::view::StepView;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::Daemon;

/// Follows every event until shutdown, and hands the steps to the history in batches.
pub async fn follow(daemon: Arc<Daemon>, mut watcher: Receiver<Arc<Recorded>>) {
    let mut lines = Lines::default();
    let mut flush = tokio::time::interval(FLUSH_EVERY);
    let mut taken = 0;
    loop {
        // While a building switches on, each event would wake another thread beside the one that
        // serves.
        if taken > MAX_AT_ONCE && watcher.is_empty() {
            tokio::time::sleep(REST).await;
        }
        let recorded = tokio::select! {
            recorded = watcher.recv() => recorded,
            _ = flush.tick() => {
                taken = 0;
                if !lines.is_empty() {
                    daemon.history.append(std::mem::take(&mut lines));
                }
                continue;
            }
            () = daemon.services.lifecycle.shutdown.cancelled() => break,
        };
        match recorded {
            Ok(recorded) => {
                taken += 1;
                note_runner(&daemon, &recorded);
                observe(&daemon, &recorded, &mut lines);
                if lines.is_full() {
                    daemon.history.append(std::mem::take(&mut lines));
                }
            }
            Err(RecvError::Lagged(lost)) => daemon.services.timelines.note_lost(lost),
            Err(RecvError::Closed) => break,
        }
    }
    while let Ok(recorded) = watcher.try_recv() {
        observe(&daemon, &recorded, &mut lines);
    }
    daemon.history.append(lines);
    let flushed = tokio::task::spawn_blocking(move || daemon.history.flush());
    let _ = flushed.await; // it cannot fail
}

fn observe(daemon: &Daemon, recorded: &Arc<Recorded>, lines: &mut Lines) {
    daemon.services.trust.observe(&recorded.event);
    let patience = daemon.services.snapshot.load().config.diagnosis;
    let (mac, past) = daemon.services.timelines.take_ending(recorded, patience);
    if mac.is_some() {
        lines.push(recorded);
    }
    if let (Some(mac), Some(past)) = (mac.or(recorded.event.mac()), past) {
        lines.push_step(&StepView::of_past(mac, &past));
    }
}

/// A machine that fetched a file of an image runs from that image.
fn note_runner(daemon: &Daemon, recorded: &Recorded) {
    if let Event::TransferFinished(finished) = &recorded.event
        && finished.outcome == TransferOutcome::Completed
        && let Some(images) = &daemon.images
    {
        images.completed(finished.peer.ip(), finished.mac);
    }
}

/// Steps go to the disk this often, or as soon as there are many.
pub const FLUSH_EVERY: Duration = Duration::from_secs(2);
/// Events between two flushes that are processed at once; the others are, together, after each
/// rest.
const MAX_AT_ONCE: u32 = 500;
const REST: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use netbootd_config::Config;
    use netbootd_state::file::State;
    use netbootd_telemetry::event::testing::offer;
    use pxe_policy::MacAddr;

    use super::*;
    use crate::services::{Services, Snapshot};

    fn mac(n: usize) -> MacAddr {
        let [a, b, c, d] = u32::try_from(n).unwrap().to_be_bytes();
        MacAddr([2, 0, a, b, c, d])
    }

    /// 5,000 steps a second come in bursts when a building switches on: two seconds' worth at once,
    /// twenty seconds long.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_step_of_a_busy_server_is_lost() {
        const BURST: usize = 10_000;
        const BURSTS: usize = 10;
        let folder = tempfile::tempdir().unwrap();
        let config = Config::built_in(Some(folder.path())).unwrap().0;
        let state = Arc::new(State::open(folder.path()).unwrap());
        let snapshot = Snapshot::new(config, None).unwrap();
        let services = Services::open(snapshot, Arc::clone(&state)).unwrap();
        let daemon = Arc::new(Daemon::open(services, state).unwrap());
        let followed = tokio::spawn(follow(Arc::clone(&daemon), daemon.services.recorder.watch()));
        for burst in 0..BURSTS {
            for n in 0..BURST {
                daemon.services.recorder.record(offer(mac(burst * BURST + n)));
            }
            let last = mac(burst * BURST + BURST - 1);
            while daemon.services.timelines.get(last).is_none() {
                tokio::task::yield_now().await;
            }
        }
        daemon.services.lifecycle.shutdown.cancel();
        followed.await.unwrap();
        assert_eq!((daemon.services.timelines.size().1, daemon.history.lost()), (0, 0));
        let now = SystemTime::now();
        assert_eq!(daemon.history.search("offer", usize::MAX, now).unwrap().len(), BURST * BURSTS);
        let first = daemon.history.steps(mac(0), now).unwrap();
        assert_eq!(first.len(), 1);
    }
}
