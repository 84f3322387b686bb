//! Datagrams and their control messages on the way to the kernel and from it, and what a socket is
//! asked for them.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;

use nix::libc;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, getsockopt,
    recvmmsg, recvmsg, sendmmsg, sendmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::{Incoming, RECEIVE_BUFFER, Received, SEND_BUFFER, Source, Watched};

/// The kernel could not read the bytes that it was to send.
pub const EFAULT: i32 = libc::EFAULT;

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

/// A socket that sends from another's port and by its interface. It is connected to an address that
/// nobody sends from, so that the other one goes on to receive everything.
pub(super) fn beside(other: &Watched) -> io::Result<Socket> {
    let other = SockRef::from(other);
    let local = other.local_addr()?.as_socket().ok_or(io::ErrorKind::InvalidInput)?;
    let device = other.device()?;
    let socket = nonblocking(Domain::for_address(local))?;
    if local.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if let Some(device) = &device {
        socket.bind_device(Some(device))?;
    }
    // Both have to agree to share the port, and only while it is bound: no other program may share
    // it.
    let shared = other.reuse_address()?;
    other.set_reuse_address(true)?;
    socket.set_reuse_address(true)?;
    let bound = socket.bind(&local.into());
    other.set_reuse_address(shared)?;
    socket.set_reuse_address(shared)?;
    bound?;
    socket.connect(&nobody(local.is_ipv4(), device.as_deref())?.into())?;
    make_send_room(&socket);
    Ok(socket)
}

/// Lets sockets of the same user bind the port that this one has or gets (`SO_REUSEPORT`).
pub(super) fn share_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

/// An address with the discard port. One of IPv6 has to be of the interface's link: ::1 cannot be
/// reached by it.
fn nobody(v4: bool, device: Option<&[u8]>) -> io::Result<SocketAddr> {
    let scope = match device {
        _ if v4 => return Ok((Ipv4Addr::LOCALHOST, DISCARD).into()),
        None => return Ok((Ipv6Addr::LOCALHOST, DISCARD).into()),
        Some(device) => if_nametoindex(device)?,
    };
    Ok(SocketAddrV6::new(NOBODY, DISCARD, 0, scope).into())
}

/// Asks for large buffers.
pub(super) fn make_room(socket: &Socket) {
    if !make_room_by_force(socket) {
        let _ = setsockopt(socket, sockopt::RcvBuf, &RECEIVE_BUFFER);
        make_send_room(socket);
    }
}

fn make_send_room(socket: &Socket) {
    if setsockopt(socket, sockopt::SndBufForce, &SEND_BUFFER).is_err() {
        let _ = setsockopt(socket, sockopt::SndBuf, &SEND_BUFFER); // less will do as well
    }
}

/// Takes buffers beyond the system's limit, if this process may.
pub(super) fn make_room_by_force(socket: &Socket) -> bool {
    setsockopt(socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_ok()
        && setsockopt(socket, sockopt::SndBufForce, &SEND_BUFFER).is_ok()
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
pub(super) fn receive(socket: &Watched, buf: &mut [u8]) -> io::Result<(Received, u32)> {
    let mut control = nix::cmsg_space!(libc::in6_pktinfo, u32);
    let mut slices = [IoSliceMut::new(buf)];
    let message = recvmsg(socket.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::empty())?;
    read(&message)
}

/// Receives the waiting datagrams by one call into slots of `size` bytes; `take` gets each slot's
/// number and datagram. Fewer datagrams than slots mean that no other waits.
pub(super) fn receive_many(
    socket: &Watched,
    slots: &mut [u8],
    size: usize,
    mut take: impl FnMut(usize, Received, u32),
) -> io::Result<usize> {
    let control = nix::cmsg_space!(libc::in6_pktinfo, u32);
    let mut slices: Vec<_> = slots.chunks_exact_mut(size).map(|slot| [IoSliceMut::new(slot)]).collect();
    let mut headers = MultiHeaders::preallocate(slices.len(), Some(control));
    let messages =
        recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
    let mut count = 0;
    for (slot, message) in messages.enumerate() {
        count += 1;
        if let Ok((received, dropped)) = read(&message) {
            take(slot, received, dropped);
        }
    }
    Ok(count)
}

fn read(message: &RecvMsg<'_, '_, SockaddrStorage>) -> io::Result<(Received, u32)> {
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

/// Takes the oldest report from the socket's error queue. Its address is where our datagram was
/// sent.
pub(super) fn unreachable(socket: &Watched) -> io::Result<Incoming> {
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
    socket: &Watched,
    slices: &[IoSlice<'_>],
    segment: Option<u16>,
    to: SocketAddr,
    source: Source,
) -> io::Result<usize> {
    let leaving = Leaving::from(to, source)?;
    let size = segment.as_ref().map(ControlMessage::UdpGsoSegments);
    let send = |control: &[ControlMessage<'_>]| {
        let to = SockaddrStorage::from(to);
        sendmsg(socket.as_raw_fd(), slices, control, MsgFlags::empty(), Some(&to))
    };
    Ok(match (leaving.message(), size) {
        (Some(from), Some(size)) => send(&[from, size])?,
        (Some(one), None) | (None, Some(one)) => send(&[one])?,
        (None, None) => send(&[])?,
    })
}

/// Sends datagrams of two parts each by one call, and gives how many have left: the first of those
/// that have not could not leave.
pub(super) fn transmit_each(
    socket: &Watched,
    datagrams: &[[IoSlice<'_>; 2]],
    to: SocketAddr,
    source: Source,
) -> io::Result<usize> {
    let leaving = Leaving::from(to, source)?;
    let (from, room) = match leaving.message() {
        Some(from) => (vec![from], Some(nix::cmsg_space!(libc::in6_pktinfo))),
        None => (Vec::new(), None),
    };
    let to = vec![Some(SockaddrStorage::from(to)); datagrams.len()];
    let mut headers = MultiHeaders::preallocate(datagrams.len(), room);
    let sent = sendmmsg(socket.as_raw_fd(), &mut headers, datagrams, to, from, MsgFlags::empty())?;
    Ok(sent.count())
}

/// The control message that names a datagram's source to the kernel.
enum Leaving {
    Bound,
    V4(libc::in_pktinfo),
    V6(libc::in6_pktinfo),
}

impl Leaving {
    fn from(to: SocketAddr, source: Source) -> io::Result<Self> {
        match (to, source.addr) {
            _ if source == Source::BOUND => Ok(Leaving::Bound),
            (SocketAddr::V4(_), IpAddr::V4(addr)) => Ok(Leaving::V4(libc::in_pktinfo {
                ipi_ifindex: i32::try_from(source.ifindex).unwrap_or(0),
                ipi_spec_dst: libc::in_addr { s_addr: u32::from(addr).to_be() },
                ipi_addr: libc::in_addr { s_addr: 0 },
            })),
            (SocketAddr::V6(_), IpAddr::V6(addr)) => Ok(Leaving::V6(libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: addr.octets() },
                ipi6_ifindex: source.ifindex,
            })),
            _ => Err(io::ErrorKind::AddrNotAvailable.into()),
        }
    }

    fn message(&self) -> Option<ControlMessage<'_>> {
        match self {
            Leaving::Bound => None,
            Leaving::V4(info) => Some(ControlMessage::Ipv4PacketInfo(info)),
            Leaving::V6(info) => Some(ControlMessage::Ipv6PacketInfo(info)),
        }
    }
}

/// An address of every link that nobody is given.
const NOBODY: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0xffff, 0xffff, 0xffff, 0xfffe);
const DISCARD: u16 = 9;
