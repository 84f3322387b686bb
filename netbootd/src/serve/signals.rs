//! Signals of the system: to end, or to reload the configuration.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use netbootd_server::daemon::Reloads;
use netbootd_server::services::Services;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::failure::Failure;
#[cfg(unix)]
use unix::Source;
#[cfg(windows)]
use windows::Source;

/// A request of the system.
enum Request {
    /// Asks the daemon to end.
    End,
    /// To reload the configuration.
    Reload,
}

/// The requests of the system.
pub(super) struct Signals(Source);

impl Signals {
    pub(super) fn new() -> Result<Self, Failure> {
        let source = Source::open();
        Ok(Signals(
            source.map_err(|error| Failure::Bug(format!("cannot wait for the system's signals: {error}")))?,
        ))
    }

    pub(super) async fn wait_for_the_end(
        &mut self,
        reloads: &Reloads,
        tasks: &mut JoinSet<()>,
    ) -> Result<(), Failure> {
        loop {
            tokio::select! {
                request = self.0.next() => match request {
                    Request::End => return Ok(()),
                    // The errors of the new configuration have been logged.
                    Request::Reload => drop(reloads.ask().await),
                },
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
        services.lifecycle.stopping.cancel();
        services.lifecycle.transfers.close();
        let limit = services.snapshot.load().config.server.stop_timeout;
        let under_way = services.lifecycle.transfers.len();
        if under_way > 0 {
            info!(transfers = under_way, limit = %humantime::format_duration(limit), "stopping once transfers end");
        }
        let cut = tokio::select! {
            () = services.lifecycle.transfers.wait() => return,
            () = tokio::time::sleep(limit) => "the limit",
            () = self.end() => "a second signal",
        };
        warn!(transfers = services.lifecycle.transfers.len(), by = cut, "transfers are cut short");
    }

    /// Waits for a request to end; there is nothing left to reload.
    async fn end(&mut self) {
        while let Request::Reload = self.0.next().await {}
    }
}
