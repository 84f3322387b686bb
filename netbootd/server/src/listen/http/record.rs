//! The record of one transfer: what of it has left, and how it ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use netbootd_content::Content;
use netbootd_diagnosis::Configuration;
use netbootd_telemetry::event::{
    Event, Negotiated, Program, Proto, SharedError, Substitute, TransferDetail, TransferFinished,
    TransferOutcome, TransferStarted,
};
use parking_lot::{Mutex, MutexGuard};
use pxe_policy::ArchType;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::super::requester::Requester;
use crate::services::Services;

/// A transfer's record, shared by all who send a part of it. It ends when the last of them lets go,
/// however that comes.
#[derive(Clone)]
pub(super) struct Record(Arc<Mutex<Transfer>>);

struct Transfer {
    services: Arc<Services>,
    finished: TransferFinished,
    /// The architecture in the program's header.
    arch: Option<ArchType>,
    started: Instant,
    told: Instant,
    total: u64,
    failure: Option<SharedError>,
    /// The shutdown of netbootd waits for it.
    _under_way: TaskTrackerToken,
}

impl Record {
    /// Of a transfer of `total` bytes that begins now; `finished` says whose it is.
    fn new(services: Arc<Services>, finished: TransferFinished, total: u64, arch: Option<ArchType>) -> Self {
        let now = Instant::now();
        let _under_way = services.lifecycle.transfers.token();
        let transfer =
            Transfer { services, finished, arch, started: now, told: now, total, failure: None, _under_way };
        Record(Arc::new(Mutex::new(transfer)))
    }

    /// So many bytes more have left.
    pub(super) fn sent(&self, bytes: u64) {
        let mut transfer = self.lock();
        transfer.finished.bytes += bytes;
        // A complete transfer is reported by its end.
        if transfer.finished.bytes < transfer.total && transfer.told.elapsed() >= PROGRESS_EVERY {
            transfer.told = Instant::now();
            let (id, bytes) = (transfer.finished.id, transfer.finished.bytes);
            transfer.services.recorder.record(Event::TransferProgress { id, bytes });
        }
    }

    /// The file cannot be read.
    pub(super) fn failed(&self, why: SharedError, content: &Content) {
        let mut transfer = self.lock();
        transfer.failure = Some(why);
        transfer.services.suspect(content);
    }

    fn lock(&self) -> MutexGuard<'_, Transfer> {
        self.0.lock()
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.finished.elapsed = self.started.elapsed();
        self.finished.detail = self.failure.take().map(TransferDetail::Unreadable);
        self.finished.outcome = if self.finished.detail.is_some() {
            TransferOutcome::ReadFailed
        } else if self.finished.bytes == self.total {
            TransferOutcome::Completed
        } else if self.services.lifecycle.shutdown.is_cancelled() {
            TransferOutcome::Stopped
        } else {
            TransferOutcome::ClientGone
        };
        if self.finished.outcome == TransferOutcome::Completed && !self.finished.partial {
            let (client, path) = (self.finished.peer.ip(), &self.finished.path);
            self.services.content.programs.fetched(client, path, self.arch, Instant::now());
        }
        self.services.recorder.record(Event::TransferFinished(self.finished.clone()));
    }
}

/// The facts about a file that the diagnosis needs.
#[derive(Debug, Default)]
pub(super) struct About {
    /// Its header, when it is a program.
    program: Option<Program>,
    /// The requested file, when another one is served.
    substitute: Option<Substitute>,
    /// The files that it names, when it is a configuration.
    configuration: Option<Arc<Configuration>>,
}

impl About {
    /// Of a part nothing is read.
    pub(super) fn new(content: &Content, path: &str, asked: &str, status: StatusCode) -> Self {
        let substitute = content.served_instead().map(|(_, why)| Substitute { asked: shown(asked), why });
        match status {
            StatusCode::OK => About {
                program: content.program(path),
                configuration: content.configuration(path),
                substitute,
            },
            _ => About { substitute, ..About::default() },
        }
    }
}

/// The record of an answer of `total` bytes that begins now.
pub(super) fn record(
    services: &Arc<Services>,
    asked: &str,
    requester: Requester,
    total: u64,
    status: StatusCode,
    about: About,
) -> Record {
    let arch = about.program.as_ref().and_then(|program| program.arch);
    let finished = begin(services, asked, requester, total, status, about);
    Record::new(Arc::clone(services), finished, total, arch)
}

/// Records that a client asked for a file's size alone (HEAD).
pub(super) fn record_size(
    services: &Arc<Services>,
    asked: &str,
    requester: Requester,
    size: u64,
    about: About,
) {
    let finished = begin(services, asked, requester, size, StatusCode::OK, about);
    let probed = TransferFinished { outcome: TransferOutcome::Probed, ..finished };
    services.recorder.record(Event::TransferFinished(probed));
}

/// Records the beginning of an answer; gives what its end needs.
fn begin(
    services: &Services,
    asked: &str,
    requester: Requester,
    total: u64,
    status: StatusCode,
    About { program, substitute, configuration }: About,
) -> TransferFinished {
    let id = services.recorder.transfer_id();
    let (peer, mac) = (requester.peer, requester.machine(services));
    let path: Arc<str> = shown(asked).into();
    let partial = status == StatusCode::PARTIAL_CONTENT;
    services.recorder.record(Event::TransferStarted(TransferStarted {
        id,
        proto: Proto::Http,
        peer,
        mac,
        path: Arc::clone(&path),
        size: Some(total),
        negotiated: Negotiated::Status(status.as_u16()),
        block_size: None,
        program,
        partial,
        substitute,
        proved: true, // TCP's handshake
        configuration,
    }));
    TransferFinished {
        id,
        proto: Proto::Http,
        peer,
        mac,
        path,
        partial,
        outcome: TransferOutcome::Completed,
        bytes: 0,
        blocks: 0,
        resends: 0,
        proved: true, // TCP's handshake
        elapsed: Duration::ZERO,
        detail: None,
        program: None,
    }
}

/// A path as the log and the page show it.
pub(super) fn shown(path: &str) -> String {
    path.bytes().take(MAX_SHOWN).flat_map(std::ascii::escape_default).map(char::from).collect()
}

const MAX_SHOWN: usize = 128;
const PROGRESS_EVERY: Duration = Duration::from_millis(100);
