//! The service control manager and the console: both end netbootd, the first also reloads its
//! configuration.

use std::io;

use tokio::signal::windows::{CtrlBreak, CtrlC, CtrlClose, CtrlShutdown};
use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};

use super::Request;
use crate::service_manager::{RELOAD, STOP};

/// The events of the console.
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

    /// Waits for the next request of the console.
    pub(super) async fn next(&mut self) -> Request {
        tokio::select! {
            () = STOP.notified() => Request::End,
            () = RELOAD.notified() => Request::Reload,
            _ = self.interrupted.recv() => Request::End,
            _ = self.broken.recv() => Request::End,
            _ = self.closed.recv() => Request::End,
            _ = self.shut_down.recv() => Request::End,
        }
    }
}
