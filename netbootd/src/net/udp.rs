//! UDP sockets that know which own address a datagram came to, and speak from a chosen one (`IP_PKTINFO`).

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, RawFd};

use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, getsockopt, recvmsg, sendmsg, setsockopt,
    sockopt,
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

/// What a socket heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incoming {
    /// A datagram.
    Datagram(Received),
    /// Something that was sent to this address reached a closed port (ICMP port unreachable).
    Unreachable(SocketAddrV4),
}

/// Where to speak from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// An own address.
    pub addr: Ipv4Addr,
    /// The interface to leave by; 0 lets the route decide.
    pub ifindex: u32,
}

impl Source {
    /// From where the socket is bound.
    pub const BOUND: Source = Source { addr: Ipv4Addr::UNSPECIFIED, ifindex: 0 };
}

impl Endpoint {
    /// Binds `addr`; with a device, only that interface's datagrams arrive and leave.
    pub fn bind(addr: SocketAddrV4, device: Option<&str>) -> io::Result<Self> {
        Endpoint::bind_socket(Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?, addr, device)
    }

    /// A port for one conversation, on an own address. What arrives carries no word of where it came to: that is this address.
    pub fn bind_one(addr: SocketAddrV4) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
        socket.bind(&addr.into())?;
        Ok(Endpoint { socket: UdpSocket::from_std(socket.into())? })
    }

    /// The same beside other programs that have the port, when they let it be shared.
    pub fn bind_shared(addr: SocketAddrV4, device: Option<&str>) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_reuse_address(true)?;
        Endpoint::bind_socket(socket, addr, device)
    }

    fn bind_socket(socket: Socket, addr: SocketAddrV4, device: Option<&str>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_broadcast(true)?;
        // A building that switches on asks a thousand times in one instant. Less than asked for will do as well.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER)
            .or_else(|_| setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER));
        if let Some(device) = device {
            socket.bind_device(Some(device.as_bytes()))?;
        }
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
        socket.bind(&addr.into())?;
        Ok(Endpoint { socket: UdpSocket::from_std(socket.into())? })
    }

    /// The bound port.
    pub fn port(&self) -> io::Result<u16> {
        self.socket.local_addr().map(|addr| addr.port())
    }

    /// Waits for a datagram or for word that one of ours did not arrive. An error is never the socket's end.
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<Incoming> {
        loop {
            // Tokio keeps the two kinds of readiness apart: each is asked for, and cleared, by itself.
            let ready = self.socket.ready(HEARING).await?;
            if ready.is_error()
                && let Ok(report) =
                    self.socket.try_io(Interest::ERROR, || unreachable(self.socket.as_raw_fd()))
            {
                return Ok(report);
            }
            match self.socket.try_io(Interest::READABLE, || receive(self.socket.as_raw_fd(), buf)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The report behind this error comes by way of the error queue.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                other => return other.map(Incoming::Datagram),
            }
        }
    }

    /// Sends one datagram.
    pub async fn send(&self, bytes: &[u8], to: SocketAddrV4, source: Source) -> io::Result<()> {
        self.send_segments(bytes, None, to, source).await
    }

    /// Sends datagrams of `segment` bytes each, the last one maybe shorter, in one system call (UDP segmentation offload). At
    /// most [`MAX_SEGMENTS`] and [`MAX_SEGMENTED_BYTES`]. An error of kind `InvalidInput` or `Other` may mean that the path cannot do it.
    pub async fn send_segments(
        &self,
        bytes: &[u8],
        segment: Option<u16>,
        to: SocketAddrV4,
        source: Source,
    ) -> io::Result<()> {
        loop {
            match self.try_send_parts(&[IoSlice::new(bytes)], segment, to, source) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable().await?,
                other => return other,
            }
        }
    }

    /// The same without waiting, gathered from several places: an error of kind `WouldBlock` says that the socket's buffer is full.
    pub fn try_send_parts(
        &self,
        parts: &[IoSlice<'_>],
        segment: Option<u16>,
        to: SocketAddrV4,
        source: Source,
    ) -> io::Result<()> {
        self.socket
            .try_io(Interest::WRITABLE, || transmit(self.socket.as_raw_fd(), parts, segment, to, source))
            .map(drop)
    }

    /// Waits for room in the socket's buffer.
    pub async fn writable(&self) -> io::Result<()> {
        self.socket.writable().await
    }
}

/// The MTU of the route to `peer` in bytes, as the kernel knows it.
pub fn path_mtu(peer: SocketAddrV4) -> Option<u16> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(peer).ok()?;
    let mtu = getsockopt(&socket, sockopt::IpMtu).ok()?;
    // Loopback says 65536.
    Some(u16::try_from(mtu).unwrap_or(u16::MAX))
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

