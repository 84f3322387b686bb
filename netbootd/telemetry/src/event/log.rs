//! One log line an event. The message is the decision; facts are fields; absent is absent.
//!
//! info: offered, finished. debug: ignored, and what a stranger can repeat at will. warn: an
//! operator should act.

use std::net::IpAddr;

use netbootd_diagnosis::report::State;
use netbootd_diagnosis::step::{Answered, ClientMessage, Decided, MacAnswered, OtherServer, Proto, Reported};
use pxe_policy::{MacAddr, Reason};
use tracing::{Level, debug, info, warn};

use super::facts::Facts;
use super::image::{ImageBegun, ImageFolderRead, ImageTaken};

/// Says that lines are missing before the next.
pub(super) fn lines_left_out(lines: u64) {
    warn!(lines, "suppressed by the rate limit");
}

/// A line at the event's own level.
macro_rules! line {
    ($event:expr, $line:ident) => {
        match $event.level() {
            Some(Level::WARN) => $line!(warn, $event),
            Some(Level::INFO) => $line!(info, $event),
            _ => $line!(debug, $event),
        }
    };
}

mod files;

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
            detail = $answered.detail.as_ref().map(ToString::to_string),
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

impl Facts for Decided {
    fn mac(&self) -> Option<MacAddr> {
        self.mac
    }

    fn peer(&self) -> Option<IpAddr> {
        Some(self.peer.ip())
    }

    fn counter(&self) -> Option<(&'static str, &'static str)> {
        Some((self.decision.name(), self.reason.as_str()))
    }

    fn level(&self) -> Option<Level> {
        Some(match self.decision {
            Answered::Offer | Answered::Ack | Answered::Nak | Answered::Failed => Level::INFO,
            // Somebody waits for a machine that a directory knows, or that a directory's silence
            // keeps from booting.
            Answered::LocalBoot | Answered::Ignore if tells_of_directories(self.reason) => Level::INFO,
            Answered::Ignore if tells_of_a_flood(self.reason) => Level::WARN,
            Answered::Ignore | Answered::LocalBoot => Level::DEBUG,
            Answered::SendFailed | Answered::Wait => Level::WARN,
        })
    }

    fn write(&self) {
        line!(self, decided_line);
    }
}

impl Facts for MacAnswered {
    fn mac(&self) -> Option<MacAddr> {
        Some(self.mac)
    }

    fn counter(&self) -> Option<(&'static str, &'static str)> {
        Some((self.decision.name(), self.reason.as_str()))
    }

    fn level(&self) -> Option<Level> {
        Some(match (self.decision, self.reason) {
            (Answered::SendFailed, _) => Level::WARN,
            // Its user sees nothing and would look for the fault here.
            (Answered::Ignore, bsdp::Reason::CannotNetboot | bsdp::Reason::NoImage) => Level::INFO,
            (Answered::Ignore, _) => Level::DEBUG,
            _ if self.cut > 0 => Level::WARN,
            _ => Level::INFO,
        })
    }

    fn write(&self) {
        line!(self, mac_line);
    }
}

impl Facts for OtherServer {
    fn mac(&self) -> Option<MacAddr> {
        Some(self.mac)
    }

    fn level(&self) -> Option<Level> {
        Some(Level::DEBUG)
    }

    fn write(&self) {
        debug!(
            iface = self.iface,
            mac = %self.mac,
            server = %self.server,
            class = self.class,
            next_server = self.next_server,
            boot_file = self.boot_file,
            address = self.address.map(display),
            router = self.router.map(display),
            "another server {}",
            self.reply.verb()
        );
    }
}

impl Facts for ImageFolderRead {
    fn write(&self) {
        let image = self.image.as_ref();
        if self.problems.is_empty() {
            info!(
                share = self.share,
                folder = self.folder,
                image = image.map(|(id, _)| display(id)),
                name = image.map(|(_, name)| name),
                "image folder"
            );
        } else {
            warn!(
                share = self.share,
                folder = self.folder,
                problems = self.problems_text(),
                "image folder refused"
            );
        }
    }
}

impl Facts for ImageBegun {
    fn write(&self) {
        debug!(source = self.0, "image begun");
    }
}

impl Facts for ImageTaken {
    fn write(&self) {
        match &self.image {
            // The words that runbooks for Macs' images look for.
            Some(name) => info!(source = self.source, detail = self.detail, "New image distributed: {name}"),
            None => warn!(source = self.source, detail = self.detail, "no image imported"),
        }
    }
}

impl Facts for Reported {
    fn mac(&self) -> Option<MacAddr> {
        self.mac
    }

    fn peer(&self) -> Option<IpAddr> {
        Some(self.peer.ip())
    }

    fn counter(&self) -> Option<(&'static str, &'static str)> {
        Some(match &self.message {
            ClientMessage::Report(report) => (REPORT, report.state.name()),
            ClientMessage::Syslog(_) => (SYSLOG, "message"),
        })
    }

    fn level(&self) -> Option<Level> {
        Some(match &self.message {
            ClientMessage::Report(report) if matches!(report.state, State::Failed | State::Up) => Level::INFO,
            ClientMessage::Report(_) | ClientMessage::Syslog(_) => Level::DEBUG,
        })
    }

    fn write(&self) {
        line!(self, reported_line);
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

/// Reports by HTTP are counted under this kind.
pub const REPORT: &str = "report";
/// Messages of syslog are counted under this kind.
pub const SYSLOG: &str = "syslog";
/// Images that one line names.
const MAX_LEFT_OUT: usize = 8;
