//! What is wrong with a machine's last boot: from its steps to a cause, the evidence for it, and what to do.
//!
//! Pure: the steps and the time come in, a finding or none goes out. The same causes are the headings of docs/troubleshooting.md.

mod cause;
mod expected;
#[cfg(test)]
pub(crate) mod testing;

use std::time::{Duration, SystemTime};

use pxe_policy::{Reason, TroubleKind};
use serde::Serialize;

use crate::event::{
    Answered, Decided, Event, FileRefused, MacAnswered, Proto, Recorded, Refusal, TransferFinished,
    TransferOutcome,
};
use crate::timeline::Timeline;
pub use cause::Cause;
pub use expected::expected;

/// What is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The cause, as it is called in the documentation.
    pub cause: &'static str,
    /// What it means.
    pub headline: &'static str,
    /// What was seen.
    pub evidence: Vec<String>,
    /// What an operator does about it.
    pub cure: &'static str,
    /// What firmware may show on its screen meanwhile.
    pub codes: &'static [&'static str],
}

/// What other machines do, for comparison.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Fleet {
    /// The median rate of large transfers that completed, in bytes a second.
    pub rate: Option<f64>,
}

/// What is wrong with the last boot, if anything is.
pub fn diagnose(timeline: &Timeline, fleet: Fleet, now: SystemTime) -> Option<Finding> {
    let all: Vec<&Recorded> = timeline.steps.iter().map(AsRef::as_ref).collect();
    // What others offer is no step of the machine.
    let (others, steps): (Vec<&Recorded>, Vec<&Recorded>) =
        all.into_iter().partition(|step| matches!(step.event, Event::OtherOffered(_)));
    let last = steps.last()?;
    let silent = now.duration_since(last.at).unwrap_or_default();
    if let Some(found) = loops(&steps) {
        return Some(found);
    }
    match &last.event {
        Event::TransferFinished(finished) => of_transfer(finished, &steps, fleet),
        Event::FileRefused(refused) if silent >= MOVES_ON => of_refusal(refused),
        Event::Decided(decided) => of_decision(decided, silent, Around { steps: &steps, others: &others }),
        Event::MacAnswered(answered) => of_mac(answered),
        _ => None,
    }
}

/// What else is known of a machine that was decided on.
#[derive(Debug, Clone, Copy)]
struct Around<'a> {
    steps: &'a [&'a Recorded],
    others: &'a [&'a Recorded],
}

impl Around<'_> {
    /// The cause of a silence, unless another server's offer explains it.
    fn silence(self, cause: Cause, mut evidence: Vec<String>) -> Finding {
        let Some(last) = self.steps.last() else { return cause.with(evidence) };
        let is_old = |step: &Recorded| last.at.duration_since(step.at).is_ok_and(|ago| ago > ONE_BOOT);
        let mut rivals: Vec<String> = Vec::new();
        for step in self.others.iter().filter(|step| !is_old(step)) {
            if let Event::OtherOffered(offer) = &step.event
                && !rivals.contains(&offer.words())
            {
                rivals.push(offer.words());
            }
        }
        if rivals.is_empty() {
            return cause.with(evidence);
        }
        rivals.append(&mut evidence);
        Cause::AnotherServer.with(rivals)
    }

    /// Whether a broadcast of the machine ever came here.
    fn was_heard(self) -> bool {
        self.steps.iter().any(|step| {
            matches!(&step.event, Event::Decided(decided) if matches!(decided.proto, Proto::Proxy | Proto::Dhcp | Proto::Dhcp6))
        })
    }
}

/// The file that a machine then had.
fn completed(step: &Recorded) -> Option<&str> {
    match &step.event {
        Event::TransferFinished(finished) if finished.outcome == TransferOutcome::Completed => {
            Some(&finished.path)
        }
        _ => None,
    }
}

/// The same boot over and over.
fn loops(steps: &[&Recorded]) -> Option<Finding> {
    let last = steps.last()?.at;
    let recent: Vec<&Recorded> = steps
        .iter()
        .copied()
        .filter(|step| last.duration_since(step.at).is_ok_and(|ago| ago < LOOP_WITHIN))
        .collect();
    let files: Vec<&str> = recent.iter().copied().filter_map(completed).collect();
    let file = files.last()?;
    let alone = files.iter().all(|path| path == file);
    let times = boots_of(file, &recent);
    if times < LOOP_TIMES {
        return None;
    }
    let evidence =
        vec![format!("{file} was fetched {times} times in {} minutes", LOOP_WITHIN.as_secs() / 60)];
    let program = file.to_ascii_lowercase().ends_with(".efi");
    Some(if alone && program { Cause::ProgramRefused.with(evidence) } else { Cause::BootLoop.with(evidence) })
}

