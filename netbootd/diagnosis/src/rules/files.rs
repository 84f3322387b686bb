//! Files that were asked for and not given.

use std::time::Duration;

use super::specific;
use crate::boot::Missed;
use crate::cause::Cause;
use crate::diagnosis::Case;
use crate::file::FileKind;
use crate::finding::{Finding, Seen};
use crate::step::{Proto, Refusal};

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    let boot = case.boot;
    if boot.is_through() && !boot.missed.iter().any(|missed| is_vital(case, missed)) {
        return None;
    }
    let missed = boot.missed.iter().rev().find(|missed| counts(case, missed))?;
    let finding = of_name(case, missed).or_else(|| of_refusal(missed))?;
    let searched = boot.missed.len() > 1 && missed.kind == FileKind::Configuration;
    let search = boot.missed.iter().rev().skip(1).take(if searched { SHOWN } else { 0 }).map(Seen::missed);
    let before = boot.fetched.iter().rev().find(|file| file.at <= missed.at).map(Seen::fetched);
    Some(finding.with(before).with(search).with([Seen::missed(missed)]))
}

/// Whether nothing better came after it, and nothing is to be expected any more.
fn counts(case: &Case<'_>, missed: &Missed) -> bool {
    let boot = case.boot;
    let is_search = missed.kind == FileKind::Configuration && missed.path.contains("pxelinux.cfg");
    if missed.kind.is_optional(&missed.path) && !is_search && !names_nonsense(case, missed) {
        return false;
    }
    let after = |at| at > missed.at;
    let went_on = boot.running.iter().any(|running| after(running.since))
        || boot
            .fetched
            .iter()
            .any(|file| after(file.at) && (file.kind.rank() > 0 || !is_vital(case, missed)));
    if went_on && !is_vital(case, missed) {
        return false;
    }
    // A packet proves these; the others are proved by silence. A program that needs a file looks
    // for no other one for long.
    let patience =
        if needs(missed.kind) { case.patience.of(LOOKS_ELSEWHERE) } else { case.patience.firmware };
    proves_itself(case, missed)
        || case.restarted.is_some()
        || case.since(missed.at.max(boot.last)) >= patience
}

/// Without it there is no boot, even where the client goes on to something else.
fn is_vital(case: &Case<'_>, missed: &Missed) -> bool {
    let boot = case.boot;
    let replaced = boot.fetched.iter().any(|file| file.kind == missed.kind && file.at > missed.at)
        || boot.running.iter().any(|file| file.kind == missed.kind && file.since > missed.at);
    // A boot program asks for its next file as soon as it has one; a system takes seconds to start,
    // and its files are its own.
    let before = boot.fetched.iter().rev().find(|file| file.at <= missed.at);
    let of_system = before.is_some_and(|file| {
        file.kind.rank() > FileKind::Kernel.rank()
            && missed.at.duration_since(file.at).is_ok_and(|since| since >= SYSTEM_STARTS)
    });
    matches!(missed.kind, FileKind::Kernel | FileKind::Initrd | FileKind::Wim)
        && !replaced
        && !of_system
        && boot.system.is_none()
}

/// Whether nothing goes on without a file of this kind, or another one in its place.
fn needs(kind: FileKind) -> bool {
    kind.is_program() || matches!(kind, FileKind::Kernel | FileKind::Initrd | FileKind::Wim | FileKind::Bcd)
}

fn proves_itself(case: &Case<'_>, missed: &Missed) -> bool {
    is_url(&missed.path) || names_nonsense(case, missed)
}

fn of_name(case: &Case<'_>, missed: &Missed) -> Option<Finding> {
    if missed.proto == Proto::Tftp && is_url(&missed.path) {
        let rival = case.boot.others.iter().find(|(_, other)| other.boot_file.is_some());
        let mut finding = Finding::new(Cause::UrlOverTftp, specific::PROVEN).about(missed.path.as_str());
        if let Some((at, other)) = rival {
            finding = finding.by(other.server).with([Seen::Other(*at, other.clone())]);
        }
        return Some(finding);
    }
    names_nonsense(case, missed)
        .then(|| Finding::new(Cause::ShimSecondStage, specific::PROVEN).about(missed.path.as_str()))
}

fn of_refusal(missed: &Missed) -> Option<Finding> {
    let cause = match missed.refusal {
        Refusal::ImageComing => Cause::ImageComing,
        Refusal::ImageRefused => Cause::ImageRefused,
        Refusal::NotFound if is_in_smsboot(&missed.path) => Cause::SmsBootMissing,
        Refusal::NotFound => Cause::FileNotFound,
        Refusal::AccessDenied => Cause::AccessDenied,
        Refusal::Busy => Cause::TooBusy,
        Refusal::Failed => Cause::ReadFailed,
        Refusal::NotAllowed
        | Refusal::TooOften
        | Refusal::ClientFull
        | Refusal::SubnetFull
        | Refusal::Unproved => Cause::Limited,
        Refusal::WriteRefused | Refusal::Malformed | Refusal::Stopping => return None,
    };
    Some(Finding::new(cause, specific::REFUSED).about(missed.path.as_str()))
}

/// Whether a path leads into the distribution point's SMSBoot folder.
pub(super) fn is_in_smsboot(path: &str) -> bool {
    path.split(['/', '\\']).any(|part| part.eq_ignore_ascii_case("smsboot"))
}

fn is_url(path: &str) -> bool {
    let path = path.trim_start_matches(['/', '\\']).to_ascii_lowercase();
    path.starts_with("http:") || path.starts_with("https:")
}

/// A name that no boot tree has, asked for by a machine whose last program is shim (shim#649).
fn names_nonsense(case: &Case<'_>, missed: &Missed) -> bool {
    let shim = case.boot.program().is_some_and(|program| program.kind == FileKind::Shim);
    let name = missed.path.rsplit(['/', '\\']).next().unwrap_or_default();
    let escaped = missed.path.contains("\\x") || missed.path.contains("\\u{");
    let plain = name.contains('.') && !name.contains(['?', '*', '<', '>', '|']);
    shim && missed.kind == FileKind::Other && (escaped || !plain)
}

/// No system fetches anything earlier than this after its last file of the boot.
const SYSTEM_STARTS: Duration = Duration::from_millis(1500);
const LOOKS_ELSEWHERE: Duration = Duration::from_millis(1500);
/// Names of a search that are shown.
const SHOWN: usize = 3;
