//! Transfers that stall, break, or are slow.

use std::sync::Arc;
use std::time::Duration;

use super::specific;
use crate::boot::{Broken, Running};
use crate::case::Case;
use crate::cause::Cause;
use crate::file::FileKind;
use crate::finding::{Addition, Finding, Seen};
use crate::fleet::LARGE;
use crate::rules::program;
use crate::step::{Proto, SmallMtu, TransferOutcome};

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    let under_way = case.boot.running.iter().rev().filter(|running| !case.boot.has_newer(running));
    let stalled = under_way.into_iter().find_map(|running| of_stalled(case, running));
    stalled.or_else(|| of_broken(case, case.boot.broken.as_ref()?))
}

/// The client acknowledges nothing, or nothing more.
fn of_stalled(case: &Case<'_>, running: &Running) -> Option<Finding> {
    let settled = case.since(running.since) >= SETTLED;
    let Some(stalled) = running.stalled.as_ref().filter(|stalled| stalled.resends >= RESENDS && settled)
    else {
        return never_acknowledged(case, running);
    };
    if running.lacks_its_last_acknowledgement(stalled.bytes) {
        return None;
    }
    let cause = of_silence(stalled.bytes, stalled.proved, running.block_size);
    let seen = [
        Seen::Negotiated(running.negotiated.clone()),
        Seen::UnderWay(running.path.to_string(), stalled.bytes, case.since(running.since)),
        Seen::Resent(stalled.resends, running.block_size),
    ];
    let finding = Finding::new(cause, specific::PROVEN).about(&*running.path).with(seen);
    Some(with_own_mtu(finding, stalled.small_mtu.as_ref()))
}

/// Full blocks do not arrive, and this server's own interface is too small for them.
fn with_own_mtu(finding: Finding, small: Option<&SmallMtu>) -> Finding {
    let of_size = [Cause::MtuTooSmall, Cause::BlocksTooLarge].contains(&finding.cause);
    match small.filter(|_| of_size) {
        Some(small) => finding.adding(Addition::OwnMtu(small.clone())),
        None => finding,
    }
}

/// To a client that acknowledges nothing, little is sent again: it may not be the one who asked.
fn never_acknowledged(case: &Case<'_>, running: &Running) -> Option<Finding> {
    let waited = case.since(running.since);
    let acknowledged =
        running.stalled.as_ref().is_some_and(|stalled| stalled.proved) || running.bytes.1 != running.since;
    let silent = running.proto == Proto::Tftp && !acknowledged;
    if !silent || waited < case.patience.scale(OPENS_WITHIN) {
        return None;
    }
    let seen =
        [Seen::Negotiated(running.negotiated.clone()), Seen::UnderWay(running.path.to_string(), 0, waited)];
    Some(
        Finding::new(of_silence(0, false, running.block_size), specific::SILENCE)
            .about(&*running.path)
            .with(seen),
    )
}

fn of_silence(bytes: u64, proved: bool, block_size: Option<u16>) -> Cause {
    match (bytes, block_size) {
        (0, Some(size)) if proved && size > FRAME => Cause::BlocksTooLarge,
        (0, Some(size)) if proved && size > SMALL => Cause::MtuTooSmall,
        (0, Some(size)) if size > FRAME => Cause::BlocksTooLarge,
        (0, _) => Cause::TftpOpenTimeout,
        (bytes, Some(size)) if is_rollover(bytes, size) => Cause::BlockRollover,
        _ => Cause::TftpReadTimeout,
    }
}

/// Whether a transfer stopped where a counter of 16 bits, or of 15, starts again.
fn is_rollover(bytes: u64, block_size: u16) -> bool {
    let blocks = bytes / u64::from(block_size.max(1));
    matches!(blocks, 0x7ffe..=0x8001 | 0xfffe..=0x1_0001)
}

/// A file that holds nothing, where a program, a kernel or an image is needed.
pub(super) fn empty(case: &Case<'_>) -> Option<Finding> {
    let boot = case.boot;
    let needed = |kind: FileKind| {
        kind.is_program()
            || matches!(kind, FileKind::Bcd | FileKind::Sdi)
            || kind.rank() == 5
            || kind.rank() == 6
    };
    let fetched = boot.last_file().filter(|file| file.bytes == 0 && needed(file.kind));
    let probed = boot.running.iter().rev().find(|running| running.size == Some(0) && needed(running.kind));
    let path =
        fetched.map(|file| Arc::clone(&file.path)).or(probed.map(|running| Arc::clone(&running.path)))?;
    Some(Finding::new(Cause::EmptyFile, specific::PROVEN + 1).about(&*path).with(fetched.map(Seen::fetched)))
}

