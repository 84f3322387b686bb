//! A connection's bytes, to and from the client.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::exchange::{Exchange, Part, stands_in};
use super::sendfile::{is_full, send_file, send_more};

/// The client's stream as hyper uses it.
pub(super) struct Stream {
    tcp: TokioIo<TcpStream>,
    exchange: Arc<Exchange>,
    /// What was read before hyper came.
    ahead: Bytes,
    /// Bytes of files since others had their turn.
    turn: usize,
}

impl Stream {
    /// `ahead` has come already.
    pub(super) fn new(tcp: TcpStream, exchange: Arc<Exchange>, ahead: Bytes) -> Self {
        Stream { tcp: TokioIo::new(tcp), exchange, ahead, turn: 0 }
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
        let Some(file) = part.content.file() else {
            return Poll::Ready(Err(io::Error::other("the file is not here")));
        };
        let tcp = self.tcp.inner();
        let count = count.min(part.left);
        let sent = try_send(tcp, cx, count, || send_file(tcp, file, part.at, count));
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
        match part.content.read_exact_at(part.at, &mut [0]) {
            Ok(()) => error,
            Err(unread) => {
                part.record.failed(unread.to_string(), &part.content);
                io::Error::other(unread)
            }
        }
    }
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
        match bufs.iter().position(stands_in) {
            None => Pin::new(&mut this.tcp).poll_write_vectored(cx, bufs),
            Some(0) => this.poll_send_file(cx, bufs[0].len()),
            Some(before) => {
                let tcp = this.tcp.inner();
                let count = bufs[..before].iter().map(|buf| buf.len()).sum();
                try_send(tcp, cx, count, || send_more(tcp, &bufs[..before]))
            }
        }
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

/// After so many bytes of files in a row, other connections of the thread have their turn: some milliseconds, for a client that never makes
/// the server wait.
const TURN: usize = 8 << 20;
