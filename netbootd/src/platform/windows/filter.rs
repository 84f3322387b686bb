//! Windows filters nothing for a socket: a flood of junk is read, and left alone.

use std::io;

use tokio::net::UdpSocket;

use super::Purpose;

pub(in crate::net) fn attach(_socket: &UdpSocket, _purpose: Purpose) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::net) fn detach(_socket: &UdpSocket) -> io::Result<()> {
    Ok(())
}
