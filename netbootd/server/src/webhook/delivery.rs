//! Delivering one message: tries with back-off and jitter until the receiver takes it, refuses it
//! for good, or the last try failed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use netbootd_config::Webhook;
use netbootd_net::tls::TlsError;
use netbootd_net::{tls, with_causes};
use reqwest::{StatusCode, header};
use thiserror::Error;
use tracing::{debug, warn};

use super::signature::sign;
use crate::findings::Change;

/// The way to one receiver.
pub(super) struct Delivery {
    http: reqwest::Client,
    webhook: Webhook,
}

/// Why nothing can be sent to a receiver.
#[derive(Debug, Error)]
pub(super) enum Unusable {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("cannot make an HTTP client")]
    Client(#[from] reqwest::Error),
}

/// How one try ended.
enum Tried {
    Delivered,
    /// The delivery failed, and is worth another try.
    Failed(String),
    /// The receiver will not take it.
    Refused(StatusCode),
}

impl Delivery {
    /// Nothing is sent yet.
    pub(super) fn open(webhook: &Webhook) -> Result<Self, Unusable> {
        let http = reqwest::Client::builder()
            .use_preconfigured_tls(tls::client_config(webhook.ca.as_deref())?)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(PATIENCE)
            .timeout(PATIENCE)
            .pool_max_idle_per_host(1)
            .user_agent(concat!("netbootd/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Delivery { http, webhook: webhook.clone() })
    }

    /// Whether the receiver took the message in the end.
    pub(super) async fn deliver(&self, change: &Change) -> bool {
        let Ok(body) = serde_json::to_vec(change) else { return false };
        let mut tries = 0;
        loop {
            let why = match self.send(body.clone()).await {
                Tried::Delivered => return true,
                Tried::Refused(status) => {
                    warn!(url = self.webhook.url, %status, "the webhook's receiver refuses a message");
                    return false;
                }
                Tried::Failed(why) => why,
            };
            tries += 1;
            if tries >= TRIES {
                warn!(url = self.webhook.url, error = why, tries, "a message to the webhook is given up");
                return false;
            }
            let pause = pause(tries, fastrand::f64());
            debug!(url = self.webhook.url, error = why, ?pause, "a message to the webhook waits");
            tokio::time::sleep(pause).await;
        }
    }

    async fn send(&self, body: Vec<u8>) -> Tried {
        // Of each try: receivers refuse what is signed too long ago.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut request = self
            .http
            .post(&self.webhook.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(TIMESTAMP, now);
        let secret = self.webhook.secret.as_ref();
        if let Some(signature) = secret.and_then(|secret| sign(secret.reveal().as_bytes(), now, &body)) {
            request = request.header(SIGNATURE, signature);
        }
        match request.body(body).send().await {
            Ok(response) if response.status().is_success() => Tried::Delivered,
            Ok(response) => match response.status() {
                status if is_passing(status) => Tried::Failed(status.to_string()),
                status => Tried::Refused(status),
            },
            // Its address may hold a key of the receiver's: the configuration shows it, an error
            // need not.
            Err(error) => Tried::Failed(with_causes(&error.without_url())),
        }
    }
}

/// Whether the same message may be taken later (RFC 9110 §15).
fn is_passing(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        )
}

/// One second, doubled with each try up to five minutes; of that, between a half and all of it.
fn pause(tries: u32, random: f64) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1 << (tries - 1).min(16)).min(LONGEST_PAUSE);
    whole.mul_f64(0.5 + random / 2.0)
}

const TIMESTAMP: &str = "X-Netbootd-Timestamp";
const SIGNATURE: &str = "X-Netbootd-Signature";
const PATIENCE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// About twenty minutes in all.
const TRIES: u32 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_are_spread() {
        let longest: Vec<u64> =
            (1..=12).map(|tries| pause(tries, 0.999).as_secs_f64().ceil() as u64).collect();
        assert_eq!(longest, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(pause(3, 0.0), Duration::from_secs(2));
        assert!(pause(u32::MAX, 0.999) <= LONGEST_PAUSE);
        assert!(is_passing(StatusCode::SERVICE_UNAVAILABLE) && !is_passing(StatusCode::UNAUTHORIZED));
    }
}
