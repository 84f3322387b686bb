//! The threads that transfers run on: one for each processor, each with its own readiness and timers.
//!
//! A transfer stays on the lane that it began on. On a runtime that shares its tasks between threads, every acknowledgement wakes a
//! second thread to look for work, which costs more than the block that is sent.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, EnterGuard, Handle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Threads for transfers. They end with it.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: Vec<Handle>,
    next: AtomicUsize,
    tasks: TaskTracker,
    end: CancellationToken,
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lane<'a> {
    handle: &'a Handle,
    tasks: &'a TaskTracker,
}

impl Lanes {
    /// Starts the threads.
    pub(super) fn start() -> io::Result<Self> {
        let end = CancellationToken::new();
        let count = thread::available_parallelism().map_or(1, usize::from);
        let lanes = (0..count).map(|number| start(number, end.clone())).collect::<io::Result<_>>()?;
        Ok(Lanes { lanes, next: AtomicUsize::new(0), tasks: TaskTracker::new(), end })
    }

    /// The first one: requests are heard there.
    pub(super) fn first(&self) -> Lane<'_> {
        Lane { handle: &self.lanes[0], tasks: &self.tasks }
    }

    /// Each in turn.
    pub(super) fn next(&self) -> Lane<'_> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        Lane { handle: &self.lanes[turn % self.lanes.len()], tasks: &self.tasks }
    }

    /// Waits for all that runs on them, not for long.
    pub(super) async fn finish(&self) {
        self.tasks.close();
        // What is not over by then ends with its thread.
        let _ = tokio::time::timeout(GRACE, self.tasks.wait()).await;
    }
}

impl Lane<'_> {
    /// Sockets that are made while this is held belong to the lane.
    pub(super) fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    /// Runs something on it.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(work, self.handle);
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

fn start(number: usize, end: CancellationToken) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new().name(format!("tftp-{number}")).spawn(move || {
        runtime.block_on(end.cancelled());
        runtime.shutdown_background();
    })?;
    Ok(handle)
}

const GRACE: Duration = Duration::from_secs(1);
