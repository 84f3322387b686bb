//! Events of the daemon, one value each: the same values feed the log, the counters and the
//! console.

mod cmtrace;
mod facts;
mod image;
mod limit;
mod log;
mod recorder;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

use netbootd_diagnosis::step::Step;
use pxe_policy::MacAddr;

pub use cmtrace::CmTrace;
use facts::{Facts, Silent};
pub use image::{ImageBegun, ImageFolderRead, ImageTaken};
pub use log::{REPORT, SYSLOG};
pub use netbootd_diagnosis::step::{
    Answered, ClientMessage, Decided, Disproved, FileRefused, LeaseTaken, MacAnswered, Negotiated,
    OtherReply, OtherServer, Program, Proto, Refusal, Reported, SharedError, Substitute, Substitution,
    TlsFailed, TlsFailure, TransferDetail, TransferFinished, TransferId, TransferOutcome, TransferStalled,
    TransferStarted,
};
pub use recorder::{Counters, Recorded, Recorder};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A DHCP packet was answered or left alone.
    Decided(Decided),
    /// A Mac's packet was answered or left alone.
    MacAnswered(MacAnswered),
    /// Another DHCP server spoke to a machine that asked here as well.
    OtherServer(OtherServer),
    /// A Mac's image folder was read for the first time, or otherwise than before.
    ImageFolderRead(ImageFolderRead),
    /// A source of images begins to be taken in: a path, or a content id.
    ImageBegun(ImageBegun),
    /// A source of images was dealt with.
    ImageTaken(ImageTaken),
    /// A transfer was accepted.
    TransferStarted(TransferStarted),
    /// A transfer went on. At most ten a second for each transfer.
    TransferProgress {
        /// The number of the transfer.
        id: TransferId,
        /// Bytes that the client has.
        bytes: u64,
    },
    /// A transfer waits for its client.
    TransferStalled(TransferStalled),
    /// A transfer is over, for good or ill.
    TransferFinished(TransferFinished),
    /// A file was asked for and not given.
    FileRefused(FileRefused),
    /// A refused request was not of the machine in whose name it came.
    Disproved(Disproved),
    /// A TLS handshake of the HTTPS port failed.
    TlsFailed(TlsFailed),
    /// A client says something of itself, by HTTP or syslog.
    Reported(Reported),
}

impl Event {
    /// Notes that the answer could not be sent.
    pub fn send_failed(&mut self, error: SharedError) {
        let (decision, detail) = match self {
            Event::Decided(decided) => (&mut decided.decision, &mut decided.detail),
            Event::MacAnswered(answered) => (&mut answered.decision, &mut answered.detail),
            _ => return,
        };
        *decision = Answered::SendFailed;
        *detail = Some(error);
    }
}

impl Event {
    /// The machine's step that it is; None for what is no step of a machine.
    pub fn step(&self) -> Option<Step<'_>> {
        Some(match self {
            // Nothing follows a question of `netbootd probe`, and nothing is wrong when nothing
            // does.
            Event::Decided(decided) if decided.probe => return None,
            Event::MacAnswered(answered) if answered.probe => return None,
            Event::Decided(decided) => Step::Decided(decided),
            Event::MacAnswered(answered) => Step::MacAnswered(answered),
            Event::OtherServer(other) => Step::OtherServer(other),
            Event::TransferStarted(started) => Step::TransferStarted(started),
            Event::TransferProgress { id, bytes } => Step::TransferProgress { id: *id, bytes: *bytes },
            Event::TransferStalled(stalled) => Step::TransferStalled(stalled),
            Event::TransferFinished(finished) => Step::TransferFinished(finished),
            Event::FileRefused(refused) => Step::FileRefused(refused),
            Event::Disproved(disproved) => Step::Disproved(disproved),
            Event::TlsFailed(failed) => Step::TlsFailed(failed),
            Event::Reported(reported) => Step::Reported(reported),
            Event::ImageFolderRead(_) | Event::ImageBegun(_) | Event::ImageTaken(_) => return None,
        })
    }

    /// The machine that it is about; None for none, or for a part of a transfer whose start named
    /// it.
    pub fn mac(&self) -> Option<MacAddr> {
        self.facts().mac()
    }

    /// The kind and the word that it is counted under.
    pub fn counter(&self) -> Option<(&'static str, &'static str)> {
        self.facts().counter()
    }

    /// The kind of it that knows the rest.
    fn facts(&self) -> &dyn Facts {
        match self {
            Event::Decided(decided) => decided,
            Event::MacAnswered(answered) => answered,
            Event::OtherServer(other) => other,
            Event::ImageFolderRead(read) => read,
            Event::ImageBegun(begun) => begun,
            Event::ImageTaken(taken) => taken,
            Event::TransferStarted(started) => started,
            Event::TransferProgress { .. } | Event::TransferStalled(_) => &Silent,
            Event::TransferFinished(finished) => finished,
            Event::FileRefused(refused) => refused,
            Event::Disproved(disproved) => disproved,
            Event::TlsFailed(failed) => failed,
            Event::Reported(reported) => reported,
        }
    }
}
