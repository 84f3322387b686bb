//! The same boot again and again, and a system that is silent where others speak.

use std::time::Duration;

use super::specific;
use crate::boot::{Fetched, Phase};
use crate::case::Case;
use crate::cause::Cause;
use crate::file::FileKind;
use crate::finding::{Finding, Seen};

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    let boots = case.machine.lately(LOOP_WITHIN);
    let newest = boots.first()?;
    // Once it is sent to its disk, or speaks for itself, it is over.
    let decided = case.boot.offer.as_ref().is_some_and(|(_, decided)| !decided.decision.is_reply());
    if decided || case.boot.phase() == Phase::System && newest.started == case.boot.started {
        return None;
    }
    let file = boots.iter().find_map(|boot| boot.last_file.as_ref())?;
    let same = |other: &&crate::machine::Summary| {
        other.last_file.as_ref().is_some_and(|other| other.path == file.path)
            && other.phase >= Phase::BootProgram
    };
    // A boot in the middle of its files is not yet the same.
    let repeated: Vec<_> = boots.iter().filter(same).collect();
    let windows = file.kind == FileKind::Wim;
    let variables = windows && repeated.iter().filter(|boot| boot.variables).count() >= VARIABLES_TIMES;
    if repeated.len() < LOOP_TIMES && !variables {
        return None;
    }
    let first = repeated.last()?;
    let within = newest.ended.duration_since(first.started).unwrap_or_default();
    let cause = match windows {
        _ if variables => Cause::NoManagementPoint,
        true => Cause::WinPeRestarts,
        false => Cause::BootLoop,
    };
    let seen = [Seen::Repeated(repeated.len(), within), Seen::fetched(file)];
    Some(Finding::new(cause, specific::REPEATED).about(&*file.path).with(seen))
}

pub(super) fn silent_system(case: &Case<'_>) -> Option<Finding> {
    let boot = case.boot;
    let file = boot.last_file().filter(|file| file.kind.rank() >= 5 && file.at == boot.last)?;
    if boot.system.is_some() || case.since(file.at) < case.patience.scale(SYSTEM) {
        return None;
    }
    // A system with a fixed address asks nobody for one.
    let is_fixed = boot.has_fixed_address() || case.fleet.runs_silently(&file.path, case.mac);
    if is_fixed || !case.fleet.system_speaks_after(&file.path) {
        return None;
    }
    let seen = [Seen::fetched(file), Seen::Silent(case.silence())];
    let cause = if file.kind == FileKind::Wim { Cause::WinPeSilent } else { Cause::SystemSilent };
    Some(Finding::new(cause, specific::SLOW).about(&*file.path).with(seen))
}

/// A script that chains itself, or two that chain each other.
pub(super) fn script_loop(case: &Case<'_>) -> Option<Finding> {
    let boot = case.boot;
    let last = boot.last_file().filter(|file| file.kind == FileKind::Configuration)?;
    let recent = |file: &&Fetched| last.at.duration_since(file.at).is_ok_and(|ago| ago <= SCRIPTS_WITHIN);
    let recent: Vec<_> = boot.fetched.iter().filter(recent).collect();
    let times = recent.iter().filter(|file| file.path == last.path).count();
    if times < SCRIPT_TIMES || recent.iter().any(|file| file.kind.rank() > last.kind.rank()) {
        return None;
    }
    let seen = [Seen::Loads(times, SCRIPTS_WITHIN), Seen::fetched(last)];
    Some(Finding::new(Cause::ScriptLoop, specific::PROVEN).about(&*last.path).with(seen))
}

/// Nothing follows a file that other boots, or earlier ones of the same machine, went on from at
/// once.
pub(super) fn stopped(case: &Case<'_>) -> Option<Finding> {
    let boot = case.boot;
    let file = boot.last_file().filter(|file| file.at == boot.last && boot.running.is_empty())?;
    let next = case.fleet.next_after(&file.path, case.mac)?;
    let next_kind = FileKind::from_path(&next.path);
    // Boot programs fetch these one after the other; what a menu or a system does next is its own
    // affair.
    let at_once = match file.kind {
        FileKind::Kernel => {
            // iPXE may fetch them in either order.
            let has_one = boot.fetched.iter().any(|file| file.kind == FileKind::Initrd);
            next_kind == FileKind::Initrd && !has_one
        }
        _ => boot.mac.is_some(),
    };
    let silent = case.restarted.is_some() || case.since(file.at) >= case.patience.scale(AT_ONCE);
    if !at_once || !silent || (next.others == 0 && !next.before) || boot.system.is_some() {
        return None;
    }
    let seen = [
        Seen::fetched(file),
        Seen::WentOnWith(next.path.to_string(), next.others, next.before),
        Seen::Silent(case.silence()),
    ];
    let header = file.program.as_ref().filter(|program| program.is_pe);
    let header = header.map(|program| Seen::Header(program.arch, program.signed));
    let finding = Finding::new(Cause::StoppedAfter, specific::PROGRAM - 5).about(&*file.path);
    Some(finding.with(seen).with(header))
}

/// A boot program asks for the next of its files within this time.
const AT_ONCE: Duration = Duration::from_secs(30);
/// No one walks through menus as fast as that.
const SCRIPT_TIMES: usize = 10;
const SCRIPTS_WITHIN: Duration = Duration::from_secs(30);
const LOOP_WITHIN: Duration = Duration::from_secs(15 * 60);
const LOOP_TIMES: usize = 3;
/// The variables file is one machine's and one boot's: a second one says that the first boot came
/// to nothing.
const VARIABLES_TIMES: usize = 2;
/// A kernel finds its card and asks for an address within this time.
const SYSTEM: Duration = Duration::from_secs(90);
