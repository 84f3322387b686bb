//! What the parts of one connection share: the files that wait to be sent, and whether a request is being answered.
//!
//! Bytes of a file never come into this process. Its body hands hyper a [`Data`] that only stands for them, and puts the file on the
//! connection's list; the connection's stream knows what stands for a file by its address, and has the kernel send the file instead.
//! Bytes that only stand for others cannot leave: whoever takes them in another way than through the stream breaks the connection before
//! it writes them.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::{Arc, LazyLock};

use bytes::{Buf, Bytes};
use netbootd_content::Content;

use parking_lot::{Mutex, MutexGuard};

use super::record::Record;

/// The shared state of one connection.
#[derive(Default)]
pub(super) struct Exchange(Mutex<State>);

#[derive(Default)]
struct State {
    parts: VecDeque<Part>,
    /// Bytes that the stream has sent and hyper has not yet taken off what stands for them.
    owed: usize,
    /// Somebody has taken bytes that only stand for others.
    broken: bool,
    phase: Phase,
    /// Whoever reads waits for the client.
    starved: bool,
}

/// How far the last request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    /// There is none, or the answer to it has left.
    #[default]
    Silent,
    /// hyper has not had all of the answer yet.
    Answering,
    /// hyper has it, and sends it.
    Flushing,
}

/// A part of a file that waits to be sent.
#[derive(Clone)]
pub(super) struct Part {
    /// The file.
    pub(super) content: Arc<Content>,
    /// The first byte.
    pub(super) at: u64,
    /// How many, never 0.
    pub(super) left: usize,
    /// How many of the answer come after it.
    pub(super) after: u64,
    /// Where it is recorded.
    pub(super) record: Record,
}

/// Held by whoever answers a request, until hyper has all of the answer.
pub(super) struct Answering(Arc<Exchange>);

/// A piece of a body.
pub(super) enum Data {
    /// Bytes; those of a file are recorded when they leave.
    Held(Bytes, Option<Record>),
    /// So many bytes of the file that is next on the connection's list.
    InFile(usize, Arc<Exchange>),
}

impl Exchange {
    /// A request has come.
    pub(super) fn answers(self: &Arc<Self>) -> Answering {
        self.lock().phase = Phase::Answering;
        Answering(Arc::clone(self))
    }

    /// Puts a part of a file on the list; gives what stands for it.
    pub(super) fn queue(self: &Arc<Self>, part: Part) -> Data {
        let data = Data::InFile(part.left, Arc::clone(self));
        self.lock().parts.push_back(part);
        data
    }

    /// What is to be sent next.
    pub(super) fn next(&self) -> Option<Part> {
        self.lock().parts.front().cloned()
    }

    /// So many bytes of it have left.
    pub(super) fn sent(&self, count: usize) {
        let mut state = self.lock();
        state.owed += count;
        let Some(part) = state.parts.front_mut() else { return };
        part.at += count as u64;
        part.left = part.left.saturating_sub(count);
        part.record.sent(count as u64);
        let done = if part.left == 0 { state.parts.pop_front() } else { None };
        // Its record may end now, which takes longer than the list may be held.
        drop(state);
        drop(done);
    }

    /// Nothing more will be sent.
    pub(super) fn clear(&self) {
        let parts = std::mem::take(&mut self.lock().parts);
        // Their records may end now.
        drop(parts);
    }

    /// Fails once bytes were taken that only stand for others.
    pub(super) fn check(&self) -> io::Result<()> {
        match self.lock().broken {
            true => Err(io::Error::other("bytes that stand for a file's were taken for the file's")),
            false => Ok(()),
        }
    }

    /// Whoever reads waits for the client, or has got something.
    pub(super) fn starved(&self, starved: bool) {
        self.lock().starved = starved;
    }

    /// Everything that hyper had has left.
    pub(super) fn flushed(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Flushing {
            state.phase = Phase::Silent;
        }
    }

    /// Whether nothing is left to be done until the client speaks.
    pub(super) fn is_silent(&self) -> bool {
        let state = self.lock();
        state.phase == Phase::Silent && state.starved
    }

    fn take(&self, count: usize) {
        let mut state = self.lock();
        match state.owed.checked_sub(count) {
            Some(owed) => state.owed = owed,
            None => state.broken = true,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.lock().phase = Phase::Flushing;
    }
}

impl Buf for Data {
    fn remaining(&self) -> usize {
        match self {
            Data::Held(bytes, _) => bytes.len(),
            Data::InFile(left, _) => *left,
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Data::Held(bytes, _) => bytes,
            Data::InFile(left, _) => &STAND_IN[..STAND_IN.len().min(*left)],
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Data::Held(bytes, record) => {
                bytes.advance(count);
                if let Some(record) = record {
                    record.sent(count as u64);
                }
            }
            Data::InFile(left, exchange) => {
                exchange.take(count);
                *left -= count;
            }
        }
    }
}

/// Whether bytes only stand for a file's.
pub(super) fn stands_in(bytes: &IoSlice<'_>) -> bool {
    STAND_IN.as_ptr_range().contains(&bytes.as_ptr())
}

/// Never written and never read, so it takes addresses and no memory. As long as the longest stretch that the kernel is asked to send
/// at a time: on a cold disk that is as long as a thread waits, some ten milliseconds.
static STAND_IN: LazyLock<Box<[u8]>> = LazyLock::new(|| vec![0; 1 << 20].into_boxed_slice());

#[cfg(test)]
mod tests;
