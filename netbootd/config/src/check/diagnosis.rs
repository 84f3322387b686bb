//! How patient the diagnosis is.

use std::time::Duration;

use netbootd_diagnosis::Patience;

use super::super::finding::Finding;
use super::super::schema::Document;

pub(super) fn check(document: &Document, findings: &mut Vec<Finding>) -> Patience {
    let usual = Patience::default();
    let Some(written) = &document.diagnosis.patience else { return usual };
    let scale = *written.get_ref();
    if !RANGE.contains(&scale) {
        let message = format!("{scale} is not between {} and {}", RANGE.start(), RANGE.end());
        findings.push(Finding::error(written.span(), message).help("1.0 is the default"));
        return usual;
    }
    let firmware = usual.firmware.mul_f64(scale).max(Duration::from_millis(100));
    Patience { firmware, scale }
}

/// From laboratories without hardware to machines behind satellite links.
const RANGE: std::ops::RangeInclusive<f64> = 0.01..=100.0;