fn of_broken(case: &Case<'_>, broken: &Broken) -> Option<Finding> {
    let finished = &broken.finished;
    // Whatever came after it, the machine went on without the file, or tries again.
    if case.boot.fetched.iter().any(|file| file.at > broken.at && file.kind.rank() > 0)
        || case.boot.running.iter().any(|running| running.since > broken.at && running.bytes.0 > 0)
    {
        return None;
    }
    // Little is sent to a client that acknowledges nothing. If that was lost, it asks again.
    let unheard = finished.outcome == TransferOutcome::TimedOut && !finished.proved && finished.bytes == 0;
    if unheard && case.since(broken.since) < case.patience.scale(OPENS_WITHIN) {
        return None;
    }
    let words = finished.detail.iter().cloned().map(Seen::EndOf);
    let negotiated =
        Some(broken.negotiated.clone()).filter(|granted| !granted.is_empty()).map(Seen::Negotiated);
    let resent = (finished.resends > 0).then_some(Seen::Resent(finished.resends, broken.block_size));
    let seen = [Seen::broken(broken)].into_iter().chain(negotiated).chain(words).chain(resent);
    let silent = matches!(finished.outcome, TransferOutcome::TimedOut | TransferOutcome::ClientGone);
    let cause = match finished.outcome {
        _ if silent && finished.proto == Proto::Tftp => {
            of_silence(finished.bytes, finished.proved, broken.block_size)
        }
        _ if silent => Cause::TransferBroke,
        TransferOutcome::ReadFailed => Cause::ReadFailed,
        // GRUB closes a file that it only looks at so (tftp_close in its net/tftp.c).
        TransferOutcome::Aborted if finished.client_message() == Some("closed") => return None,
        // Without a byte it was a probe that said so by an error.
        TransferOutcome::Aborted if finished.bytes == 0 && !case.is_silent() => return None,
        TransferOutcome::Aborted => {
            let wrong = program::wrong(case, &finished.path, broken.program.as_ref());
            return Some(wrong.unwrap_or_else(|| gave_up(broken)).with(seen));
        }
        _ => return None,
    };
    let finding = Finding::new(cause, specific::REFUSED).about(&*finished.path).with(seen);
    Some(with_own_mtu(finding, broken.small_mtu.as_ref()))
}

/// The client ended it, and may have said why.
fn gave_up(broken: &Broken) -> Finding {
    let finished = &broken.finished;
    let words = finished.client_message().unwrap_or_default().to_ascii_lowercase();
    let cause = if MEMORY_WORDS.iter().any(|word| words.contains(word)) {
        Cause::OutOfMemory
    } else if broken.block_size.is_some_and(|size| is_rollover(finished.bytes, size)) {
        Cause::BlockRollover
    } else {
        Cause::ClientGaveUp
    };
    let finding = Finding::new(cause, specific::REFUSED).about(&*finished.path);
    match finished.client_message() {
        Some(words) => finding.adding(Addition::ClientMessage(words.to_owned())),
        None => finding,
    }
}

/// Much slower than the others, told while it lasts and until the boot is over.
pub(super) fn slow(case: &Case<'_>) -> Option<Finding> {
    let under_way = case.boot.running.iter().filter_map(|running| {
        let took = running
            .bytes
            .1
            .duration_since(running.since)
            .ok()
            .filter(|took| *took >= case.patience.scale(LONG_ENOUGH))?;
        Some((&running.path, running.way(), running.bytes.0, took))
    });
    let done = case.boot.fetched.iter().filter(|file| file.bytes >= LARGE);
    let done = done.map(|file| (&file.path, file.way.clone(), file.bytes, file.elapsed));
    let (path, bytes, took, rate, usual) = under_way.chain(done).find_map(|(path, way, bytes, took)| {
        let usual = case.fleet.rate(case.mac, &way)?;
        let rate = bytes as f64 / took.as_secs_f64().max(0.001);
        (rate * SLOWER < usual).then_some((path, bytes, took, rate, usual))
    })?;
    let seen = [Seen::UnderWay(path.to_string(), bytes, took), Seen::Rate(rate, usual)];
    Some(Finding::new(Cause::SlowTransfer, specific::SLOW).about(&**path).with(seen))
}

