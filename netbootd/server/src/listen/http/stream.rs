//! A connection's bytes, to and from the client.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::exchange::Exchange;
use super::handover::Handover;
use crate::listen::stall::Stall;

/// A client's connection, with TLS around it or without.
pub(super) enum Transport {
    /// Bytes as they are; the kernel sends files.
    Plain(TokioIo<TcpStream>),
    /// Bytes that are encrypted here.
    Tls(TokioIo<Box<TlsStream<TcpStream>>>),
}

impl Transport {
    /// A connection in clear text.
    pub(super) fn plain(tcp: TcpStream) -> Self {
        Transport::Plain(TokioIo::new(tcp))
    }

    /// HTTPS, after the handshake.
    pub(super) fn tls(stream: Box<TlsStream<TcpStream>>) -> Self {
        Transport::Tls(TokioIo::new(stream))
    }

    /// The socket beneath, of either kind.
    pub(super) fn tcp(&self) -> &TcpStream {
        match self {
            Transport::Plain(tcp) => tcp.inner(),
            Transport::Tls(stream) => stream.inner().get_ref().0,
        }
    }
}

/// The client's stream as hyper uses it.
pub(super) struct Stream {
    transport: Transport,
    exchange: Arc<Exchange>,
    files: Arc<Handover>,
    /// Bytes that were read before hyper came.
    ahead: Bytes,
    stall: Stall,
}

impl Stream {
    /// `ahead` has come already. A client that takes nothing for as long as `send_timeout` is left.
    pub(super) fn new(
        transport: Transport,
        exchange: Arc<Exchange>,
        files: Arc<Handover>,
        ahead: Bytes,
        send_timeout: Duration,
    ) -> Self {
        Stream { transport, exchange, files, ahead, stall: Stall::new(send_timeout) }
    }

    /// The connection, taken back from hyper.
    pub(super) fn into_transport(self) -> Transport {
        self.transport
    }

    /// Leaves a client that takes nothing for too long. The kernel would keep queued bytes, and
    /// offer them to the client, for a quarter of an hour more.
    fn poll_patience<T>(&mut self, cx: &mut Context<'_>, sent: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if sent.is_ready() {
            self.stall.over();
        } else if self.stall.poll_too_long(cx).is_ready() {
            let _ = SockRef::from(self.transport.tcp()).set_linger(Some(Duration::ZERO));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        sent
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
        let read = match &mut this.transport {
            Transport::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Transport::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        };
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
        let written = match &mut this.transport {
            Transport::Plain(tcp) => this.files.poll_write(tcp, cx, bufs),
            // No file is handed over here: each byte is encrypted first.
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        };
        this.poll_patience(cx, written)
    }

    /// The queue of hyper must not be copied together: see [`super::handover`].
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = match &mut this.transport {
            Transport::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            // Encrypted bytes may still wait here for the socket.
            Transport::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        ready!(this.poll_patience(cx, flushed))?;
        this.exchange.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().transport {
            Transport::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
