//! A connection's bytes, to and from the client.

use std::cell::RefCell;
use std::fs;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use netbootd_telemetry::event::SharedError;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::exchange::{Exchange, Part, stands_in};
use super::sendfile::{is_full, send, send_file, send_more};
use crate::listen::stall::Stall;

/// The client's stream as hyper uses it.
pub(super) struct Stream {
    tcp: TokioIo<TcpStream>,
    exchange: Arc<Exchange>,
    /// What was read before hyper came.
    ahead: Bytes,
    /// Bytes of files since others had their turn.
    turn: usize,
    stall: Stall,
}

impl Stream {
    /// `ahead` has come already. A client that takes nothing for as long as `send_timeout` is left.
    pub(super) fn new(tcp: TcpStream, exchange: Arc<Exchange>, ahead: Bytes, send_timeout: Duration) -> Self {
        Stream { tcp: TokioIo::new(tcp), exchange, ahead, turn: 0, stall: Stall::new(send_timeout) }
    }

    /// What hyper used.
    pub(super) fn into_tcp(self) -> TcpStream {
        self.tcp.into_inner()
    }

    /// Sends a stretch of the file that is next on the list, at most `count` bytes.
    fn poll_send_file(&mut self, cx: &mut Context<'_>, count: usize) -> Poll<io::Result<usize>> {
        if self.turn >= TURN {
            self.turn = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(part) = self.exchange.next() else {
            return Poll::Ready(Err(io::Error::other("no file is to be sent")));
        };
        let Some((file, start)) = part.content.file() else {
            return Poll::Ready(Err(io::Error::other("the file is not here")));
        };
        let tcp = self.tcp.inner();
        let count = count.min(part.left);
        let left = part.left as u64 + part.after;
        let tail = if part.content.may_change() { tail() } else { 0 };
        let sent = if left <= tail {
            poll_send_copy(tcp, cx, &part, count)
        } else {
            let count = usize::try_from(left - tail).unwrap_or(usize::MAX).min(count);
            let unchanged = if count as u64 == left { part.content.check_unchanged() } else { Ok(()) };
            match unchanged {
                Ok(()) => try_send(tcp, cx, count, || send_file(tcp, file, start + part.at, count)),
                Err(changed) => Poll::Ready(Err(io::Error::other(changed))),
            }
        };
        match sent {
            Poll::Ready(Ok(sent)) if sent > 0 => {
                self.turn += sent;
                self.exchange.sent(sent);
                Poll::Ready(Ok(sent))
            }
            Poll::Ready(Ok(_)) => Poll::Ready(Err(self.give_up(&part, io::ErrorKind::UnexpectedEof.into()))),
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.give_up(&part, error))),
            Poll::Pending => {
                self.turn = 0;
                Poll::Pending
            }
        }
    }

    /// Whether it is the file that ends a transfer, or the client, only the file can tell. The length is promised already; only closing
    /// the connection tells the client.
    fn give_up(&self, part: &Part, error: io::Error) -> io::Error {
        self.exchange.clear();
        match part.content.read_exact_at(part.at, &mut [0]).and_then(|()| part.content.check_unchanged()) {
            Ok(()) => error,
            Err(unread) => {
                let unread = SharedError::new(unread);
                part.record.failed(unread.clone(), &part.content);
                io::Error::other(unread)
            }
        }
    }
}

/// Sends a file's bytes as they are at this moment, and the last one only while the file is the one that was opened.
///
/// What the kernel sends by itself it reads when it leaves, and again when it is lost on the way: a writer changes it under way. So a
/// file's end is copied, as much of it as a socket holds: once all of that but the last byte has been taken, the client has acknowledged
/// everything before, and a check tells for all of it.
fn poll_send_copy(
    tcp: &TcpStream,
    cx: &mut Context<'_>,
    part: &Part,
    count: usize,
) -> Poll<io::Result<usize>> {
    ready!(tcp.poll_write_ready(cx))?;
    BUFFER.with_borrow_mut(|buffer| {
        let count = count.min(PIECE);
        buffer.resize(PIECE, 0);
        let bytes = &mut buffer[..count];
        let ends = count as u64 == part.left as u64 + part.after;
        let read = part.content.read_exact_at(part.at, bytes);
        let read = read.and_then(|()| if ends { part.content.check_unchanged() } else { Ok(()) });
        match read {
            Ok(()) => try_send(tcp, cx, count, || send(tcp, &[IoSlice::new(bytes)])),
            Err(error) => Poll::Ready(Err(io::Error::other(error))),
        }
    })
}

/// Sends `count` bytes, or as many as there is room for. A full buffer is left to drain: whoever fills each gap as it opens sends many small
/// segments, and its client has the work of taking them.
fn try_send(
    tcp: &TcpStream,
    cx: &mut Context<'_>,
    count: usize,
    mut send: impl FnMut() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(tcp.poll_write_ready(cx))?;
        let mut sent = 0;
        let done = tcp.try_io(Interest::WRITABLE, || {
            sent = send()?;
            if sent > 0 && sent < count && is_full(tcp) {
                Err(io::ErrorKind::WouldBlock.into())
            } else {
                Ok(sent)
            }
        });
        match done {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && sent > 0 => {
                return Poll::Ready(Ok(sent));
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            done => return Poll::Ready(done),
        }
    }
}

impl Read for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.ahead.is_empty() {
            let length = this.ahead.len().min(buf.remaining());
            buf.put_slice(&this.ahead[..length]);
            this.ahead.advance(length);
            this.exchange.starved(false);
            return Poll::Ready(Ok(()));
        }
        let read = Pin::new(&mut this.tcp).poll_read(cx, buf);
        this.exchange.starved(read.is_pending());
        read
    }
}

impl Write for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.exchange.check()?;
        let written = match bufs.iter().position(stands_in) {
            None => Pin::new(&mut this.tcp).poll_write_vectored(cx, bufs),
            Some(0) => this.poll_send_file(cx, bufs[0].len()),
            Some(before) => {
                let tcp = this.tcp.inner();
                let count = bufs[..before].iter().map(|buf| buf.len()).sum();
                try_send(tcp, cx, count, || send_more(tcp, &bufs[..before]))
            }
        };
        if written.is_ready() {
            this.stall.over();
        } else if this.stall.poll_too_long(cx).is_ready() {
            // What is queued would be kept, and offered to the client, for a quarter of an hour more.
            let _ = SockRef::from(this.tcp.inner()).set_linger(Some(Duration::ZERO));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        written
    }

    /// The queue of hyper must not be copied together: see [`super::exchange`].
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.exchange.flushed();
        Pin::new(&mut this.tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}

/// How many bytes of a file's end are copied: more than a socket holds, with what goes beyond its bound.
fn tail() -> u64 {
    static TAIL: LazyLock<u64> = LazyLock::new(|| {
        let bounds = fs::read_to_string("/proc/sys/net/ipv4/tcp_wmem").unwrap_or_default();
        let most = bounds.split_whitespace().last().and_then(|most| most.parse().ok());
        most.unwrap_or(USUAL_BUFFER) + BEYOND
    });
    *TAIL
}

thread_local! {
    /// Holds what one sending copies.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Copied at a time, in bytes: they stay in the processor's cache.
const PIECE: usize = 128 << 10;
/// Linux's own bound for a socket's bytes on their way, and how far one call may go beyond it.
const USUAL_BUFFER: u64 = 4 << 20;
const BEYOND: u64 = 256 << 10;
/// After so many bytes of files in a row, other connections of the thread have their turn: some milliseconds, for a client that never makes
/// the server wait.
const TURN: usize = 8 << 20;
