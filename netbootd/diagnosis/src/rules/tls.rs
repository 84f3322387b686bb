//! Handshakes of the HTTPS port that failed.

use super::specific;
use crate::case::Case;
use crate::cause::Cause;
use crate::finding::{Finding, Seen};

/// The machine left the handshake, and fetched nothing since.
pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    let boot = case.boot;
    let (at, failed) = boot.tls_failed.as_ref()?;
    let went_on = boot.fetched.iter().any(|file| file.at > *at)
        || boot.running.iter().any(|running| running.since > *at)
        || boot.missed.iter().any(|missed| missed.at > *at)
        || boot.probed.as_ref().is_some_and(|probed| probed.at > *at);
    if went_on {
        return None;
    }
    let cause = if failed.why.is_distrust() {
        Cause::CertificateNotTrusted
    } else if failed.why.is_incompatible() {
        Cause::NothingInCommon
    } else {
        return None;
    };
    let words = failed.detail.clone().map(Seen::TlsMessage);
    Some(Finding::new(cause, specific::PROVEN).with([Seen::Tls(*at, failed.why)]).with(words))
}