/// Takes the oldest report from the socket's error queue. Its address is where our datagram was sent.
fn unreachable(fd: RawFd) -> io::Result<Incoming> {
    let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in);
    let mut start = [0; 64];
    let mut slices = [IoSliceMut::new(&mut start)];
    let message = recvmsg::<SockaddrIn>(fd, &mut slices, Some(&mut control), MsgFlags::MSG_ERRQUEUE)?;
    let addr = message.address.ok_or(io::ErrorKind::InvalidData)?;
    Ok(Incoming::Unreachable(SocketAddrV4::from(addr)))
}

fn transmit(
    fd: RawFd,
    slices: &[IoSlice<'_>],
    segment: Option<u16>,
    to: SocketAddrV4,
    source: Source,
) -> io::Result<usize> {
    let info = libc::in_pktinfo {
        ipi_ifindex: i32::try_from(source.ifindex).unwrap_or(0),
        ipi_spec_dst: libc::in_addr { s_addr: u32::from(source.addr).to_be() },
        ipi_addr: libc::in_addr { s_addr: 0 },
    };
    let to = SockaddrIn::from(to);
    let from = (source != Source::BOUND).then_some(ControlMessage::Ipv4PacketInfo(&info));
    let size = segment.as_ref().map(ControlMessage::UdpGsoSegments);
    let sent = match (from, size) {
        (Some(from), Some(size)) => sendmsg(fd, slices, &[from, size], MsgFlags::empty(), Some(&to)),
        (Some(one), None) | (None, Some(one)) => sendmsg(fd, slices, &[one], MsgFlags::empty(), Some(&to)),
        (None, None) => sendmsg(fd, slices, &[], MsgFlags::empty(), Some(&to)),
    };
    Ok(sent?)
}

/// The kernel's limit of segments in one call (UDP_MAX_SEGMENTS of older kernels).
pub const MAX_SEGMENTS: usize = 64;
/// One call's payload must fit an IPv4 packet.
pub const MAX_SEGMENTED_BYTES: usize = 65_000;

/// In bytes; the kernel counts some 800 of them for a short datagram.
const RECEIVE_BUFFER: usize = 8 << 20;

const HEARING: Interest = Interest::READABLE.add(Interest::ERROR);

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
        let got = datagram(server.recv(&mut buf).await.unwrap());
        assert_eq!((&buf[..got.len], got.to), (b"ask".as_slice(), asked));
        assert_ne!(got.ifindex, 0);
        server.send(b"answer", got.from, Source { addr: got.to, ifindex: 0 }).await.unwrap();
        let got = datagram(client.recv(&mut buf).await.unwrap());
        assert_eq!((&buf[..got.len], *got.from.ip()), (b"answer".as_slice(), asked));
    }

    fn datagram(incoming: Incoming) -> Received {
        match incoming {
            Incoming::Datagram(received) => received,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_closed_port_is_reported_with_its_address() {
        let server = Endpoint::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0), None).unwrap();
        let closed = {
            let client = Endpoint::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0), None).unwrap();
            SocketAddrV4::new(Ipv4Addr::LOCALHOST, client.port().unwrap())
        };
        let source = Source { addr: Ipv4Addr::LOCALHOST, ifindex: 0 };
        server.send(b"anyone?", closed, source).await.unwrap();
        let mut buf = [0; 16];
        assert_eq!(server.recv(&mut buf).await.unwrap(), Incoming::Unreachable(closed));
    }

    #[tokio::test]
    async fn one_call_sends_many_datagrams() {
        let server = Endpoint::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0), None).unwrap();
        let client = Endpoint::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0), None).unwrap();
        let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, client.port().unwrap());
        let source = Source { addr: Ipv4Addr::LOCALHOST, ifindex: 0 };
        server.send_segments(b"aaaabbbbcc", Some(4), to, source).await.unwrap();
        let mut buf = [0; 16];
        for expected in ["aaaa", "bbbb", "cc"] {
            let got = datagram(client.recv(&mut buf).await.unwrap());
            assert_eq!(&buf[..got.len], expected.as_bytes());
        }
    }

    #[test]
    fn the_route_to_loopback_has_its_mtu() {
        assert_eq!(path_mtu(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9)), Some(u16::MAX));
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error() {
        let first = Endpoint::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0), None).unwrap();
        let taken = SocketAddrV4::new(Ipv4Addr::LOCALHOST, first.port().unwrap());
        assert_eq!(Endpoint::bind(taken, None).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
