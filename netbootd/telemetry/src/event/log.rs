//! One log line an event. The message is the decision; facts are fields; absent is absent.
//!
//! info: offered, finished. debug: ignored, and what a stranger can repeat at will. warn: an operator should act.

use netbootd_diagnosis::report::State;
use pxe_policy::Reason;
use tracing::{Level, debug, info, warn};

use super::{
    Answered, ClientMessage, Decided, Event, FileRefused, ImageFolderRead, ImageTaken, MacAnswered,
    OtherServer, Proto, Refusal, Reported, Substitute, Substitution, TransferFinished, TransferOutcome,
    TransferStarted,
};

/// Says that lines are missing before the next.
pub(super) fn lines_left_out(lines: u64) {
    warn!(lines, "left out: the same again and again, or more than is written in a second");
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
            detail = $decided.explanation(),
            rule = $decided.rule,
            machine = $decided.machine,
            deployment = $decided.deployment,
            image = $decided.image,
            boot_file = $decided.boot_file,
            address = $decided.address.map(display),
            "{}",
            $decided.decision.name()
        )
    };
}

fn level_of_decision(decided: &Decided) -> Level {
    match decided.decision {
        Answered::Offer | Answered::Ack | Answered::Nak | Answered::Failed => Level::INFO,
        // Somebody waits for a machine that a directory knows, or that a directory's silence keeps from booting.
        Answered::LocalBoot | Answered::Ignore if tells_of_directories(decided.reason) => Level::INFO,
        Answered::Ignore if tells_of_a_flood(decided.reason) => Level::WARN,
        Answered::Ignore | Answered::LocalBoot => Level::DEBUG,
        Answered::SendFailed | Answered::Wait => Level::WARN,
    }
}

/// Told once a minute of each network.
fn tells_of_a_flood(reason: Reason) -> bool {
    matches!(reason, Reason::SourceTooOften | Reason::TooManyNewMachines | Reason::PoolKept)
}

fn tells_of_directories(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::AlreadyRun
            | Reason::AmbiguousRecord
            | Reason::BootImageMissing
            | Reason::DirectoryDown
            | Reason::LedgerNotSaved
            | Reason::NoDeployment
            | Reason::PxeOnly
            | Reason::RelayElsewhere
            | Reason::RelayMalformed
            | Reason::RelayNoAnswer
            | Reason::RelayNothing
            | Reason::RelayOtherMachine
            | Reason::RelayTooOften
            | Reason::SharedStateAway
            | Reason::StaleAnswer
            | Reason::UnknownMachine
            | Reason::WrongArchitecture
    )
}

macro_rules! mac_line {
    ($level:ident, $answered:expr) => {
        $level!(
            proto = %Proto::Bsdp,
            iface = $answered.iface,
            peer = %$answered.peer,
            xid = %format!("{:08x}", $answered.xid),
            mac = %$answered.mac,
            model = $answered.model,
            arch = $answered.architecture,
            asked = $answered.asked.map(debug),
            reason = %$answered.reason,
            detail = $answered.detail,
            rule = $answered.rule,
            machine = $answered.machine,
            image = $answered.image.map(display),
            boot_file = $answered.boot_file,
            offered = Some($answered.offered).filter(|count| *count > 0),
            cut = Some($answered.cut).filter(|count| *count > 0),
            left_out = left_out(&$answered.left_out),
            "{}",
            $answered.decision.name()
        )
    };
}

fn level_of_mac(answered: &MacAnswered) -> Level {
    match (answered.decision, answered.reason) {
        (Answered::SendFailed, _) => Level::WARN,
        // Its user sees nothing and would look for the fault here.
        (Answered::Ignore, bsdp::Reason::CannotNetboot | bsdp::Reason::NoImage) => Level::INFO,
        (Answered::Ignore, _) => Level::DEBUG,
        _ if answered.cut > 0 => Level::WARN,
        _ => Level::INFO,
    }
}

/// The first few of the images that are not for a Mac.
fn left_out(images: &[(String, bsdp::LeftOut)]) -> Option<String> {
    if images.is_empty() {
        return None;
    }
    let first: Vec<String> =
        images.iter().take(MAX_LEFT_OUT).map(|(folder, why)| format!("{folder}: {why}")).collect();
    let rest = images.len().saturating_sub(MAX_LEFT_OUT);
    let rest = if rest > 0 { format!(", and {rest} more") } else { String::new() };
    Some(first.join(", ") + &rest)
}

fn write_other(offer: &OtherServer) {
    debug!(
        iface = offer.iface,
        mac = %offer.mac,
        server = %offer.server,
        class = offer.class,
        next_server = offer.next_server,
        boot_file = offer.boot_file,
        address = offer.address.map(display),
        router = offer.router.map(display),
        "another server {}",
        if offer.is_ack { "acknowledges" } else { "offers" }
    );
}

fn write_image_folder(read: &ImageFolderRead) {
    let image = read.image.as_ref();
    if read.problems.is_empty() {
        info!(
            share = read.share,
            folder = read.folder,
            image = image.map(|(id, _)| display(id)),
            name = image.map(|(_, name)| name),
            "image folder"
        );
    } else {
        warn!(
            share = read.share,
            folder = read.folder,
            problems = read.problems_text(),
            "image folder refused"
        );
    }
}

