//! A socket that the runtime watches for what comes to it, and for nothing else.
//!
//! Each datagram that its receiver takes makes room in the sender's buffer; a task that watches for
//! writability would wake for every block, for nothing. So this socket watches for writability only
//! while a send waits for it.

use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use socket2::Socket;
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};

/// A socket whose readiness the runtime watches.
#[derive(Debug)]
pub(crate) struct Watched(AsyncFd<UdpSocket>);

impl Watched {
    /// A socket that never waits.
    pub(super) fn new(socket: Socket) -> io::Result<Self> {
        watch(socket.into(), HEARING).map(Watched)
    }

    /// Waits for a datagram or a report.
    pub(super) async fn heard(&self) -> io::Result<Ready> {
        self.0.ready(HEARING).await.map(|guard| guard.ready())
    }

    /// Receives of this kind until that gives `WouldBlock`.
    pub(super) fn try_receive<T>(
        &self,
        kind: Interest,
        receive: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        self.0.try_io(kind, |_| receive())
    }

    /// Sends; `WouldBlock` says that there is no room.
    pub(super) fn try_send<T>(&self, send: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        send()
    }

    /// Waits for room in the socket's buffer.
    pub(super) async fn room(&self) -> io::Result<()> {
        // A second handle of the same socket: the runtime watches each for one thing.
        let socket = self.0.get_ref().try_clone()?;
        watch(socket, Interest::WRITABLE)?.writable().await.map(drop)
    }
}

#[allow(unsafe_code)] // tokio's own sockets are watched for everything
fn watch(socket: UdpSocket, interest: Interest) -> io::Result<AsyncFd<UdpSocket>> {
    // SAFETY: a socket of Rust's library has one descriptor, the same and open as long as it lives,
    // and it lives in what is made here.
    Ok(unsafe { AsyncFd::register_with_interest(socket, interest) }?)
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }
}

impl AsRawFd for Watched {
    fn as_raw_fd(&self) -> RawFd {
        self.0.get_ref().as_raw_fd()
    }
}

/// The runtime keeps the two kinds of readiness apart: each is asked for, and cleared, by itself.
const HEARING: Interest = Interest::READABLE.add(Interest::ERROR);
