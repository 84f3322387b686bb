//! The kernel's notices about links and addresses (rtnetlink). By hand: if-watch brings a netlink
//! stack of its own for these forty lines, and reports addresses alone.

use std::io;
use std::os::fd::AsRawFd;

use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// A socket that receives a notice for each link or address that comes, changes or goes. The
/// runtime knows it as one of UDP, of which it asks for readiness alone.
#[derive(Debug)]
pub(super) struct Notices(UdpSocket);

impl Notices {
    /// Opens the socket. Must run inside the runtime.
    pub(super) fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
        Ok(Notices(UdpSocket::from_std(socket.into())?))
    }

    /// Waits for a notice, and takes those that came with it. Their contents are not read: the
    /// caller lists the interfaces again.
    pub(super) async fn next(&self) -> io::Result<()> {
        self.0.readable().await?;
        loop {
            match self.0.try_io(Interest::READABLE, || self.discard()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // More came than the socket holds: something changed all the same.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn discard(&self) -> io::Result<()> {
        recv(self.0.as_raw_fd(), &mut [0; 256], MsgFlags::MSG_TRUNC)?;
        Ok(())
    }
}

/// Links, and the addresses of both families (rtnetlink(7)).
const GROUPS: u32 = (libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR) as u32;
