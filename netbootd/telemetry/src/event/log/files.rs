//! The lines about files: transfers, and requests that are refused.

use std::net::IpAddr;

use netbootd_diagnosis::step::{
    Disproved, FileRefused, Proto, Refusal, Substitute, Substitution, TlsFailed, TransferFinished,
    TransferOutcome, TransferStarted,
};
use pxe_policy::MacAddr;
use tracing::{Level, debug, info, warn};

use super::super::facts::Facts;

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
            detail = $finished.detail.as_ref().map(ToString::to_string),
            "{}",
            $finished.outcome.name()
        )
    };
}

macro_rules! refused_line {
    ($level:ident, $refused:expr) => {
        $level!(
            proto = %$refused.proto,
            peer = %$refused.peer,
            mac = $refused.mac.map(display),
            path = $refused.path,
            detail = $refused.detail.as_ref().map(ToString::to_string),
            "{}",
            $refused.refusal.name()
        )
    };
}

impl Facts for TransferStarted {
    fn mac(&self) -> Option<MacAddr> {
        self.mac
    }

    fn peer(&self) -> Option<IpAddr> {
        Some(self.peer.ip())
    }

    /// A file served for another name is worth a line; the folders of a Raspberry Pi are its normal
    /// way.
    fn level(&self) -> Option<Level> {
        let odd = |substitute: &Substitute| substitute.why != Substitution::SharedFolder;
        Some(if self.substitute.as_ref().is_some_and(odd) { Level::INFO } else { Level::DEBUG })
    }

    fn write(&self) {
        if let Some(substitute) = self.substitute.as_ref().filter(|_| self.level() == Some(Level::INFO)) {
            return write_instead(self, substitute);
        }
        debug!(
            proto = %self.proto,
            peer = %self.peer,
            mac = self.mac.map(display),
            path = &*self.path,
            size = self.size,
            negotiated = self.negotiated.to_string(),
            "transfer"
        );
    }
}

fn write_instead(started: &TransferStarted, substitute: &Substitute) {
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

impl Facts for TransferFinished {
    fn mac(&self) -> Option<MacAddr> {
        self.mac
    }

    fn peer(&self) -> Option<IpAddr> {
        Some(self.peer.ip())
    }

    fn counter(&self) -> Option<(&'static str, &'static str)> {
        Some((self.proto.name(), self.outcome.name()))
    }

    fn level(&self) -> Option<Level> {
        Some(match self.outcome {
            TransferOutcome::Completed if !self.partial => Level::INFO,
            TransferOutcome::ReadFailed => Level::WARN,
            TransferOutcome::Completed
            | TransferOutcome::Probed
            | TransferOutcome::Aborted
            | TransferOutcome::ClientGone
            | TransferOutcome::TimedOut
            | TransferOutcome::Stopped => Level::DEBUG,
        })
    }

    fn write(&self) {
        line!(self, finished_line);
    }
}

macro_rules! handshake_line {
    ($level:ident, $failed:expr) => {
        $level!(
            proto = "https",
            peer = %$failed.peer,
            mac = $failed.mac.map(display),
            reason = $failed.why.name(),
            why = %$failed.why,
            detail = $failed.detail,
            "no TLS"
        )
    };
}

impl Facts for FileRefused {
    fn mac(&self) -> Option<MacAddr> {
        self.mac
    }

    fn peer(&self) -> Option<IpAddr> {
        Some(self.peer.ip())
    }

    fn counter(&self) -> Option<(&'static str, &'static str)> {
        Some((self.proto.name(), self.refusal.name()))
    }

    fn level(&self) -> Option<Level> {
        Some(match self.refusal {
            Refusal::Failed | Refusal::Busy | Refusal::ImageRefused | Refusal::NotForMachine => Level::WARN,
            _ => Level::DEBUG,
        })
    }

    fn write(&self) {
        line!(self, refused_line);
    }
}

impl Facts for TlsFailed {
    fn mac(&self) -> Option<MacAddr> {
        self.mac
    }

    fn peer(&self) -> Option<IpAddr> {
        Some(self.peer.ip())
    }

    fn counter(&self) -> Option<(&'static str, &'static str)> {
        Some((Proto::Http.name(), self.why.name()))
    }

    fn level(&self) -> Option<Level> {
        Some(match self.mac {
            Some(_) => Level::INFO,
            None => Level::DEBUG,
        })
    }

    fn write(&self) {
        line!(self, handshake_line);
    }
}

impl Facts for Disproved {
    fn mac(&self) -> Option<MacAddr> {
        self.mac
    }

    fn peer(&self) -> Option<IpAddr> {
        Some(self.peer.ip())
    }

    fn counter(&self) -> Option<(&'static str, &'static str)> {
        Some((Proto::Tftp.name(), "disproved"))
    }

    fn level(&self) -> Option<Level> {
        Some(Level::DEBUG)
    }

    fn write(&self) {
        debug!(
            proto = %Proto::Tftp,
            peer = %self.peer,
            mac = self.mac.map(display),
            path = self.path,
            "another host sent this request in the name of the address"
        );
    }
}
