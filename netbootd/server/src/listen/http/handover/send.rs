//! Sending a part of a file, or the bytes before one, without waiting for the client.

use std::cell::RefCell;
use std::fs;
use std::io::{self, IoSlice};
use std::sync::LazyLock;
use std::task::{Context, Poll, ready};

use tokio::io::Interest;
use tokio::net::TcpStream;

use super::Part;
use super::sendfile::{is_full, send, send_file, send_more};

/// Sends at most `count` bytes of a part of a file, which holds so many.
pub(super) fn poll_part(
    tcp: &TcpStream,
    cx: &mut Context<'_>,
    part: &Part,
    count: usize,
) -> Poll<io::Result<usize>> {
    let Some((file, start)) = part.content.file() else {
        return Poll::Ready(Err(io::Error::other("the file is not here")));
    };
    let left = part.left as u64 + part.after;
    let tail = if part.content.may_change() { tail() } else { 0 };
    if left <= tail {
        return poll_copy(tcp, cx, part, count);
    }
    let count = usize::try_from(left - tail).unwrap_or(usize::MAX).min(count);
    let unchanged = if count as u64 == left { part.content.check_unchanged() } else { Ok(()) };
    match unchanged {
        Ok(()) => try_send(tcp, cx, count, || send_file(tcp, file, start + part.at, count)),
        Err(changed) => Poll::Ready(Err(io::Error::other(changed))),
    }
}

/// Sends bytes that a file's follow at once: they leave together.
pub(super) fn poll_before_file(
    tcp: &TcpStream,
    cx: &mut Context<'_>,
    bufs: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    let count = bufs.iter().map(|buf| buf.len()).sum();
    try_send(tcp, cx, count, || send_more(tcp, bufs))
}

/// Sends a file's bytes as they are at this moment, and the last one only while the file is the one
/// that was opened.
///
/// sendfile reads bytes when they leave, and again when they are lost on the way: a writer could
/// change them in between. So a file's end is copied, as much of it as a socket holds: once all of
/// that but the last byte has been taken, the client has acknowledged everything before, and a
/// check tells for all of it.
fn poll_copy(tcp: &TcpStream, cx: &mut Context<'_>, part: &Part, count: usize) -> Poll<io::Result<usize>> {
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

/// Sends `count` bytes, or as many as there is room for. A full buffer is left to drain: a server
/// that fills each gap as it opens sends many small segments, and its client has the work of taking
/// them.
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

/// How many bytes of a file's end are copied: more than a socket holds, with what goes beyond its
/// bound.
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
