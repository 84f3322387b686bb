//! A connection's bytes, to and from the client.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::net::TcpStream;

use super::exchange::Exchange;
use super::handover::Handover;
use crate::listen::stall::Stall;

/// The client's stream as hyper uses it.
pub(super) struct Stream {
    tcp: TokioIo<TcpStream>,
    exchange: Arc<Exchange>,
    files: Arc<Handover>,
    /// What was read before hyper came.
    ahead: Bytes,
    stall: Stall,
}

impl Stream {
    /// `ahead` has come already. A client that takes nothing for as long as `send_timeout` is left.
    pub(super) fn new(
        tcp: TcpStream,
        exchange: Arc<Exchange>,
        files: Arc<Handover>,
        ahead: Bytes,
        send_timeout: Duration,
    ) -> Self {
        Stream { tcp: TokioIo::new(tcp), exchange, files, ahead, stall: Stall::new(send_timeout) }
    }

    /// The socket, taken back from hyper.
    pub(super) fn into_tcp(self) -> TcpStream {
        self.tcp.into_inner()
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
        let written = this.files.poll_write(&mut this.tcp, cx, bufs);
        if written.is_ready() {
            this.stall.over();
        } else if this.stall.poll_too_long(cx).is_ready() {
            // What is queued would be kept, and offered to the client, for a quarter of an hour
            // more.
            let _ = SockRef::from(this.tcp.inner()).set_linger(Some(Duration::ZERO));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        written
    }

    /// The queue of hyper must not be copied together: see [`super::handover`].
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