fn write_taken(taken: &ImageTaken) {
    match &taken.image {
        // The words that runbooks for Macs' images look for.
        Some(name) => info!(source = taken.source, detail = taken.detail, "New image distributed: {name}"),
        None => warn!(source = taken.source, detail = taken.detail, "no image taken in"),
    }
}

/// What is served for another name is worth knowing; a Raspberry Pi's folders are its way.
fn level_of_started(started: &TransferStarted) -> Level {
    let odd = |substitute: &Substitute| substitute.why != Substitution::SharedFolder;
    if started.substitute.as_ref().is_some_and(odd) { Level::INFO } else { Level::DEBUG }
}

fn write_instead(started: &TransferStarted) {
    let Some(substitute) = &started.substitute else { return };
    info!(
        proto = %started.proto,
        peer = %started.peer,
        mac = started.mac.map(display),
        path = &*started.path,
        asked = substitute.asked,
        reason = substitute.why.name(),
        "served instead"
    );
}

fn write_started(started: &TransferStarted) {
    if level_of_started(started) == Level::INFO {
        return write_instead(started);
    }
    debug!(
        proto = %started.proto,
        peer = %started.peer,
        mac = started.mac.map(display),
        path = &*started.path,
        size = started.size,
        negotiated = started.negotiated.to_string(),
        "transfer"
    );
}

macro_rules! finished_line {
    ($level:ident, $finished:expr) => {
        $level!(
            proto = %$finished.proto,
            peer = %$finished.peer,
            mac = $finished.mac.map(display),
            path = &*$finished.path,
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

fn level_of_finished(finished: &TransferFinished) -> Level {
    match finished.outcome {
        TransferOutcome::Completed if !finished.partial => Level::INFO,
        TransferOutcome::ReadFailed => Level::WARN,
        TransferOutcome::Completed
        | TransferOutcome::Probed
        | TransferOutcome::Aborted
        | TransferOutcome::ClientGone
        | TransferOutcome::TimedOut
        | TransferOutcome::Stopped => Level::DEBUG,
    }
}

macro_rules! refused_line {
    ($level:ident, $refused:expr) => {
        $level!(
            proto = %$refused.proto,
            peer = %$refused.peer,
            mac = $refused.mac.map(display),
            path = $refused.path,
            detail = $refused.detail,
            "{}",
            $refused.refusal.name()
        )
    };
}

fn level_of_refused(refused: &FileRefused) -> Level {
    match refused.refusal {
        Refusal::Failed | Refusal::Busy | Refusal::ImageRefused => Level::WARN,
        _ => Level::DEBUG,
    }
}

macro_rules! reported_line {
    ($level:ident, $reported:expr) => {
        match &$reported.message {
            ClientMessage::Report(report) => $level!(
                peer = %$reported.peer,
                mac = $reported.mac.map(display),
                state = report.state.name(),
                by = %report.by,
                detail = %report,
                "report"
            ),
            ClientMessage::Syslog(message) => $level!(
                peer = %$reported.peer,
                mac = $reported.mac.map(display),
                severity = message.severity,
                program = message.program,
                detail = message.text,
                "syslog"
            ),
        }
    };
}

fn level_of_reported(reported: &Reported) -> Level {
    match &reported.message {
        ClientMessage::Report(report) if matches!(report.state, State::Failed | State::Up) => Level::INFO,
        ClientMessage::Report(_) | ClientMessage::Syslog(_) => Level::DEBUG,
    }
}

/// How much an event that a stranger can cause matters to the log; None for the others, which are written whatever comes.
pub(super) fn level(event: &Event) -> Option<Level> {
    match event {
        Event::Decided(decided) => Some(level_of_decision(decided)),
        Event::MacAnswered(answered) => Some(level_of_mac(answered)),
        Event::OtherServer(_) => Some(Level::DEBUG),
        Event::TransferStarted(started) => Some(level_of_started(started)),
        Event::TransferFinished(finished) => Some(level_of_finished(finished)),
        Event::FileRefused(refused) => Some(level_of_refused(refused)),
        Event::Reported(reported) => Some(level_of_reported(reported)),
        Event::TransferProgress { .. }
        | Event::TransferStalled(_)
        | Event::ImageFolderRead(_)
        | Event::ImageBegun(_)
        | Event::ImageTaken(_) => None,
    }
}

macro_rules! line {
    ($level:expr, $line:ident, $value:expr) => {
        match $level {
            Level::WARN => $line!(warn, $value),
            Level::INFO => $line!(info, $value),
            _ => $line!(debug, $value),
        }
    };
}

/// Writes the line of one event.
pub(super) fn write(event: &Event) {
    match event {
        Event::Decided(decided) => line!(level_of_decision(decided), decided_line, decided),
        Event::MacAnswered(answered) => line!(level_of_mac(answered), mac_line, answered),
        Event::OtherServer(offer) => write_other(offer),
        Event::ImageFolderRead(read) => write_image_folder(read),
        Event::ImageBegun(source) => debug!(source, "image begun"),
        Event::ImageTaken(taken) => write_taken(taken),
        Event::TransferStarted(started) => write_started(started),
        Event::TransferProgress { .. } | Event::TransferStalled(_) => {}
        Event::TransferFinished(finished) => line!(level_of_finished(finished), finished_line, finished),
        Event::FileRefused(refused) => line!(level_of_refused(refused), refused_line, refused),
        Event::Reported(reported) => line!(level_of_reported(reported), reported_line, reported),
    }
}

/// Images that one line names.
const MAX_LEFT_OUT: usize = 8;
