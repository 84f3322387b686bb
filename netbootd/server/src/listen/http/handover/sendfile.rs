//! Sending without bytes in this process, as far as the platform can.

use std::fs::File;
use std::io::{self, IoSlice};

use imagestore::platform::FileExt;
use tokio::net::TcpStream;

#[cfg(target_os = "linux")]
pub(super) use linux::{is_full, send_file, send_more};
#[cfg(not(target_os = "linux"))]
pub(super) use {copy as send_file, send as send_more};

#[cfg(target_os = "linux")]
mod linux {
    use super::*;

    use std::os::fd::AsFd;

    use nix::errno::Errno;
    use nix::libc;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use nix::sys::sendfile::sendfile64;
    use socket2::SockRef;

    /// Sends at most `count` bytes of a file without waiting for the client; 0 when the file has
    /// none there.
    pub(in super::super) fn send_file(
        stream: &TcpStream,
        file: &File,
        at: u64,
        count: usize,
    ) -> io::Result<usize> {
        let mut offset = i64::try_from(at).map_err(io::Error::other)?;
        match sendfile64(stream, file, Some(&mut offset), count) {
            Ok(sent) => Ok(sent),
            // A file system that only lets its files be read.
            Err(Errno::EINVAL | Errno::ENOSYS) => copy(stream, file, at, count),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Whether less than a third of the stream's buffer is free. The kernel tells once it is more,
    /// because it was asked (tcp_poll).
    pub(in super::super) fn is_full(stream: &TcpStream) -> bool {
        poll(&mut [PollFd::new(stream.as_fd(), PollFlags::POLLOUT)], PollTimeout::ZERO) == Ok(0)
    }

    /// Sends bytes that a file's follow at once, without waiting for the client: they leave
    /// together.
    pub(in super::super) fn send_more(stream: &TcpStream, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        SockRef::from(stream).send_vectored_with_flags(bufs, libc::MSG_MORE | libc::MSG_NOSIGNAL)
    }
}

/// Whether the stream's buffer is known to be full: elsewhere it is found out by trying again.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_full(_stream: &TcpStream) -> bool {
    false
}

/// Reads a piece of the file, and sends it.
pub(super) fn copy(stream: &TcpStream, file: &File, at: u64, count: usize) -> io::Result<usize> {
    let mut piece = vec![0; count.min(PIECE)];
    let read = file.read_at(&mut piece, at)?;
    if read == 0 { Ok(0) } else { send(stream, &[IoSlice::new(&piece[..read])]) }
}

/// Sends bytes of this process.
pub(super) fn send(stream: &TcpStream, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    socket2::SockRef::from(stream).send_vectored(bufs)
}

const PIECE: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_copy_sends_what_the_kernel_would() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, b"0123456789").unwrap();
        stream.writable().await.unwrap();
        for send in [send_file, copy] {
            assert_eq!(send(&stream, file.as_file(), 3, 4).unwrap(), 4);
            assert_eq!(send(&stream, file.as_file(), 8, 4).unwrap(), 2);
            assert_eq!(send(&stream, file.as_file(), 10, 4).unwrap(), 0);
        }
        drop(stream);
        let mut came = Vec::new();
        client.read_to_end(&mut came).await.unwrap();
        assert_eq!(came, b"345689345689");
    }
}
