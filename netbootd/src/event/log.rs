//! One log line an event. The message is the decision; facts are fields; absent is absent.
//!
//! info: offered, finished. debug: ignored, and what a stranger can repeat at will. warn: an operator should act.

use tracing::{debug, info, warn};

use super::{
    Answered, Decided, Event, FileRefused, Refusal, TransferFinished, TransferOutcome, TransferStarted,
};

/// Writes the line of one event.
pub(super) fn write(event: &Event) {
    match event {
        Event::Decided(decided) => write_decided(decided),
        Event::TransferStarted(started) => write_started(started),
        Event::TransferProgress { .. } => {}
        Event::TransferFinished(finished) => write_finished(finished),
        Event::FileRefused(refused) => write_refused(refused),
    }
}

macro_rules! decided_line {
    ($level:ident, $decided:expr) => {
        $level!(
            proto = %$decided.proto,
            iface = $decided.iface,
            peer = %$decided.peer,
            xid = $decided.xid.map(|xid| display(format!("{xid:08x}"))),
            mac = $decided.mac.map(display),
            uuid = $decided.uuid.map(display),
            arch = $decided.arch.map(display),
            class = $decided.class.map(display),
            reason = %$decided.reason,
            detail = $decided.detail,
            rule = $decided.rule,
            image = $decided.image,
            boot_file = $decided.boot_file,
            address = $decided.address.map(display),
            "{}",
            $decided.decision.name()
        )
    };
}

fn write_decided(decided: &Decided) {
    match decided.decision {
        Answered::Offer | Answered::Ack | Answered::Nak => decided_line!(info, decided),
        Answered::Ignore | Answered::LocalBoot => decided_line!(debug, decided),
        Answered::SendFailed => decided_line!(warn, decided),
    }
}

fn write_started(started: &TransferStarted) {
    debug!(
        proto = %started.proto,
        peer = %started.peer,
        mac = started.mac.map(display),
        path = started.path,
        size = started.size,
        negotiated = started.negotiated,
        "transfer"
    );
}

macro_rules! finished_line {
    ($level:ident, $finished:expr) => {
        $level!(
            proto = %$finished.proto,
            peer = %$finished.peer,
            mac = $finished.mac.map(display),
            path = $finished.path,
            bytes = $finished.bytes,
            blocks = $finished.blocks,
            resends = $finished.resends,
            elapsed_ms = debug($finished.elapsed.as_millis()),
            detail = $finished.detail,
            "{}",
            $finished.outcome.name()
        )
    };
}

fn write_finished(finished: &TransferFinished) {
    match finished.outcome {
        TransferOutcome::Completed => finished_line!(info, finished),
        TransferOutcome::ReadFailed => finished_line!(warn, finished),
        TransferOutcome::Probed
        | TransferOutcome::Aborted
        | TransferOutcome::ClientGone
        | TransferOutcome::TimedOut
        | TransferOutcome::Stopped => finished_line!(debug, finished),
    }
}

fn write_refused(refused: &FileRefused) {
    macro_rules! line {
        ($level:ident) => {
            $level!(
                proto = %refused.proto,
                peer = %refused.peer,
                mac = refused.mac.map(display),
                path = refused.path,
                detail = refused.detail,
                "{}",
                refused.refusal.name()
            )
        };
    }
    match refused.refusal {
        Refusal::Failed | Refusal::Busy => line!(warn),
        _ => line!(debug),
    }
}
