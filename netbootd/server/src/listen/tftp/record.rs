//! The events of a transfer: its begin, how far it is, its end, or why there was none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use netbootd_diagnosis::Configuration;
use netbootd_telemetry::event::{
    Disproved, Event, FileRefused, Negotiated as Granted, Program, Proto, Substitute, Substitution,
    TransferDetail, TransferFinished, TransferId, TransferOutcome, TransferStalled, TransferStarted,
};
use pxe_policy::ArchType;
use tftp::{Negotiated, Outcome, Sender};

use super::super::request_error::RequestError;
use super::super::requester::Requester;
use super::negotiation::small_mtu;
use super::refusals::shown;
use crate::services::Services;

/// The facts about a file before it is sent.
#[derive(Debug, Clone)]
pub(super) struct Header {
    /// Its length in bytes.
    pub(super) size: u64,
    /// Its header, when it is a program.
    pub(super) program: Option<Program>,
    /// The files that it names, when it is a configuration.
    pub(super) configuration: Option<Arc<Configuration>>,
}

/// Records one transfer from its begin to its end.
#[derive(Debug)]
pub(super) struct Record {
    services: Arc<Services>,
    id: TransferId,
    requester: Requester,
    path: Arc<str>,
    block_size: u16,
    bytes: u64,
    told: Instant,
    /// Its begin, as long as that was not told: nobody may have asked.
    begin: Option<TransferStarted>,
    arch: Option<ArchType>,
    knows_program: bool,
}

impl Record {
    /// Of a transfer that begins.
    pub(super) fn new(
        services: &Arc<Services>,
        requester: Requester,
        filename: &[u8],
        Header { size, program, configuration }: Header,
        negotiated: &Negotiated,
        instead: Option<(&str, Substitution)>,
    ) -> Self {
        let id = services.recorder.transfer_id();
        let path: Arc<str> = instead.map_or_else(|| shown(filename), |(path, _)| path.to_owned()).into();
        let substitute = instead.map(|(_, why)| Substitute { asked: shown(filename), why });
        let begin = TransferStarted {
            id,
            proto: Proto::Tftp,
            peer: requester.peer,
            mac: requester.machine(services),
            program,
            path: Arc::clone(&path),
            size: Some(size),
            block_size: Some(negotiated.block_size),
            partial: false,
            substitute,
            proved: false,
            configuration,
            negotiated: Granted::Options(negotiated.granted.clone()),
        };
        let knows_program = begin.program.is_some();
        let arch = begin.program.as_ref().and_then(|program| program.arch);
        Record {
            id,
            requester,
            path,
            block_size: negotiated.block_size,
            bytes: 0,
            told: Instant::now(),
            begin: Some(begin),
            arch,
            knows_program,
            services: Arc::clone(services),
        }
    }

    /// Records the begin: the client has answered (`proved`), or the transfer is over.
    pub(super) fn started(&mut self, proved: bool) {
        if let Some(begin) = self.begin.take() {
            self.services.recorder.record(Event::TransferStarted(TransferStarted { proved, ..begin }));
        }
    }

    /// So far it has come. Told now and then.
    pub(super) fn progress(&mut self, now: Instant, bytes: u64) {
        self.bytes = bytes;
        if now.duration_since(self.told) >= PROGRESS_EVERY {
            self.told = now;
            self.services.recorder.record(Event::TransferProgress { id: self.id, bytes });
        }
    }

    /// The client does not acknowledge what was sent again.
    pub(super) fn stalled(&mut self, sender: &Sender) {
        let proved = sender.is_proved();
        self.started(proved);
        // Anybody may have sent a request that is not proved, and looking at the route takes time.
        let peer = self.requester.peer;
        let small_mtu = proved.then(|| small_mtu(&self.services, peer, self.block_size)).flatten();
        self.services.recorder.record(Event::TransferStalled(TransferStalled {
            id: self.id,
            bytes: sender.acknowledged_bytes(),
            proved,
            resends: sender.resends(),
            small_mtu,
        }));
    }

    /// Records the end of the transfer.
    pub(super) fn finished(
        mut self,
        outcome: Outcome,
        size: u64,
        sender: &Sender,
        detail: Option<TransferDetail>,
        program: Option<Program>,
    ) {
        self.started(sender.is_proved());
        let completed = matches!(outcome, Outcome::Completed { .. });
        if completed && sender.is_proved() && !self.requester.probe {
            self.services.content.programs.fetched(
                self.requester.peer.ip(),
                &self.path,
                self.arch,
                Instant::now(),
            );
        }
        let bytes = if completed { size } else { self.bytes };
        self.services.recorder.record(Event::TransferFinished(TransferFinished {
            id: self.id,
            proto: Proto::Tftp,
            peer: self.requester.peer,
            mac: self.requester.machine(&self.services),
            path: self.path,
            partial: false,
            outcome: named(outcome),
            bytes,
            blocks: bytes.div_ceil(u64::from(sender.negotiated().block_size)),
            resends: sender.resends(),
            proved: sender.is_proved(),
            elapsed: sender.elapsed(Instant::now()),
            detail,
            program,
        }));
    }

    /// Whether the kind of its program is known.
    pub(super) fn knows_program(&self) -> bool {
        self.knows_program
    }
}

/// How a transfer ended, as events have it.
pub(super) fn named(outcome: Outcome) -> TransferOutcome {
    match outcome {
        Outcome::Completed { .. } => TransferOutcome::Completed,
        Outcome::Probed => TransferOutcome::Probed,
        Outcome::Aborted { .. } => TransferOutcome::Aborted,
        Outcome::ClientGone => TransferOutcome::ClientGone,
        Outcome::TimedOut => TransferOutcome::TimedOut,
        Outcome::ReadFailed => TransferOutcome::ReadFailed,
        Outcome::Stopped => TransferOutcome::Stopped,
    }
}

/// Records word that the port is closed which a refused request came from.
pub(super) fn disproved(services: &Services, requester: Requester, filename: &[u8]) {
    services.recorder.record(Event::Disproved(Disproved {
        peer: requester.peer,
        mac: requester.machine(services),
        path: shown(filename),
    }));
}

/// Records that a request was refused.
pub(super) fn refused(services: &Services, requester: Requester, filename: &[u8], error: RequestError) {
    services.recorder.record(Event::FileRefused(FileRefused {
        proto: Proto::Tftp,
        peer: requester.peer,
        mac: requester.machine(services),
        path: shown(filename),
        refusal: error.refusal(),
        detail: Some(error.shared()),
    }));
}

const PROGRESS_EVERY: Duration = Duration::from_millis(100);
