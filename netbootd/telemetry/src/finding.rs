//! A finding and an expectation as text, for the API, the page and the terminal.

use std::time::SystemTime;

use netbootd_diagnosis::{Expectation, Finding, Past, Severity};
use serde::Serialize;

use crate::view::rfc3339;

/// A fault and its remedy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindingView {
    /// The cause, as the documentation names it.
    pub cause: &'static str,
    /// How bad it is: `error`, `warning`, `notice`.
    pub severity: Severity,
    /// The headline, one sentence.
    pub headline: String,
    /// The observations, in order.
    pub evidence: Vec<String>,
    /// The remedy for an administrator.
    pub cure: String,
    /// The codes that firmware may show on its screen meanwhile.
    pub codes: &'static [&'static str],
}

/// The next step of a boot.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExpectedView {
    /// The step in words, with the usual time where it is known.
    pub what: String,
    /// Since how many seconds it is awaited.
    pub waited: f64,
    /// Whether it should have come.
    pub overdue: bool,
}

/// A finding that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PastView {
    /// When the boot began that had it (RFC 3339).
    boot: String,
    /// When the machine went on (RFC 3339).
    ended: String,
    #[serde(flatten)]
    finding: FindingView,
}

impl PastView {
    /// The words of a finding that is over.
    pub fn new(past: &Past) -> Self {
        PastView {
            boot: rfc3339(past.boot),
            ended: rfc3339(past.ended),
            finding: FindingView::new(&past.finding),
        }
    }
}

impl FindingView {
    /// The words of a finding.
    pub fn new(finding: &Finding) -> Self {
        FindingView {
            cause: finding.cause.as_str(),
            severity: finding.severity(),
            headline: finding.headline(),
            evidence: finding.seen.iter().map(ToString::to_string).collect(),
            cure: finding.cure(),
            codes: finding.cause.codes(),
        }
    }
}

impl ExpectedView {
    /// The words of an expectation at a time.
    pub fn new(expected: &Expectation, now: SystemTime) -> Self {
        ExpectedView {
            what: expected.to_string(),
            waited: now.duration_since(expected.since).unwrap_or_default().as_secs_f64(),
            overdue: expected.is_overdue(now),
        }
    }
}
