//! Clients that take nothing of what is sent to them.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How long a client has taken nothing. Costs nothing while it takes what it gets.
#[derive(Debug)]
pub(super) struct Stall {
    timeout: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    is_stalled: bool,
}

impl Stall {
    /// The client takes something.
    pub(super) fn new(timeout: Duration) -> Self {
        Stall { timeout, timer: None, is_stalled: false }
    }

    /// The client has taken something.
    pub(super) fn over(&mut self) {
        self.is_stalled = false;
    }

    /// The client takes nothing: ready once that has been so for too long.
    pub(super) fn poll_too_long(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timeout = self.timeout;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
        if !std::mem::replace(&mut self.is_stalled, true) {
            timer.as_mut().reset(Instant::now() + timeout);
        }
        timer.as_mut().poll(cx)
    }
}

/// A stream whose writes fail once the other end takes nothing for too long.
#[derive(Debug)]
pub struct Impatient<S> {
    stream: S,
    stall: Stall,
}

impl<S> Impatient<S> {
    /// A write that makes no progress for as long as `timeout` fails.
    pub fn new(stream: S, timeout: Duration) -> Self {
        Impatient { stream, stall: Stall::new(timeout) }
    }

    fn held<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.stall.over();
            return done;
        }
        self.stall.poll_too_long(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.held(cx, done)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.held(cx, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_flush(cx);
        this.held(cx, done)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.held(cx, done)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_write_that_nobody_reads_fails_in_time_and_one_that_is_read_goes_on() {
        let (near, mut far) = tokio::io::duplex(10);
        let mut stream = Impatient::new(near, Duration::from_millis(200));
        let reader = tokio::spawn(async move {
            far.read_exact(&mut [0; 1000]).await.unwrap();
            far
        });
        stream.write_all(&[7; 1000]).await.unwrap();
        let _open = reader.await.unwrap();
        let error = stream.write_all(&[7; 20]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
