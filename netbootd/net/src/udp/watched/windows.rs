//! A socket that the runtime watches for what comes to it; Windows tells of room in its buffer only
//! who asks for that.

use std::io;
use std::os::windows::io::{AsRawSocket, AsSocket, BorrowedSocket, RawSocket};

use socket2::Socket;
use tokio::io::{Interest, Ready};
use tokio::net::UdpSocket;

/// A socket whose readiness the runtime watches.
#[derive(Debug)]
pub(crate) struct Watched(UdpSocket);

impl Watched {
    /// A socket that never waits.
    pub(super) fn new(socket: Socket) -> io::Result<Self> {
        UdpSocket::from_std(socket.into()).map(Watched)
    }

    /// Waits for a datagram or a report.
    pub(super) async fn heard(&self) -> io::Result<Ready> {
        self.0.ready(HEARING).await
    }

    /// Receives of this kind until that gives `WouldBlock`.
    pub(super) fn try_receive<T>(
        &self,
        kind: Interest,
        receive: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        self.0.try_io(kind, receive)
    }

    /// Sends; `WouldBlock` says that there is no room.
    pub(super) fn try_send<T>(&self, send: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.0.try_io(Interest::WRITABLE, send)
    }

    /// Waits for room in the socket's buffer.
    pub(super) async fn room(&self) -> io::Result<()> {
        self.0.writable().await
    }
}

impl AsSocket for Watched {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        self.0.as_socket()
    }
}

impl AsRawSocket for Watched {
    fn as_raw_socket(&self) -> RawSocket {
        self.0.as_raw_socket()
    }
}

const HEARING: Interest = Interest::READABLE.add(Interest::ERROR);
