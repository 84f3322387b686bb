//! Signs of life, as long as every listener gives one. Cancelled by the services' shutdown token.

use std::sync::Arc;
use std::time::Duration;

use netbootd_server::services::Services;
use tracing::error;

/// Asks the listeners, and tells the manager when all of them have answered. When one is silent,
/// the manager hears nothing: systemd restarts the daemon.
pub async fn run(services: Arc<Services>, every: Duration) {
    let mut was_silent = Vec::new();
    loop {
        let silent = services.network.heartbeat.ask();
        if silent.is_empty() {
            super::alive();
        } else if silent != was_silent {
            error!(listeners = silent.join(", "), "does not move any more");
        }
        was_silent = silent;
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = services.lifecycle.shutdown.cancelled() => return,
        }
    }
}
