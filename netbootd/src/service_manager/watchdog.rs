//! Signs of life, as long as every listener gives one. Cancelled by the services' shutdown token.

use std::sync::Arc;
use std::time::Duration;

use netbootd_server::services::Services;
use sd_notify::NotifyState;
use tracing::error;

/// Asks the listeners several times in what systemd waits, and passes on that all of them have answered. When one is silent, nothing is
/// passed on, and systemd restarts the daemon.
pub async fn run(services: Arc<Services>, within: Duration) {
    let mut was_silent = Vec::new();
    loop {
        let silent = services.network.heartbeat.ask();
        if silent.is_empty() {
            super::say(&[NotifyState::Watchdog]);
        } else if silent != was_silent {
            error!(listeners = silent.join(", "), "does not move any more");
        }
        was_silent = silent;
        tokio::select! {
            () = tokio::time::sleep(within / QUESTIONS) => {}
            () = services.lifecycle.shutdown.cancelled() => return,
        }
    }
}

/// A question is answered before the next one, or the sign is missing once.
const QUESTIONS: u32 = 4;
