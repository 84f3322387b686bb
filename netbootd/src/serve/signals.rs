//! How netbootd is told from outside to end, or to read its configuration again.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::cli::Failure;
use crate::reload;
use crate::services::Services;

/// What tells netbootd from outside to end, or to read its configuration again.
pub(super) struct Signals {
    terminated: Signal,
    interrupted: Signal,
    hung_up: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, Failure> {
        let on =
            |kind| signal(kind).map_err(|error| Failure::Bug(format!("cannot wait for signals: {error}")));
        Ok(Signals {
            terminated: on(SignalKind::terminate())?,
            interrupted: on(SignalKind::interrupt())?,
            hung_up: on(SignalKind::hangup())?,
        })
    }

    pub(super) async fn wait_for_the_end(
        &mut self,
        services: &Arc<Services>,
        tasks: &mut JoinSet<()>,
    ) -> Result<(), Failure> {
        loop {
            tokio::select! {
                _ = self.terminated.recv() => return Ok(()),
                _ = self.interrupted.recv() => return Ok(()),
                // What is wrong with the new configuration has been logged.
                _ = self.hung_up.recv() => drop(reload::run(services).await),
                Some(ended) = tasks.join_next() => match ended {
                    Ok(()) => {}
                    Err(error) => {
                        error!(%error, "a listener broke");
                        return Err(Failure::Bug(error.to_string()));
                    }
                },
            }
        }
    }

    /// Nothing new begins; what is under way may end, within a limit or until a second signal.
    pub(super) async fn wait_for_transfers(&mut self, services: &Services) {
        services.stopping.cancel();
        services.transfers.close();
        let limit = services.snapshot.load().config.server.stop_timeout;
        let under_way = services.transfers.len();
        if under_way > 0 {
            info!(transfers = under_way, limit = %humantime::format_duration(limit), "stopping once transfers end");
        }
        let cut = tokio::select! {
            () = services.transfers.wait() => return,
            () = tokio::time::sleep(limit) => "the limit",
            _ = self.terminated.recv() => "a second signal",
            _ = self.interrupted.recv() => "a second signal",
        };
        warn!(transfers = services.transfers.len(), by = cut, "transfers are cut short");
    }
}
