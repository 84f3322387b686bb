//! Files that were asked for and not given.

use std::time::{Duration, SystemTime};

use super::specific;
use crate::boot::{Missed, Substituted};
use crate::case::Case;
use crate::cause::Cause;
use crate::file::FileKind;
use crate::finding::{Addition, Finding, Seen};
use crate::shim;
use crate::step::{OtherServer, Proto, Refusal, Substitution};

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    let boot = case.boot;
    if boot.is_through() && !boot.missed.iter().any(|missed| is_vital(case, missed)) {
        return None;
    }
    let last = boot.missed.iter().rev().find(|missed| counts(case, missed))?;
    let missed = first_of_search(case, last);
    let finding = of_name(case, missed).or_else(|| of_refusal(missed))?;
    let searched = boot.missed.len() > 1 && missed.kind == FileKind::Configuration || missed.at < last.at;
    let others = boot.missed.iter().rev().filter(|other| other.at != missed.at && other.at <= last.at);
    let search = others.take(if searched { SHOWN } else { 0 }).map(Seen::missed);
    let before = boot.fetched.iter().rev().find(|file| file.at <= missed.at).map(Seen::fetched);
    let line = boot.seen_line(&missed.path);
    Some(finding.with(before).with(search).with(line).with([Seen::missed(missed)]))
}

/// PXELINUX looks for a library in one folder after the other: the first one is where its loader
/// is.
fn first_of_search<'a>(case: &Case<'a>, last: &'a Missed) -> &'a Missed {
    fn name(missed: &Missed) -> &str {
        missed.path.rsplit(['/', '\\']).next().unwrap_or_default()
    }
    let of_search = |missed: &&Missed| {
        missed.kind == FileKind::Module && missed.refusal == last.refusal && name(missed) == name(last)
    };
    case.boot.missed.iter().find(of_search).unwrap_or(last)
}

/// Whether nothing better came after it, and nothing is to be expected any more.
fn counts(case: &Case<'_>, missed: &Missed) -> bool {
    let boot = case.boot;
    // The script ends at it, whatever kind of file its name says.
    if missed.refusal == Refusal::NotForMachine {
        return boot.fetched.iter().all(|file| file.at <= missed.at) && boot.running.is_empty();
    }
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
    let patience = match (needs(missed), is_another_initrd(case, missed)) {
        (_, true) => case.patience.scale(EXTRA),
        (true, false) => case.patience.scale(LOOKS_ELSEWHERE),
        (false, false) => case.patience.firmware,
    };
    proves_itself(case, missed)
        || case.restarted.is_some()
        || case.since(missed.at.max(boot.last)) >= patience
}

/// Without it there is no boot, even where the client goes on to something else.
fn is_vital(case: &Case<'_>, missed: &Missed) -> bool {
    let boot = case.boot;
    let kernel = boot.fetched.iter().rev().find(|file| file.kind == FileKind::Kernel && file.at <= missed.at);
    // Another entry of a menu: its own program or kernel, which may need no RAM disk.
    let another = |path: &str, kind: FileKind, bytes: u64| match kind {
        FileKind::Kernel => kernel.is_none_or(|kernel| *kernel.path != *path),
        FileKind::Other => bytes >= PROGRAM,
        kind => kind.is_program() || kind == missed.kind,
    };
    let replaced =
        boot.fetched.iter().any(|file| file.at > missed.at && another(&file.path, file.kind, file.bytes))
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

/// Whether nothing goes on without such a file, or another one in its place.
fn needs(missed: &Missed) -> bool {
    let kind = missed.kind;
    let by_kind = matches!(kind, FileKind::Kernel | FileKind::Initrd | FileKind::Wim | FileKind::Bcd);
    kind.is_program() || by_kind || FileKind::is_grubs_first_module(&missed.path)
}

/// A script may go on without a second RAM disk, such as one of firmware files.
fn is_another_initrd(case: &Case<'_>, missed: &Missed) -> bool {
    let fetched = &case.boot.fetched;
    let kernel = fetched.iter().rev().find(|file| file.kind == FileKind::Kernel && file.at <= missed.at);
    let since = kernel.map_or(case.boot.started, |kernel| kernel.at);
    missed.kind == FileKind::Initrd
        && fetched
            .iter()
            .any(|file| file.kind == FileKind::Initrd && file.at >= since && file.at <= missed.at)
}

fn proves_itself(case: &Case<'_>, missed: &Missed) -> bool {
    is_url(&missed.path) || names_nonsense(case, missed)
}

/// A request that this server answered with another file: told until the machine asks for something
/// else.
pub(super) fn substituted(case: &Case<'_>) -> Option<Finding> {
    let boot = case.boot;
    let Substituted { at, served, substitute } = boot.substituted.as_ref()?;
    let cause = match substitute.why {
        Substitution::BootEntryName => Cause::ShimSecondStage,
        Substitution::OwnUrl => Cause::UrlOverTftp,
        Substitution::SharedFolder => return None,
    };
    let other = |path: &str, since: SystemTime| since > *at && path != &**served;
    let went_on = boot.fetched.iter().any(|file| other(&file.path, file.at))
        || boot.running.iter().any(|running| other(&running.path, running.since))
        || boot.missed.iter().any(|missed| missed.at > *at)
        || boot.system.is_some_and(|system| system > *at)
        || boot.offer.as_ref().is_some_and(|(offered, _)| offered > at);
    if went_on {
        return None;
    }
    let finding = Finding::new(cause, specific::MENDED).about(substitute.asked.as_str()).mended();
    let finding = match (cause == Cause::UrlOverTftp).then(|| rival(case)).flatten() {
        Some((at, other)) => finding.by(other.server).with([Seen::Other(*at, other.clone())]),
        None => finding,
    };
    Some(finding.with([Seen::Served(*at, served.to_string())]))
}

/// The started system misses its root file system, and fetched nothing since.
pub(super) fn root(case: &Case<'_>) -> Option<Finding> {
    let boot = case.boot;
    let missed =
        boot.missed.iter().rev().find(|missed| {
            missed.refusal == Refusal::NotFound && FileKind::is_root_file_system(&missed.path)
        })?;
    let later = |since: SystemTime| since > missed.at;
    let went_on = boot.fetched.iter().any(|file| later(file.at) && file.kind == FileKind::System)
        || boot.running.iter().any(|running| later(running.since));
    let has_kernel = boot.fetched.iter().any(|file| file.kind == FileKind::Kernel);
    let silent = case.restarted.is_some() || case.since(boot.last) >= case.patience.firmware;
    if went_on || !has_kernel || !silent {
        return None;
    }
    let before = boot.fetched.iter().rev().find(|file| file.at <= missed.at).map(Seen::fetched);
    let finding = Finding::new(Cause::RootMissing, specific::REFUSED).about(missed.path.as_str());
    Some(finding.with(before).with([Seen::missed(missed)]))
}

/// Another server that named a boot file.
fn rival<'a>(case: &Case<'a>) -> Option<&'a (SystemTime, OtherServer)> {
    case.boot.others.iter().find(|(_, other)| other.boot_file.is_some())
}

