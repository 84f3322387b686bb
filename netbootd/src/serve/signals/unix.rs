//! Signals (signal(7)): SIGTERM and SIGINT end, SIGHUP reads the configuration again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Request;

/// The signals that mean something.
pub(super) struct Source {
    terminated: Signal,
    interrupted: Signal,
    hung_up: Signal,
}

impl Source {
    pub(super) fn open() -> io::Result<Self> {
        Ok(Source {
            terminated: signal(SignalKind::terminate())?,
            interrupted: signal(SignalKind::interrupt())?,
            hung_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next request by a signal.
    pub(super) async fn next(&mut self) -> Request {
        tokio::select! {
            _ = self.terminated.recv() => Request::End,
            _ = self.interrupted.recv() => Request::End,
            _ = self.hung_up.recv() => Request::Reload,
        }
    }
}
