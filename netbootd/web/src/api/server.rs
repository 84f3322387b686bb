//! The server's own gifts and records: leases, the list of a deployment day, the copy of the
//! Configuration Manager site, and how many machines start boot programs of each generation of
//! Secure Boot authorities.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use netbootd_server::daemon::Daemon;
use netbootd_server::site;

use super::{ApiResponse, asked_for, json, problem};

/// Answers a request; None for a path that is another's.
pub(super) async fn answer(
    daemon: &Arc<Daemon>,
    method: &Method,
    parts: &[&str],
    query: Option<&str>,
) -> Option<ApiResponse> {
    Some(match (method.as_str(), parts) {
        ("GET", ["leases"]) => json(
            &serde_json::json!({ "pools": daemon.addresses.pools(), "leases": daemon.addresses.leases() }),
        ),
        ("GET", ["secure-boot"]) => json(&daemon.services.trust.counts()),
        ("GET", ["site"]) => json(&daemon.mirror.view()),
        ("GET", ["site", "readiness"]) => json(&site::readiness(&daemon.services)),
        ("GET", ["site", "networks"]) => json(&site::networks(&daemon.services)),
        ("GET", ["site", "duplicates"]) => json(&daemon.mirror.shared_identifiers()),
        ("POST", ["site", "accept"]) => match daemon.mirror.accept() {
            Some(held) => json(&held),
            None => problem(StatusCode::CONFLICT, "no removal of records is held back".to_owned()),
        },
        ("POST", ["site", "sweep"]) => {
            daemon.mirror.sweep_now();
            json(&())
        }
        ("GET", ["deployment-day"]) => json(&daemon.day.list()),
        ("PUT", ["deployment-day"]) => {
            // Left out as well as empty, it ends the day.
            let text = asked_for(query, "machines").unwrap_or_default();
            let asked = Arc::clone(daemon);
            match tokio::task::spawn_blocking(move || asked.day.set(&text)).await {
                Ok(Ok(list)) => json(&list),
                Ok(Err(error)) => problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
                Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
            }
        }
        _ => return None,
    })
}