/// The other server that named this very file, where this one names another.
fn named_elsewhere<'a>(case: &Case<'a>, path: &str) -> Option<&'a (SystemTime, OtherServer)> {
    let plain = |path: &str| path.replace('\\', "/").trim_start_matches('/').to_ascii_lowercase();
    let (cut, path) = (path.len() >= SHOWN_LENGTH, plain(path));
    let same = |file: &Option<String>| {
        let file = file.as_deref().map(plain);
        file.is_some_and(|file| file == path || cut && file.starts_with(&path))
    };
    let ours = case.boot.offer.iter().chain(&case.boot.named);
    if ours.into_iter().any(|(_, decided)| same(&decided.boot_file)) {
        return None;
    }
    case.boot.others.iter().find(|(_, other)| same(&other.boot_file))
}

fn of_name(case: &Case<'_>, missed: &Missed) -> Option<Finding> {
    if missed.proto == Proto::Tftp && is_url(&missed.path) {
        let finding = Finding::new(Cause::UrlOverTftp, specific::PROVEN).about(missed.path.as_str());
        return Some(match rival(case) {
            Some((at, other)) => {
                let from = Addition::UrlFrom(other.server);
                finding.by(other.server).adding(from).with([Seen::Other(*at, other.clone())])
            }
            None => finding,
        });
    }
    if missed.refusal == Refusal::NotFound {
        if FileKind::is_grubs_first_module(&missed.path) {
            let folder = missed.path.rsplit_once(['/', '\\']).map_or("its folder", |(folder, _)| folder);
            return Some(Finding::new(Cause::GrubModulesMissing, specific::PROVEN).about(folder));
        }
        if missed.path.trim_matches(['/', '\\', ' ']).is_empty() {
            let seen = rival(case).or(case.boot.others.first());
            let seen = seen.map(|(at, other)| Seen::Other(*at, other.clone()));
            return Some(Finding::new(Cause::NoFileName, specific::REFUSED + 5).with(seen));
        }
        if let Some((at, other)) = named_elsewhere(case, &missed.path) {
            let finding = Finding::new(Cause::ForeignBootFile, specific::REFUSED + 5).by(other.server);
            return Some(finding.about(missed.path.as_str()).with([Seen::Other(*at, other.clone())]));
        }
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
        Refusal::NotForMachine => Cause::BootMediaRefused,
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
    ["http:", "https:", "tftp:"].iter().any(|scheme| path.starts_with(scheme))
}

/// A name that no boot tree has, asked for by a machine whose last program is shim (shim#649).
fn names_nonsense(case: &Case<'_>, missed: &Missed) -> bool {
    let last = case.boot.program().filter(|program| shim::may_be_shim(&program.path));
    last.is_some_and(|program| shim::is_recorded_boot_entry_name(&program.path, &missed.path))
}

/// No system fetches anything earlier than this after its last file of the boot.
const SYSTEM_STARTS: Duration = Duration::from_millis(1500);
const LOOKS_ELSEWHERE: Duration = Duration::from_millis(1500);
/// A boot without its second RAM disk goes on, or it has stopped by then.
const EXTRA: Duration = Duration::from_secs(30);
/// A file without a telling name that is a program of its own, such as a memory test, in bytes.
const PROGRAM: u64 = 100_000;
/// Longer names are cut where they are recorded.
const SHOWN_LENGTH: usize = 128;
/// Names of a search that are shown.
const SHOWN: usize = 3;