/// In how many boots a file was fetched. A boot may fetch it several times.
fn boots_of(file: &str, steps: &[&Recorded]) -> usize {
    let mut boots = 0;
    let mut has_started = false;
    for step in steps {
        if is_start(&step.event) {
            has_started = true;
        } else if has_started && completed(step) == Some(file) {
            boots += 1;
            has_started = false;
        }
    }
    boots
}

/// A machine that has just been switched on speaks first by DHCP: to port 67, to port 4011 where another server holds port 67, or by BSDP.
fn is_start(event: &Event) -> bool {
    match event {
        Event::Decided(decided) => match decided.decision {
            Answered::Offer => true,
            Answered::Ack => decided.proto == Proto::Pxe,
            _ => false,
        },
        Event::MacAnswered(answered) => matches!(answered.decision, Answered::Offer | Answered::Ack),
        _ => false,
    }
}

fn of_transfer(finished: &TransferFinished, steps: &[&Recorded], fleet: Fleet) -> Option<Finding> {
    let seen = format!("{}: {} after {} bytes", finished.path, finished.outcome.name(), finished.bytes);
    let negotiated = steps.iter().rev().find_map(|step| match &step.event {
        Event::TransferStarted(started) if started.id == finished.id => Some(started.negotiated.as_str()),
        _ => None,
    });
    let evidence = || {
        let negotiated = negotiated.filter(|words| !words.is_empty());
        let detail = finished.detail.as_deref();
        [Some(seen.as_str()), negotiated, detail].into_iter().flatten().map(str::to_owned).collect()
    };
    match finished.outcome {
        TransferOutcome::TimedOut | TransferOutcome::ClientGone if finished.proto == Proto::Tftp => {
            let large = negotiated.and_then(block_size).is_some_and(|size| size > FRAME);
            Some(match (finished.bytes, large) {
                (0, true) => Cause::BlocksTooLarge.with(evidence()),
                (0, false) => Cause::TftpOpenTimeout.with(evidence()),
                _ => Cause::TftpReadTimeout.with(evidence()),
            })
        }
        TransferOutcome::TimedOut | TransferOutcome::ClientGone => {
            Some(Cause::TransferBroke.with(evidence()))
        }
        TransferOutcome::ReadFailed => Some(Cause::ReadFailed.with(evidence())),
        TransferOutcome::Aborted => Some(Cause::ClientGaveUp.with(evidence())),
        TransferOutcome::Completed => {
            let rate = finished.rate();
            let usual = fleet.rate.filter(|usual| finished.bytes >= LARGE && rate * SLOWER < *usual)?;
            Some(Cause::SlowTransfer.with(vec![
                format!("{}: {:.1} MB/s", finished.path, rate / 1e6),
                format!("other machines: {:.1} MB/s", usual / 1e6),
            ]))
        }
        TransferOutcome::Probed | TransferOutcome::Stopped => None,
    }
}

/// `blksize=1468 windowsize=4`.
fn block_size(negotiated: &str) -> Option<u32> {
    negotiated.split(' ').find_map(|word| word.strip_prefix("blksize=")?.parse().ok())
}

fn of_refusal(refused: &FileRefused) -> Option<Finding> {
    let mut evidence = vec![format!("{}: {}", refused.path, refused.refusal.name())];
    evidence.extend(refused.detail.clone());
    Some(match refused.refusal {
        Refusal::ImageComing => Cause::ImageComing.with(evidence),
        Refusal::ImageRefused => Cause::ImageRefused.with(evidence),
        Refusal::NotFound if is_in_smsboot(&refused.path) => Cause::SmsBootMissing.with(evidence),
        Refusal::NotFound => Cause::FileNotFound.with(evidence),
        Refusal::AccessDenied => Cause::AccessDenied.with(evidence),
        Refusal::Busy => Cause::TooBusy.with(evidence),
        Refusal::NotAllowed
        | Refusal::TooOften
        | Refusal::ClientFull
        | Refusal::SubnetFull
        | Refusal::Unproved => Cause::Limited.with(evidence),
        Refusal::Failed => Cause::ReadFailed.with(evidence),
        Refusal::WriteRefused | Refusal::Malformed | Refusal::Stopping => return None,
    })
}

/// Whether a path leads into the distribution point's SMSBoot folder.
fn is_in_smsboot(path: &str) -> bool {
    path.replace('\\', "/").split('/').any(|part| part.eq_ignore_ascii_case("smsboot"))
}

/// Whether the boot file that is not there is one of SMSBoot.
fn is_of_smsboot(decided: &Decided) -> bool {
    let words = decided.detail.iter().flat_map(|detail| detail.split([' ', ',', ';', ':', '"']));
    decided.boot_file.iter().map(String::as_str).chain(words).any(is_in_smsboot)
}

