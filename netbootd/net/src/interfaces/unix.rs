//! The kernel's notices about links and addresses (rtnetlink).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A socket that receives a notice for each link or address that comes, changes or goes.
#[derive(Debug)]
pub(super) struct Notices(AsyncFd<OwnedFd>);

impl Notices {
    /// Opens the socket. Must run inside the runtime.
    pub(super) fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
        Ok(Notices(AsyncFd::with_interest(socket, Interest::READABLE)?))
    }

    /// Waits for a notice, and takes those that came with it. What changed is not read: the caller
    /// lists the interfaces again.
    pub(super) async fn next(&self) -> io::Result<()> {
        let mut ready = self.0.readable().await?;
        let mut notice = [0; 256];
        loop {
            match recv(self.0.as_raw_fd(), &mut notice, MsgFlags::MSG_TRUNC) {
                Ok(_) | Err(Errno::EINTR) => {}
                // More came than the socket holds: something changed all the same.
                Err(Errno::ENOBUFS) => {}
                Err(Errno::EAGAIN) => {
                    ready.clear_ready();
                    return Ok(());
                }
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

/// Links, and the addresses of both families (rtnetlink(7)).
const GROUPS: u32 = (libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR) as u32;
