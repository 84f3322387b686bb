//! Steps that the machine itself reports as failed.

use super::specific;
use crate::case::Case;
use crate::cause::Cause;
use crate::finding::{Finding, Seen};
use crate::ipxe::ErrorKind;
use crate::report::{Report, Reporter};
use crate::step::Refusal;

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    let boot = case.boot;
    let (at, report) = boot.failed.as_ref()?;
    // A menu goes on after a failed entry, and a script may have a second way.
    let went_on = boot.fetched.iter().any(|file| file.at > *at && file.kind.rank() > 0);
    let cancelled = report.error.is_some_and(|error| error.kind() == ErrorKind::Cancelled);
    if went_on || cancelled || boot.system.is_some_and(|system| system > *at) {
        return None;
    }
    let reported = Seen::Reported(*at, Box::new(Report { facts: Default::default(), ..(**report).clone() }));
    let file = report.file.as_deref().or(report.step.as_deref()).unwrap_or("its last step");
    // A file of this server: its own words for it say where the file should be.
    let missed = boot.missed.iter().rev().find(|missed| {
        missed.refusal == Refusal::NotFound
            && report.file.as_deref().is_some_and(|url| names(url, &missed.path))
    });
    if let Some(missed) = missed {
        let finding = Finding::new(Cause::FileNotFound, specific::REPORTED).about(missed.path.as_str());
        let line = boot.seen_line(&missed.path);
        return Some(finding.with(line).with([Seen::missed(missed), reported]));
    }
    let line = boot.seen_line(file);
    Some(Finding::new(cause_of(report), specific::REPORTED).about(file).with(line).with([reported]))
}

fn cause_of(report: &Report) -> Cause {
    let kind = report.error.map(|error| error.kind());
    match kind {
        None if report.by == Reporter::System => Cause::SystemFailed,
        Some(ErrorKind::NotFound) => Cause::ScriptFileMissing,
        Some(ErrorKind::Unreachable | ErrorKind::Network) => Cause::ScriptServerAway,
        Some(ErrorKind::Name) => Cause::ScriptNameUnknown,
        Some(ErrorKind::Denied | ErrorKind::NotExecutable) => Cause::ScriptFileRefused,
        Some(ErrorKind::Certificate) => Cause::ScriptCertificate,
        Some(ErrorKind::Memory) => Cause::ScriptNoMemory,
        Some(ErrorKind::Cancelled | ErrorKind::Other) | None => Cause::ScriptFailed,
    }
}

/// Whether a URL leads to a path of the boot tree.
fn names(url: &str, path: &str) -> bool {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let of_url = match url.contains("://") {
        true => after_scheme.split_once('/').map_or("", |(_, path)| path),
        false => after_scheme,
    };
    let path = path.trim_start_matches('/');
    !path.is_empty() && of_url.trim_start_matches('/') == path
}
