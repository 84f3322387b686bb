//! The certificates of the HTTPS port: whether each can be shown, and for how long.

use netbootd_config::Config;
use netbootd_directory::certificates::{WARN_DAYS, days_left};
use netbootd_net::server_tls::Pair;
use netbootd_net::with_causes;

use super::Check;

/// One check for each certificate; none without HTTPS.
pub(super) fn checks(config: &Config) -> Vec<Check> {
    let certificates = config.https.iter().flat_map(|https| &https.certificates);
    certificates
        .map(|files| {
            let (seen, cure) = match Pair::load(files) {
                Ok(pair) => {
                    let days = days_left(pair.until);
                    let cure = (days < WARN_DAYS).then_some("renew it; no restart is needed");
                    (
                        format!("{}: {days} days left, for {}", files.chain.display(), pair.names.join(", ")),
                        cure,
                    )
                }
                Err(error) => (with_causes(&error), Some("see docs/https.md")),
            };
            Check { part: "https".into(), link: "certificate", passed: cure.is_none(), seen, cure }
        })
        .collect()
}
