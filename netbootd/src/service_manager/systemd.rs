//! What netbootd and systemd say to each other: ready, reloading, stopping, alive; and the sockets that systemd hands over.
//!
//! Where no systemd listens, every word goes nowhere, and there are no sockets.

mod sockets;
pub mod watchdog;

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::debug;

pub use sockets::{SocketError, Sockets};

/// Everything is bound and served; with a line for `systemctl status`.
pub fn ready(status: &str) {
    // The line is one line.
    let status: String = status.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    say(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// The configuration is being read again; [`ready`] ends that.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => say(&[NotifyState::Reloading, now]),
        Err(error) => debug!(%error, "no clock to tell systemd the time by"),
    }
}

/// The listeners are told to end.
pub fn stopping() {
    say(&[NotifyState::Stopping]);
}

/// How long systemd waits for a sign of life, when it does.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|within| !within.is_zero())
}

fn say(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "systemd could not be told");
    }
}
