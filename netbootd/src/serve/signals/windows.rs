//! The service control manager and the console: both end netbootd, the first also has it read its configuration again.

use std::io;

use tokio::signal::windows::{CtrlBreak, CtrlC, CtrlClose, CtrlShutdown};
use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};

use super::Told;
use crate::service_manager::{RELOAD, STOP};

/// What the console tells; the service control manager's words come by `systemd`.
pub(super) struct Source {
    interrupted: CtrlC,
    broken: CtrlBreak,
    closed: CtrlClose,
    shut_down: CtrlShutdown,
}

impl Source {
    pub(super) fn open() -> io::Result<Self> {
        Ok(Source {
            interrupted: ctrl_c()?,
            broken: ctrl_break()?,
            closed: ctrl_close()?,
            shut_down: ctrl_shutdown()?,
        })
    }

    /// The next that is told.
    pub(super) async fn next(&mut self) -> Told {
        tokio::select! {
            () = STOP.notified() => Told::End,
            () = RELOAD.notified() => Told::Reload,
            _ = self.interrupted.recv() => Told::End,
            _ = self.broken.recv() => Told::End,
            _ = self.closed.recv() => Told::End,
            _ = self.shut_down.recv() => Told::End,
        }
    }
}
