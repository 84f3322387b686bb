//! How netbootd is told from outside to end, or to read its configuration again: by the service control manager, or on its console.

use std::io;
use std::sync::Arc;

use tokio::signal::windows::{CtrlBreak, CtrlC, CtrlClose, CtrlShutdown};
use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::cli::Failure;
use crate::reload;
use crate::services::Services;
use crate::systemd::{RELOAD, STOP};

/// What tells netbootd from outside to end, or to read its configuration again.
pub(super) struct Signals {
    interrupted: CtrlC,
    broken: CtrlBreak,
    closed: CtrlClose,
    shut_down: CtrlShutdown,
}

impl Signals {
    pub(super) fn new() -> Result<Self, Failure> {
        let cannot =
            |error: io::Error| Failure::Bug(format!("cannot wait for the console's signals: {error}"));
        Ok(Signals {
            interrupted: ctrl_c().map_err(cannot)?,
            broken: ctrl_break().map_err(cannot)?,
            closed: ctrl_close().map_err(cannot)?,
            shut_down: ctrl_shutdown().map_err(cannot)?,
        })
    }

    /// Waits until it is told to end.
    async fn end(&mut self) {
        tokio::select! {
            () = STOP.notified() => {}
            _ = self.interrupted.recv() => {}
            _ = self.broken.recv() => {}
            _ = self.closed.recv() => {}
            _ = self.shut_down.recv() => {}
        }
    }

    pub(super) async fn wait_for_the_end(
        &mut self,
        services: &Arc<Services>,
        tasks: &mut JoinSet<()>,
    ) -> Result<(), Failure> {
        loop {
            tokio::select! {
                () = self.end() => return Ok(()),
                // What is wrong with the new configuration has been logged.
                () = RELOAD.notified() => drop(reload::run(services).await),
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
            () = self.end() => "a second signal",
        };
        warn!(transfers = services.transfers.len(), by = cut, "transfers are cut short");
    }
}
