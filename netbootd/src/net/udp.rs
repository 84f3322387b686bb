//! UDP sockets that know which own address a datagram came to, and speak from a chosen one (`IP_PKTINFO`).

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, RawFd};

use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// A UDP socket with its datagrams' own addresses.
#[derive(Debug)]
pub struct Endpoint {
    socket: UdpSocket,
}

/// Where a received datagram came from and to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Bytes written to the buffer; a longer datagram is cut.
    pub len: usize,
    /// The sender.
    pub from: SocketAddrV4,
    /// The destination in the datagram's header; may be a broadcast address.
    pub to: Ipv4Addr,
    /// The index of the receiving interface.
    pub ifindex: u32,
}

/// Where to speak from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// An own address.
    pub addr: Ipv4Addr,
    /// The interface to leave by; 0 lets the route decide.
    pub ifindex: u32,
}

impl Endpoint {
    /// Binds `addr`; with a device, only that interface's datagrams arrive and leave.
    pub fn bind(addr: SocketAddrV4, device: Option<&str>) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        socket.set_broadcast(true)?;
        if let Some(device) = device {
            socket.bind_device(Some(device.as_bytes()))?;
        }
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        socket.bind(&addr.into())?;
        Ok(Endpoint { socket: UdpSocket::from_std(socket.into())? })
    }

    /// The bound port.
    pub fn port(&self) -> io::Result<u16> {
        self.socket.local_addr().map(|addr| addr.port())
    }

    /// Waits for one datagram. An error is one datagram's (an ICMP report, a lost interface), never the end.
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<Received> {
        loop {
            self.socket.readable().await?;
            match self.try_recv(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
        }
    }

    /// One datagram if there is one, else `WouldBlock`.
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<Received> {
        self.socket.try_io(Interest::READABLE, || receive(self.socket.as_raw_fd(), buf))
    }

    /// Sends one datagram.
    pub async fn send(&self, bytes: &[u8], to: SocketAddrV4, source: Source) -> io::Result<()> {
        loop {
            self.socket.writable().await?;
            let sent = self.socket.try_io(Interest::WRITABLE, || {
                transmit(self.socket.as_raw_fd(), &[IoSlice::new(bytes)], to, source)
            });
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other.map(drop),
            }
        }
    }
}

fn receive(fd: RawFd, buf: &mut [u8]) -> io::Result<Received> {
    let mut control = nix::cmsg_space!(libc::in_pktinfo);
    let mut slices = [IoSliceMut::new(buf)];
    let message = recvmsg::<SockaddrIn>(fd, &mut slices, Some(&mut control), MsgFlags::empty())?;
    let from = message.address.map(SocketAddrV4::from).ok_or(io::ErrorKind::InvalidData)?;
    let (mut to, mut ifindex) = (Ipv4Addr::UNSPECIFIED, 0);
    for item in message.cmsgs()? {
        if let ControlMessageOwned::Ipv4PacketInfo(info) = item {
            to = Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr));
            ifindex = u32::try_from(info.ipi_ifindex).unwrap_or(0);
        }
    }
    Ok(Received { len: message.bytes, from, to, ifindex })
}

fn transmit(fd: RawFd, slices: &[IoSlice<'_>], to: SocketAddrV4, source: Source) -> io::Result<usize> {
    let info = libc::in_pktinfo {
        ipi_ifindex: i32::try_from(source.ifindex).unwrap_or(0),
        ipi_spec_dst: libc::in_addr { s_addr: u32::from(source.addr).to_be() },
        ipi_addr: libc::in_addr { s_addr: 0 },
    };
    let control = [ControlMessage::Ipv4PacketInfo(&info)];
    Ok(sendmsg(fd, slices, &control, MsgFlags::empty(), Some(&SockaddrIn::from(to)))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reply_leaves_from_the_address_that_was_asked() {
        let server = Endpoint::bind(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0), None).unwrap();
        let client = Endpoint::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0), None).unwrap();
        let asked = Ipv4Addr::new(127, 0, 0, 9);
        let any = Source { addr: Ipv4Addr::LOCALHOST, ifindex: 0 };
        client.send(b"ask", SocketAddrV4::new(asked, server.port().unwrap()), any).await.unwrap();

        let mut buf = [0; 16];
        let got = server.recv(&mut buf).await.unwrap();
        assert_eq!((&buf[..got.len], got.to), (b"ask".as_slice(), asked));
        assert_ne!(got.ifindex, 0);
        server.send(b"answer", got.from, Source { addr: got.to, ifindex: 0 }).await.unwrap();
        let got = client.recv(&mut buf).await.unwrap();
        assert_eq!((&buf[..got.len], *got.from.ip()), (b"answer".as_slice(), asked));
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error() {
        let first = Endpoint::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0), None).unwrap();
        let taken = SocketAddrV4::new(Ipv4Addr::LOCALHOST, first.port().unwrap());
        assert_eq!(Endpoint::bind(taken, None).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
