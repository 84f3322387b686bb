//! Datagrams and their control messages on the way to the kernel and from it, and what a socket is asked for them.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;

use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrLike, SockaddrStorage,
    getsockopt, recvmsg, sendmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::{Incoming, RECEIVE_BUFFER, Received, Source};

/// The kernel could not read the bytes that it was to send.
pub(crate) const EFAULT: i32 = libc::EFAULT;

/// A UDP socket that never waits, by one call.
pub(super) fn nonblocking(domain: Domain) -> io::Result<Socket> {
    Socket::new(domain, Type::DGRAM.nonblocking(), Some(Protocol::UDP))
}

/// Has the kernel keep word of what did not arrive.
pub(super) fn hear_errors(socket: &Socket, v4: bool) -> io::Result<()> {
    match v4 {
        true => Ok(setsockopt(socket, sockopt::Ipv4RecvErr, &true)?),
        false => Ok(setsockopt(socket, sockopt::Ipv6RecvErr, &true)?),
    }
}

/// Has each datagram come with the address that it was sent to.
pub(super) fn tell_destination(socket: &Socket, v4: bool) -> io::Result<()> {
    match v4 {
        true => Ok(setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?),
        false => Ok(setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?),
    }
}

/// Holds a socket to an interface, and gives what it is bound to then.
pub(super) fn hold_to(socket: &Socket, addr: SocketAddr, device: Option<&str>) -> io::Result<SocketAddr> {
    if let Some(device) = device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    Ok(addr)
}

/// Asks for a large buffer.
pub(super) fn make_room(socket: &Socket) {
    if !make_room_by_force(socket) {
        let _ = setsockopt(socket, sockopt::RcvBuf, &RECEIVE_BUFFER);
    }
}

/// Takes a buffer beyond the system's limit, if this process may.
pub(super) fn make_room_by_force(socket: &Socket) -> bool {
    setsockopt(socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_ok()
}

/// The MTU of a connected socket's route.
pub(super) fn mtu_of(socket: &std::net::UdpSocket) -> Option<i32> {
    getsockopt(socket, sockopt::IpMtu).ok()
}

/// Has each datagram come with the count of those that the socket has dropped.
pub(super) fn tell_dropped(socket: &Socket) -> io::Result<()> {
    Ok(setsockopt(socket, sockopt::RxqOvfl, &1)?)
}

/// The next datagram, and how many the socket has dropped so far.
pub(super) fn receive(socket: &UdpSocket, buf: &mut [u8]) -> io::Result<(Received, u32)> {
    let mut control = nix::cmsg_space!(libc::in6_pktinfo, u32);
    let mut slices = [IoSliceMut::new(buf)];
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::empty())?;
    let from = message.address.as_ref().and_then(inet).ok_or(io::ErrorKind::InvalidData)?;
    let (mut to, mut ifindex, mut dropped) = (unspecified(from), 0, 0);
    for item in message.cmsgs()? {
        match item {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                to = Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)).into();
                ifindex = u32::try_from(info.ipi_ifindex).unwrap_or(0);
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                to = Ipv6Addr::from(info.ipi6_addr.s6_addr).into();
                ifindex = info.ipi6_ifindex;
            }
            ControlMessageOwned::RxqOvfl(count) => dropped = count,
            _ => {}
        }
    }
    Ok((Received { len: message.bytes, from, to, ifindex }, dropped))
}

/// Takes the oldest report from the socket's error queue. Its address is where our datagram was sent.
pub(super) fn unreachable(socket: &UdpSocket) -> io::Result<Incoming> {
    let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
    let mut start = [0; 64];
    let mut slices = [IoSliceMut::new(&mut start)];
    let message = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut slices,
        Some(&mut control),
        MsgFlags::MSG_ERRQUEUE,
    )?;
    let addr = message.address.as_ref().and_then(inet).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Incoming::Unreachable(addr))
}

fn inet(addr: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = addr.as_sockaddr_in().map(|addr| SocketAddr::V4(SocketAddrV4::from(*addr)));
    v4.or_else(|| addr.as_sockaddr_in6().map(|addr| SocketAddr::V6(SocketAddrV6::from(*addr))))
}

fn unspecified(like: SocketAddr) -> IpAddr {
    match like {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

pub(super) fn transmit(
    socket: &UdpSocket,
    slices: &[IoSlice<'_>],
    segment: Option<u16>,
    to: SocketAddr,
    source: Source,
) -> io::Result<usize> {
    let fd = socket.as_raw_fd();
    let size = segment.as_ref().map(ControlMessage::UdpGsoSegments);
    match (to, source.addr) {
        (SocketAddr::V4(to), IpAddr::V4(addr)) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: i32::try_from(source.ifindex).unwrap_or(0),
                ipi_spec_dst: libc::in_addr { s_addr: u32::from(addr).to_be() },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            let from = (source != Source::BOUND).then_some(ControlMessage::Ipv4PacketInfo(&info));
            send_with(fd, slices, from, size, &SockaddrIn::from(to))
        }
        (SocketAddr::V6(to), IpAddr::V6(addr)) => {
            let info = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: addr.octets() },
                ipi6_ifindex: source.ifindex,
            };
            let from = Some(ControlMessage::Ipv6PacketInfo(&info));
            send_with(fd, slices, from, size, &SockaddrIn6::from(to))
        }
        (SocketAddr::V6(to), _) if source == Source::BOUND => {
            send_with(fd, slices, None, size, &SockaddrIn6::from(to))
        }
        _ => Err(io::ErrorKind::AddrNotAvailable.into()),
    }
}

fn send_with<A: SockaddrLike>(
    fd: i32,
    slices: &[IoSlice<'_>],
    from: Option<ControlMessage<'_>>,
    size: Option<ControlMessage<'_>>,
    to: &A,
) -> io::Result<usize> {
    let sent = match (from, size) {
        (Some(from), Some(size)) => sendmsg(fd, slices, &[from, size], MsgFlags::empty(), Some(to)),
        (Some(one), None) | (None, Some(one)) => sendmsg(fd, slices, &[one], MsgFlags::empty(), Some(to)),
        (None, None) => sendmsg(fd, slices, &[], MsgFlags::empty(), Some(to)),
    };
    Ok(sent?)
}
