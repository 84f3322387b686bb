//! Unicast to a client that cannot answer ARP yet: Windows lets no program send Ethernet frames
//! without a driver of its own, so such clients are answered by broadcast.

use std::io;
use std::net::SocketAddrV4;

use pxe_policy::MacAddr;

/// A raw socket, which Windows does not have.
#[derive(Debug)]
pub enum FrameSender {}

impl FrameSender {
    /// Reports that there are no raw frames.
    pub fn open() -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "Windows sends no raw frames"))
    }

    /// Never called: there is no sender.
    pub fn send(
        &self,
        _ifindex: u32,
        _mac: MacAddr,
        _from: SocketAddrV4,
        _to: SocketAddrV4,
        _payload: &[u8],
    ) -> io::Result<()> {
        match *self {}
    }
}
