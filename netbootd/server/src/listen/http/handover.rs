//! The hand-over of a connection's socket to sendfile.
//!
//! Bytes of a file never come into this process. Its body hands hyper a [`Data`] that only stands
//! for them, and puts the file on the connection's list; what hyper writes comes here, and where
//! its bytes stand for a file, which their address tells, the kernel sends the file instead. Bytes
//! that only stand for others cannot leave: code that takes them in another way breaks the
//! connection before it writes them.

mod send;
mod sendfile;

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use hyper::rt::Write;
use hyper_util::rt::TokioIo;
use netbootd_content::Content;
use netbootd_telemetry::event::SharedError;
use parking_lot::{Mutex, MutexGuard};
use tokio::net::TcpStream;

use super::record::Record;

/// The files that one connection still has to send, and the way in which they leave.
#[derive(Default)]
pub(super) struct Handover(Mutex<State>);

#[derive(Default)]
struct State {
    parts: VecDeque<Part>,
    /// Bytes that the kernel has sent and hyper has not yet taken off what stands for them.
    owed: usize,
    /// Bytes that only stand for others were taken.
    broken: bool,
    /// Bytes of files since other connections had their turn.
    turn: usize,
}

/// A part of a file that waits to be sent.
#[derive(Clone)]
pub(super) struct Part {
    /// The file that the kernel reads from.
    pub(super) content: Arc<Content>,
    /// The first byte that is still to be sent.
    pub(super) at: u64,
    /// How many, never 0.
    pub(super) left: usize,
    /// How many of the answer come after it.
    pub(super) after: u64,
    /// Where it is recorded.
    pub(super) record: Record,
}

/// A piece of a body.
pub(super) enum Data {
    /// Bytes; those of a file are recorded when they leave.
    Held(Bytes, Option<Record>),
    /// So many bytes of the file that is next on the connection's list.
    InFile(usize, Arc<Handover>),
}

impl Handover {
    /// Puts a part of a file on the list; gives what stands for it.
    pub(super) fn queue(self: &Arc<Self>, part: Part) -> Data {
        let data = Data::InFile(part.left, Arc::clone(self));
        self.lock().parts.push_back(part);
        data
    }

    /// Writes what hyper writes: a file where bytes stand for it, and other bytes as they are.
    pub(super) fn poll_write(
        &self,
        tcp: &mut TokioIo<TcpStream>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        match bufs.iter().position(stands_in) {
            None => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Some(0) => self.poll_send_file(tcp.inner(), cx, bufs[0].len()),
            Some(before) => send::poll_before_file(tcp.inner(), cx, &bufs[..before]),
        }
    }

    /// Sends a stretch of the file that is next on the list, at most `count` bytes.
    fn poll_send_file(&self, tcp: &TcpStream, cx: &mut Context<'_>, count: usize) -> Poll<io::Result<usize>> {
        if self.turn_is_over() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(part) = self.next() else {
            return Poll::Ready(Err(io::Error::other("no file is to be sent")));
        };
        match send::poll_part(tcp, cx, &part, count.min(part.left)) {
            Poll::Ready(Ok(sent)) if sent > 0 => {
                self.sent(sent);
                Poll::Ready(Ok(sent))
            }
            Poll::Ready(Ok(_)) => Poll::Ready(Err(self.give_up(&part, io::ErrorKind::UnexpectedEof.into()))),
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.give_up(&part, error))),
            Poll::Pending => {
                self.lock().turn = 0;
                Poll::Pending
            }
        }
    }

    /// Whether other connections of the thread have their turn now.
    fn turn_is_over(&self) -> bool {
        let mut state = self.lock();
        let over = state.turn >= TURN;
        if over {
            state.turn = 0;
        }
        over
    }

    fn next(&self) -> Option<Part> {
        self.lock().parts.front().cloned()
    }

    /// So many bytes of the next part have left.
    fn sent(&self, count: usize) {
        let mut state = self.lock();
        state.turn += count;
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

    /// Only the file can tell whether it ends a transfer, or the client does. The length is
    /// promised already, so closing the connection is all that tells the client.
    fn give_up(&self, part: &Part, error: io::Error) -> io::Error {
        self.clear();
        match part.content.read_exact_at(part.at, &mut [0]).and_then(|()| part.content.check_unchanged()) {
            Ok(()) => error,
            Err(unread) => {
                let unread = SharedError::new(unread);
                part.record.failed(unread.clone(), &part.content);
                io::Error::other(unread)
            }
        }
    }

    /// Nothing more is sent.
    fn clear(&self) {
        let parts = std::mem::take(&mut self.lock().parts);
        // Their records may end now.
        drop(parts);
    }

    /// Fails once bytes were taken that only stand for others.
    fn check(&self) -> io::Result<()> {
        match self.lock().broken {
            true => Err(io::Error::other("bytes that stand for a file's were taken for the file's")),
            false => Ok(()),
        }
    }

    fn consume(&self, count: usize) {
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
            Data::InFile(left, files) => {
                files.consume(count);
                *left -= count;
            }
        }
    }
}

/// Whether bytes only stand for a file's.
fn stands_in(bytes: &IoSlice<'_>) -> bool {
    STAND_IN.as_ptr_range().contains(&bytes.as_ptr())
}

/// Never written and never read, so it takes addresses and no memory. As long as the longest
/// stretch that the kernel is asked to send at a time: on a cold disk that is as long as a thread
/// waits, some ten milliseconds.
static STAND_IN: LazyLock<Box<[u8]>> = LazyLock::new(|| vec![0; 1 << 20].into_boxed_slice());

/// After so many bytes of files in a row, other connections of the thread have their turn: some
/// milliseconds, for a client that never makes the server wait.
const TURN: usize = 8 << 20;

#[cfg(test)]
mod tests;
