//! How long the certificates are good that netbootd depends on: looked at now and then, told in the
//! log, the status and the metrics.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use netbootd_net::tls;
use netbootd_state::ledger::now;
use serde::Serialize;
use tracing::warn;

use crate::settings::Endpoint;

/// The certificates that servers showed last.
#[derive(Debug, Default)]
pub struct Certificates {
    seen: ArcSwap<Vec<Seen>>,
    /// Those of this server.
    own: ArcSwap<Vec<Seen>>,
}

/// The certificate that one server showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// The part that uses it: `configmgr`, `active-directory`, a server that the configuration
    /// names, or `boot-https` for this server's own.
    pub part: String,
    /// The server's name and port; of an own certificate its file; `boot media` or `PXE points` of a
    /// site.
    pub server: String,
    /// Whole days until it ends; None when no good one was shown.
    pub days: Option<i64>,
    /// Why no certificate was seen.
    pub trouble: Option<String>,
}

impl Seen {
    /// Whether an operator should do something about it.
    pub fn is_due(&self) -> bool {
        self.days.is_none_or(|days| days < WARN_DAYS)
    }

    fn warn(&self) {
        let (part, server, trouble) = (&self.part, &self.server, &self.trouble);
        warn!(part, server, days = self.days, trouble, "a certificate needs care");
    }
}

impl Certificates {
    /// The certificates seen last, this server's own first.
    pub fn seen(&self) -> Vec<Seen> {
        self.own.load().iter().chain(self.seen.load().iter()).cloned().collect()
    }

    /// Sets what this server shows others. The log tells once that one needs care.
    pub fn set_own(&self, own: Vec<Seen>) {
        let before = self.own.swap(Arc::new(own.clone()));
        let was_due = |seen: &Seen| before.iter().any(|known| known.server == seen.server && known.is_due());
        own.iter().filter(|seen| seen.is_due() && !was_due(seen)).for_each(Seen::warn);
    }

    /// Looks at every server once; `listed` are certificates that a site says of.
    pub async fn look(&self, servers: Vec<Endpoint>, listed: Vec<Seen>) {
        listed.iter().filter(|seen| seen.is_due()).for_each(Seen::warn);
        let mut all = listed;
        for server in servers {
            let seen = look_at(server).await;
            if seen.is_due() {
                seen.warn();
            }
            all.push(seen);
        }
        self.seen.store(Arc::new(all));
    }
}

async fn look_at(server: Endpoint) -> Seen {
    let Endpoint { part, host, port, ca } = server;
    let shown = tokio::time::timeout(PATIENCE, tls::handshake(&host, port, ca.as_deref())).await;
    let (days, trouble) = match shown {
        Ok(Ok(shown)) => (Some(days_left(shown.until)), None),
        Ok(Err(trouble)) => (None, Some(trouble.to_string())),
        Err(_) => (None, Some(format!("no TLS handshake within {} s", PATIENCE.as_secs()))),
    };
    Seen { part: part.to_owned(), server: format!("{host}:{port}"), days, trouble }
}

/// Whole days until a time, in seconds since 1970.
pub fn days_left(until: i64) -> i64 {
    (until - i64::try_from(now()).unwrap_or(i64::MAX)).div_euclid(86_400)
}

/// Certificates are spoken of this many days ahead.
pub const WARN_DAYS: i64 = 30;
/// How often they are looked at.
pub const EVERY: Duration = Duration::from_secs(6 * 3600);
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_within_a_month_or_is_no_good_needs_care() {
        let seen = |days| Seen { part: "site".into(), server: "mp01:443".into(), days, trouble: None };
        assert!(seen(None).is_due() && seen(Some(-1)).is_due() && seen(Some(29)).is_due());
        assert!(!seen(Some(30)).is_due());
    }
}