/// Many blocks had to be sent again, though the file came in the end, or comes.
pub(super) fn lossy(case: &Case<'_>) -> Option<Finding> {
    let under_way = case.boot.running.iter().filter_map(|running| {
        let size = running.block_size.filter(|_| running.bytes.0 > 0)?;
        Some((&running.path, running.bytes.0 / u64::from(size.max(1)), running.resends))
    });
    let done = case.boot.fetched.iter().map(|file| (&file.path, file.blocks.0, file.blocks.1));
    let is_lossy = |(_, blocks, resent): &(_, u64, u64)| *resent >= LOST && resent * LOST_SHARE >= *blocks;
    let (path, blocks, resent) = under_way.chain(done).find(is_lossy)?;
    let seen = [Seen::Loss(blocks, resent)];
    Some(Finding::new(Cause::PacketLoss, specific::SLOW + 2).about(&**path).with(seen))
}

/// A file comes without loss, and so slowly that it takes hours: the way is long, and few bytes are
/// under way at a time.
pub(super) fn round_trips(case: &Case<'_>) -> Option<Finding> {
    case.boot.running.iter().find_map(|running| {
        let (bytes, at) = running.bytes;
        let window = running.negotiated.option("windowsize").unwrap_or(1).max(1);
        let at_a_time = u64::from(running.block_size?) * window;
        let took = at.duration_since(running.since).ok()?;
        let left = running.size?.checked_sub(bytes)?;
        if took < case.patience.scale(LONG_ENOUGH) || bytes < at_a_time || running.resends >= LOST {
            return None;
        }
        let windows = bytes as f64 / at_a_time as f64;
        let each = took.div_f64(windows);
        let rest = took.mul_f64(left as f64 / bytes as f64);
        if each < FAR || rest < case.patience.scale(TOO_LONG) {
            return None;
        }
        let seen = [
            Seen::Negotiated(running.negotiated.clone()),
            Seen::UnderWay(running.path.to_string(), bytes, took),
            Seen::RoundTrip(each, at_a_time, rest),
        ];
        Some(Finding::new(Cause::SlowRoundTrips, specific::SLOW - 1).about(&*running.path).with(seen))
    })
}

/// An HTTP transfer of a file that its client needs at once stands still.
pub(super) fn stands_still(case: &Case<'_>) -> Option<Finding> {
    let needed = |kind: FileKind| {
        kind.is_program() || matches!(kind, FileKind::Kernel | FileKind::Initrd | FileKind::Wim)
    };
    let running = case.boot.running.iter().rev().find(|running| {
        running.proto == Proto::Http && needed(running.kind) && !case.boot.has_newer(running)
    })?;
    let (bytes, at) = running.bytes;
    let still = case.since(at);
    if still < case.patience.scale(STANDS_STILL) || running.size.is_some_and(|size| bytes >= size) {
        return None;
    }
    let seen =
        [Seen::UnderWay(running.path.to_string(), bytes, case.since(running.since)), Seen::Silent(still)];
    Some(Finding::new(Cause::HttpStalled, specific::SILENCE).about(&*running.path).with(seen))
}

/// Words in the ERROR of clients that end a transfer for want of memory.
const MEMORY_WORDS: [&str; 6] =
    ["memory", "too big", "too large", "buffer too small", "out of resources", "no space"];
/// The largest TFTP block in one Ethernet frame, in bytes: behind the headers of IP, UDP and TFTP.
const FRAME: u16 = 1468;
/// A TFTP block that passes every link that IPv4 allows, in bytes (RFC 791: packets of 576).
const SMALL: u16 = 512;
/// Repetitions that are no chance any more.
const RESENDS: u64 = 3;
/// A client acknowledges its options or the first block within this time.
const OPENS_WITHIN: Duration = Duration::from_secs(8);
/// Blocks that were sent again, and the part of all of them, that are no chance.
const LOST: u64 = 20;
const LOST_SHARE: u64 = 20;
/// No window within a building takes so long.
const FAR: Duration = Duration::from_millis(5);
/// Nobody waits so long for the rest of a file.
const TOO_LONG: Duration = Duration::from_secs(8 * 60);
/// A client that takes nothing for so long has stopped.
const STANDS_STILL: Duration = Duration::from_secs(15);
const SETTLED: Duration = Duration::from_secs(2);
/// A transfer under way has a rate after this time.
const LONG_ENOUGH: Duration = Duration::from_secs(10);
/// A machine this many times slower than the others counts.
const SLOWER: f64 = 5.0;