fn of_decision(decided: &Decided, silent: Duration, around: Around<'_>) -> Option<Finding> {
    let mut evidence: Vec<String> = decided.detail.iter().cloned().collect();
    let is = |words: &str| decided.detail.as_ref().is_some_and(|detail| detail.contains(words));
    if matches!(decided.decision, Answered::Offer | Answered::Ack) && silent < MOVES_ON {
        return None;
    }
    // A lease without a boot file is an address and nothing more: what counts is why there is no boot file.
    let decision = if is_lease_alone(decided) { Answered::LocalBoot } else { decided.decision };
    match decision {
        Answered::Offer
            if decided.proto == Proto::Proxy && decided.class == Some(pxe_policy::Class::Http) =>
        {
            evidence.push(format!("{} was offered", decided.boot_file.as_deref().unwrap_or("a URL")));
            Some(around.silence(Cause::NoHttpRequest, evidence))
        }
        Answered::Offer if decided.proto == Proto::Proxy => {
            evidence.push(format!("offered {} s ago", silent.as_secs()));
            Some(around.silence(Cause::NoBootServerRequest, evidence))
        }
        Answered::Offer => Some(around.silence(Cause::OfferNotTaken, evidence)),
        Answered::Ack => {
            let file = decided.boot_file.as_ref()?;
            evidence.push(format!("{file} was named {} s ago", silent.as_secs()));
            if !around.was_heard() {
                evidence.push(format!(
                    "no DHCP broadcast of it came here, only its question from {}",
                    decided.peer
                ));
            }
            let cause = if around.was_heard() { Cause::NoFileRequest } else { Cause::NoDhcpRelay };
            Some(around.silence(cause, evidence))
        }
        Answered::SendFailed => Some(Cause::SendFailed.with(evidence)),
        _ if decided.reason == Reason::NoBootFile && is_of_smsboot(decided) => {
            Some(Cause::SmsBootMissing.with(evidence))
        }
        _ if is("Clock skew") => Some(Cause::ClockOff.with(evidence)),
        _ if is("left it behind") => Some(Cause::LeftoverUnknown.with(evidence)),
        _ if decided.reason == Reason::DirectoryDown && trouble(decided).is_some() => {
            trouble(decided).map(|kind| Cause::Directory(kind).with(evidence))
        }
        Answered::Nak | Answered::Failed | Answered::Ignore | Answered::LocalBoot | Answered::Wait => {
            let decision = Cause::Decision(decided.reason);
            let identity = [
                ("its GUID belongs to ", Cause::DuplicateIdentity),
                ("is banned (", Cause::BannedGuid),
                ("many machines have this GUID", Cause::SharedGuid),
            ];
            let identity = identity.into_iter().find(|(words, _)| is(words)).map(|(_, cause)| cause);
            match (decision.found(evidence), identity) {
                (Some(found), Some(cause)) => {
                    let decided = format!("{}: {}", found.cause, found.headline);
                    Some(cause.with([found.evidence, vec![decided]].concat()))
                }
                (found, _) => found,
            }
        }
    }
}

/// Whether a boot client was given an address, and no boot file for a reason that keeps it from booting.
fn is_lease_alone(decided: &Decided) -> bool {
    let given = matches!(decided.proto, Proto::Dhcp | Proto::Dhcp6)
        && matches!(decided.decision, Answered::Offer | Answered::Ack);
    let boots = matches!(
        decided.reason,
        Reason::Lease | Reason::Rule | Reason::Record | Reason::Required | Reason::Available
    );
    given && decided.boot_file.is_none() && !boots
}

/// What keeps a directory from answering: `configmgr has no answer: timeout: ...`.
fn trouble(decided: &Decided) -> Option<TroubleKind> {
    let mut parts = decided.detail.as_deref()?.split([':', ';']).map(str::trim);
    parts.find_map(|part| TroubleKind::ALL.into_iter().find(|kind| kind.as_str() == part))
}

fn of_mac(answered: &MacAnswered) -> Option<Finding> {
    let left_out = answered.left_out.iter().map(|(folder, why)| format!("{folder}: {why}"));
    let evidence: Vec<String> =
        answered.model.iter().cloned().chain(answered.detail.clone()).chain(left_out).collect();
    match answered.reason {
        bsdp::Reason::CannotNetboot => Some(Cause::CannotNetboot.with(evidence)),
        bsdp::Reason::NoImage => Some(Cause::NoImageForMac.with(evidence)),
        _ => None,
    }
}

/// Firmware and boot programs go on within this time, or ask again.
const MOVES_ON: Duration = Duration::from_secs(8);
/// An offer of another server is of the same boot when it came within this time before the last step.
const ONE_BOOT: Duration = Duration::from_secs(120);
const LOOP_WITHIN: Duration = Duration::from_secs(15 * 60);
const LOOP_TIMES: usize = 3;
/// What fits an Ethernet frame behind the headers of IP, UDP and TFTP.
const FRAME: u32 = 1468;
/// Transfers that say something of the rate, in bytes.
pub const LARGE: u64 = 10_000_000;
/// A machine this many times slower than the others is told of.
const SLOWER: f64 = 5.0;

#[cfg(test)]
mod tests;
