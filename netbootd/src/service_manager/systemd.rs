//! Messages to systemd (sd_notify(3)), and the sockets that it hands over.

mod sockets;

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

/// Reports that the listeners stop.
pub fn stopping() {
    say(&[NotifyState::Stopping]);
}

/// The pause between two signs of life, when systemd waits for them: a question is answered before
/// the next one, or the sign is missing once.
pub fn sign_of_life_every() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|within| !within.is_zero()).map(|within| within / QUESTIONS)
}

/// Every listener is alive.
pub fn alive() {
    say(&[NotifyState::Watchdog]);
}

fn say(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "systemd could not be told");
    }
}

/// Questions to the listeners within the time that systemd waits.
const QUESTIONS: u32 = 4;
