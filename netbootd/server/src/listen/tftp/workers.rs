//! The threads that transfers run on: one for each processor, each with its own readiness and
//! timers.
//!
//! A transfer stays on the worker that it began on. On a runtime that shares its tasks between
//! threads, every acknowledgement wakes a second thread to look for work, which costs more than the
//! block that is sent.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, EnterGuard, Handle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Threads for transfers, and one for requests. They end with it.
#[derive(Debug)]
pub(super) struct Workers {
    workers: Vec<Worker>,
    next: AtomicUsize,
    /// Requests have a thread to themselves: a flood of them takes no time of a transfer but what
    /// the system's scheduler gives it.
    requests: Worker,
    listener: TaskTracker,
    end: CancellationToken,
}

/// One of them, with the transfers on it.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    handle: Handle,
    transfers: TaskTracker,
}

impl Workers {
    /// Starts a thread for each processor, and one for requests.
    pub(super) fn start() -> io::Result<Self> {
        let end = CancellationToken::new();
        let count = thread::available_parallelism().map_or(1, usize::from);
        let workers = (0..count).map(|number| start(&format!("tftp-{number}"), end.clone()));
        let workers = workers.collect::<io::Result<_>>()?;
        let requests = start("tftp-requests", end.clone())?;
        Ok(Workers { workers, next: AtomicUsize::new(0), requests, listener: TaskTracker::new(), end })
    }

    /// The one that requests are heard on.
    pub(super) fn requests(&self) -> &Worker {
        &self.requests
    }

    /// The worker whose turn it is.
    pub(super) fn next(&self) -> &Worker {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        &self.workers[turn % self.workers.len()]
    }

    /// Waits until no more transfers run than hold places, but for a few. Those that were evicted
    /// hold a socket until their worker has ended them; a flood must not begin new ones faster than
    /// that.
    pub(super) async fn catch_up(&self, places: impl Fn() -> usize) {
        let behind = || {
            let running: usize = self.workers.iter().map(|worker| worker.transfers.len()).sum();
            running > places() + MAX_ENDING
        };
        while behind() {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Hears requests on a thread of its own.
    pub(super) fn listen(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.listener.spawn_on(work, &self.requests.handle);
    }

    /// Waits for all that runs on them, not for long.
    pub(super) async fn finish(&self) {
        let over = async {
            self.listener.close();
            self.listener.wait().await;
            for worker in &self.workers {
                worker.transfers.close();
                worker.transfers.wait().await;
            }
        };
        // Transfers that are not over by then end with their thread.
        let _ = tokio::time::timeout(GRACE, over).await;
    }
}

impl Worker {
    /// Sockets that are made while this is held belong to the worker.
    pub(super) fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    /// Begins a transfer on this thread, as far as it goes without waiting, and runs the rest on
    /// the worker. So requests are taken no faster than they are answered: under a flood they wait
    /// in the socket, where the newest are lost, and not here until all are too old.
    pub(super) fn begin(&self, transfer: impl Future<Output = ()> + Send + 'static) {
        let mut transfer = Box::pin(self.transfers.track_future(transfer));
        let _entered = self.handle.enter();
        // On the worker it looks once more at everything that it waits for.
        if transfer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            self.handle.spawn(transfer);
        }
    }

    /// Runs a transfer on the worker.
    pub(super) fn run(&self, transfer: impl Future<Output = ()> + Send + 'static) {
        self.transfers.spawn_on(transfer, &self.handle);
    }

    /// Does something beside the transfers on the worker, which does not wait for its end.
    pub(super) fn beside(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(work);
    }

    /// Whether it has one transfer, which nobody else waits for then.
    pub(super) fn has_one(&self) -> bool {
        self.transfers.len() == 1
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

fn start(name: &str, end: CancellationToken) -> io::Result<Worker> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        runtime.block_on(end.cancelled());
        runtime.shutdown_background();
    })?;
    Ok(Worker { handle, transfers: TaskTracker::new() })
}

/// Transfers without a place that may be about to end.
pub(super) const MAX_ENDING: usize = 256;
const PAUSE: Duration = Duration::from_millis(1);
const GRACE: Duration = Duration::from_secs(1);
