//! The record of one transfer: what of it has left, and how it ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use netbootd_content::Content;
use netbootd_telemetry::event::{Event, SharedError, TransferDetail, TransferFinished, TransferOutcome};
use parking_lot::{Mutex, MutexGuard};
use pxe_policy::ArchType;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::services::Services;

/// A transfer's record, shared by all who send a part of it. It ends when the last of them lets go, however that comes.
#[derive(Clone)]
pub(super) struct Record(Arc<Mutex<Transfer>>);

struct Transfer {
    services: Arc<Services>,
    finished: TransferFinished,
    /// What the header of the program says.
    arch: Option<ArchType>,
    started: Instant,
    told: Instant,
    total: u64,
    failure: Option<SharedError>,
    /// Who ends netbootd waits for it.
    _under_way: TaskTrackerToken,
}

impl Record {
    /// Of a transfer of `total` bytes that begins now; `finished` says whose it is.
    pub(super) fn new(
        services: Arc<Services>,
        finished: TransferFinished,
        total: u64,
        arch: Option<ArchType>,
    ) -> Self {
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
        // Whoever has all of it is told of the end at once.
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

const PROGRESS_EVERY: Duration = Duration::from_millis(100);
