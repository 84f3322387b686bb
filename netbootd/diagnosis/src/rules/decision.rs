//! The decision itself: nothing was offered, and why.

use pxe_policy::{Evidence, Reason, TroubleKind};

use super::files::is_in_smsboot;
use super::specific;
use crate::case::Case;
use crate::cause::Cause;
use crate::finding::{Addition, Finding, Seen};
use crate::step::{Answered, Decided, Proto};

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    let boot = case.boot;
    let offer = boot.offer.as_ref().map(|(at, decided)| (*at, decided));
    let named = boot.named.as_ref().map(|(at, decided)| (*at, decided));
    let (at, decided) = offer.into_iter().chain(named).max_by_key(|(at, _)| *at)?;
    // A lease without a boot file is an address and nothing more: what counts is why there is no
    // boot file. Some clients, U-Boot for one, then look for files of their own.
    let asks = boot.missed.iter().any(|missed| missed.at >= at)
        || boot.running.iter().any(|running| running.since >= at);
    if is_lease_alone(decided) && boot.fetched.iter().all(|file| file.at < at) {
        return (case.is_silent() && !asks).then(|| of_decision(decided)).flatten();
    }
    let is_over = decided.decision.is_reply()
        || decided.decision == Answered::Nak
        || boot.fetched.iter().any(|file| file.at > at);
    if is_over {
        return None;
    }
    if decided.decision == Answered::SendFailed {
        let error = decided.detail.clone().map(Seen::Error);
        let finding = Finding::new(Cause::SendFailed, specific::PROVEN).with(error);
        return Some(match decided.detail.clone() {
            Some(error) => finding.adding(Addition::SendError(error)),
            None => finding,
        });
    }
    of_decision(decided)
}

/// Whether a boot client was given an address, and no boot file for a reason that keeps it from
/// booting.
fn is_lease_alone(decided: &Decided) -> bool {
    let boots = matches!(
        decided.reason,
        Reason::Lease
            | Reason::Rule
            | Reason::BootNext
            | Reason::Assigned
            | Reason::Menu
            | Reason::Record
            | Reason::Required
            | Reason::Available
    );
    let given = matches!(decided.proto, Proto::Dhcp | Proto::Dhcp6) && decided.decision.is_reply();
    given && decided.boot_file.is_none() && !boots
}

fn of_decision(decided: &Decided) -> Option<Finding> {
    let cause = Cause::Decision(decided.reason);
    let has = |fits: fn(&Evidence) -> bool| decided.evidence.iter().any(fits);
    let special = if decided.reason == Reason::NoBootFile && is_of_smsboot(decided) {
        Some(Cause::SmsBootMissing)
    } else if let Some(kind) = directory_trouble(decided) {
        Some(Cause::Directory(kind))
    } else if has(|evidence| matches!(evidence, Evidence::LeftoverUnknown { .. })) {
        Some(Cause::LeftoverUnknown)
    } else if !cause.is_loud() {
        None
    } else if has(|evidence| matches!(evidence, Evidence::Conflict { .. })) {
        Some(Cause::DuplicateIdentity)
    } else if has(|evidence| matches!(evidence, Evidence::GuidBanned { .. })) {
        Some(Cause::BannedGuid)
    } else if decided.uuid.is_some_and(pxe_policy::SystemUuid::is_placeholder) {
        Some(Cause::SharedGuid)
    } else {
        None
    };
    let seen: Vec<Seen> = match decided.evidence.is_empty() {
        true => decided.detail.iter().cloned().map(Seen::Error).collect(),
        false => decided.evidence.iter().cloned().map(Seen::Decision).collect(),
    };
    match special {
        Some(special) if special != cause => {
            let reason = cause.is_loud().then_some(Seen::Decided(cause));
            Some(Finding::new(special, specific::PROVEN).with(seen).with(reason))
        }
        _ => cause.is_loud().then(|| Finding::new(cause, specific::REFUSED).with(seen)),
    }
}

/// Whether a boot file that is not there is one of the distribution point's SMSBoot folder.
fn is_of_smsboot(decided: &Decided) -> bool {
    decided.evidence.iter().any(|evidence| match evidence {
        Evidence::FilesMissing { files, .. } => files.iter().any(|file| is_in_smsboot(file)),
        _ => false,
    })
}

/// The trouble of the directory that decided by its silence.
fn directory_trouble(decided: &Decided) -> Option<TroubleKind> {
    if decided.reason != Reason::DirectoryDown {
        return None;
    }
    decided.evidence.iter().find_map(|evidence| match evidence {
        Evidence::NoAnswer { trouble, .. } => Some(trouble.kind),
        _ => None,
    })
}
