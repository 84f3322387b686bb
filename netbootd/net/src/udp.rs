//! UDP sockets that know which own address a datagram came to, and speak from a chosen one
//! (`IP_PKTINFO`, `IPV6_PKTINFO`).
//!
//! A socket is of one kind, IPv4 or IPv6, as the address says that it is bound to.

mod batch;
#[cfg_attr(unix, path = "udp/message/unix.rs")]
#[cfg_attr(windows, path = "udp/message/windows.rs")]
mod message;
mod mtu;
#[cfg_attr(unix, path = "udp/watched/unix.rs")]
#[cfg_attr(windows, path = "udp/watched/windows.rs")]
mod watched;

use std::hint;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard, RwLock};
use socket2::{Domain, SockRef, Socket};
use tokio::io::{Interest, Ready};
use tracing::debug;

use super::flood_filter::{self, Flood, Purpose, filter};
use batch::Batch;
/// The error of a send whose bytes are in a mapping that the disk can no longer give.
pub use message::EFAULT;
use message::{
    beside, hear_errors, hold_to, make_room, make_room_by_force, receive, share_port, tell_destination,
    tell_dropped, transmit, transmit_each, unreachable,
};
pub use mtu::{Route, path_mtu, route_to};
pub(super) use watched::Watched;

/// A UDP socket with its datagrams' own addresses.
#[derive(Debug)]
pub struct Endpoint {
    socket: Watched,
    /// The indices of the interfaces that are heard; empty for all that the socket hears.
    heard: RwLock<Vec<u32>>,
    /// None for sockets that hear anything.
    purpose: Option<Purpose>,
    flood: Mutex<Flood>,
    /// The kernel's count of what it did not queue, as it was last told.
    dropped: AtomicU32,
    /// Datagrams of one call to the kernel that the caller has not received yet.
    batch: Mutex<Batch>,
}

/// Where a received datagram came from and to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Bytes written to the buffer; a longer datagram is cut.
    pub len: usize,
    /// The sender's address and port.
    pub from: SocketAddr,
    /// The destination in the datagram's header; may be a broadcast or multicast address.
    pub to: IpAddr,
    /// The index of the receiving interface.
    pub ifindex: u32,
}

/// The outcome of one receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incoming {
    /// A datagram with its addresses.
    Datagram(Received),
    /// Something that was sent to this address reached a closed port (ICMP port unreachable).
    Unreachable(SocketAddr),
}

/// Where to speak from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The address of this host that it came to.
    pub addr: IpAddr,
    /// The interface to leave by; 0 lets the route decide.
    pub ifindex: u32,
}

impl Source {
    /// From where the socket is bound.
    pub const BOUND: Source = Source { addr: IpAddr::V4(Ipv4Addr::UNSPECIFIED), ifindex: 0 };
}

impl Endpoint {
    /// Binds `addr`; with a device, only that interface's datagrams arrive and leave.
    pub fn bind(addr: SocketAddr, device: Option<&str>) -> io::Result<Self> {
        Endpoint::bind_socket(roomy(addr)?, addr, device)
    }

    /// A port for one conversation, on an own address. Datagrams that arrive carry no destination
    /// address: it is this one.
    pub fn bind_one(addr: SocketAddr) -> io::Result<Self> {
        let socket = socket_for(addr)?;
        socket.bind(&addr.into())?;
        Ok(Endpoint { batch: Mutex::new(Batch::new(ANSWERS_AT_ONCE)), ..Endpoint::new(socket, Vec::new())? })
    }

    /// A port that other sockets of this program share ([`Endpoint::share_port`]), for one peer.
    /// Datagrams that others send to the port before it is connected arrive here as well.
    pub fn bind_between(addr: SocketAddr, peer: SocketAddr) -> io::Result<Self> {
        let socket = socket_for(addr)?;
        share_port(&socket)?;
        socket.bind(&addr.into())?;
        socket.connect(&peer.into())?;
        Ok(Endpoint { batch: Mutex::new(Batch::new(ANSWERS_AT_ONCE)), ..Endpoint::new(socket, Vec::new())? })
    }

    /// From now on sockets of this program may share the port, each connected to a peer whose
    /// datagrams then come to it.
    pub fn share_port(&self) -> io::Result<()> {
        share_port(&SockRef::from(&self.socket))
    }

    /// Takes over a socket that somebody else has bound to IPv4. With interfaces, what arrives by
    /// others is left unheard.
    pub fn adopt(socket: std::net::UdpSocket, heard: Vec<u32>) -> io::Result<Self> {
        let socket = Socket::from(socket);
        hear_errors(&socket, true)?;
        make_room(&socket);
        socket.set_nonblocking(true)?;
        prepare(&socket, true)?;
        Endpoint::new(socket, heard)
    }

    fn new(socket: Socket, heard: Vec<u32>) -> io::Result<Self> {
        Ok(Endpoint {
            socket: Watched::new(socket)?,
            heard: RwLock::new(heard),
            purpose: None,
            flood: Mutex::default(),
            dropped: AtomicU32::new(0),
            batch: Mutex::new(Batch::new(AT_ONCE)),
        })
    }

    /// The same for one purpose: a flood of anything else is dropped by the kernel.
    #[must_use]
    pub fn only_for(self, purpose: Purpose) -> Self {
        Endpoint { purpose: Some(purpose), ..self }
    }

    /// From now on what arrives by other interfaces is left unheard.
    pub fn hear_only(&self, interfaces: Vec<u32>) {
        *self.heard.write() = interfaces;
    }

    fn hears(&self, ifindex: u32) -> bool {
        let heard = self.heard.read();
        heard.is_empty() || heard.contains(&ifindex)
    }

    /// The same beside other programs that have the port, when they let it be shared.
    pub fn bind_shared(addr: SocketAddr, device: Option<&str>) -> io::Result<Self> {
        let socket = roomy(addr)?;
        socket.set_reuse_address(true)?;
        Endpoint::bind_socket(socket, addr, device)
    }

    fn bind_socket(socket: Socket, addr: SocketAddr, device: Option<&str>) -> io::Result<Self> {
        prepare(&socket, addr.is_ipv4())?;
        let addr = hold_to(&socket, addr, device)?;
        socket.bind(&addr.into())?;
        Endpoint::new(socket, Vec::new())
    }

    /// Hears what is sent to a group, on an interface.
    pub fn join(&self, group: Ipv6Addr, ifindex: u32) -> io::Result<()> {
        SockRef::from(&self.socket).join_multicast_v6(&group, ifindex)
    }

    /// The port that the socket is bound to.
    pub fn port(&self) -> io::Result<u16> {
        let addr = SockRef::from(&self.socket).local_addr()?;
        addr.as_socket().map(|addr| addr.port()).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Waits for a datagram or for word that one of ours did not arrive. An error is never the
    /// socket's end.
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<Incoming> {
        loop {
            while let Some((received, dropped)) = self.batch().next(buf) {
                self.look_at(&buf[..received.len], dropped);
                if self.hears(received.ifindex) {
                    return Ok(Incoming::Datagram(received));
                }
            }
            let until = self.flood().until();
            let ready = match until {
                None => self.socket.heard().await?,
                Some(until) => match tokio::time::timeout_at(until.into(), self.socket.heard()).await {
                    Ok(ready) => ready?,
                    Err(_) => Ready::EMPTY,
                },
            };
            self.hear_junk_again();
            if ready.is_error()
                && let Ok(report) = self.socket.try_receive(Interest::ERROR, || unreachable(&self.socket))
            {
                return Ok(report);
            }
            let fill = || self.batch().fill(&self.socket, buf.len());
            match self.socket.try_receive(Interest::READABLE, fill) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The report behind this error comes by way of the error queue.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                other => other?,
            }
        }
    }

    /// Looks for a datagram for so long, at least once. The thread does nothing else meanwhile.
    pub fn look(&self, buf: &mut [u8], patience: Duration) -> Option<Received> {
        if let Some((received, _)) = self.batch().next(buf) {
            return Some(received);
        }
        let started = Instant::now();
        loop {
            match receive(&self.socket, buf) {
                Ok((received, _)) => return Some(received),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return None,
                Err(_) if started.elapsed() >= patience => return None,
                Err(_) => (0..PAUSES).for_each(|_| hint::spin_loop()),
            }
        }
    }

    fn look_at(&self, bytes: &[u8], dropped: u32) {
        let before = self.dropped.swap(dropped, Ordering::Relaxed);
        flood_filter::count_dropped(dropped.wrapping_sub(before));
        if let Some(purpose) = self.purpose
            && !purpose.fits(bytes)
            && self.flood().malformed(Instant::now())
            && let Err(error) = filter::attach(&self.socket, purpose)
        {
            debug!(%error, "cannot drop invalid datagrams in the kernel");
        }
    }

    fn hear_junk_again(&self) {
        let mut flood = self.flood();
        if flood.until().is_some()
            && flood.is_over(Instant::now())
            && let Err(error) = filter::detach(&self.socket)
        {
            debug!(%error, "cannot stop dropping datagrams in the kernel");
        }
    }

    fn batch(&self) -> MutexGuard<'_, Batch> {
        self.batch.lock()
    }

    fn flood(&self) -> MutexGuard<'_, Flood> {
        self.flood.lock()
    }

    /// A socket that sends from the same port and by the same interface, and receives nothing.
    pub fn beside(&self) -> io::Result<Self> {
        Endpoint::new(beside(&self.socket)?, Vec::new())
    }

    /// Sends one datagram now; an error of kind `WouldBlock` says that the socket's buffer is full.
    pub fn try_send(&self, bytes: &[u8], to: SocketAddr, source: Source) -> io::Result<()> {
        self.try_send_parts(&[IoSlice::new(bytes)], None, to, source)
    }

    /// Sends one datagram, and waits for room when there is none.
    pub async fn send(&self, bytes: &[u8], to: SocketAddr, source: Source) -> io::Result<()> {
        self.send_segments(bytes, None, to, source).await
    }

    /// Sends datagrams of `segment` bytes each, the last one maybe shorter, in one system call (UDP
    /// segmentation offload). At most [`MAX_SEGMENTS`] and [`MAX_SEGMENTED_BYTES`]. An error of
    /// kind `InvalidInput` or `Other` may mean that the path cannot do it.
    pub async fn send_segments(
        &self,
        bytes: &[u8],
        segment: Option<u16>,
        to: SocketAddr,
        source: Source,
    ) -> io::Result<()> {
        loop {
            match self.try_send_parts(&[IoSlice::new(bytes)], segment, to, source) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable().await?,
                other => return other,
            }
        }
    }

    /// The same without waiting, gathered from several places: an error of kind `WouldBlock` says
    /// that the socket's buffer is full.
    pub fn try_send_parts(
        &self,
        parts: &[IoSlice<'_>],
        segment: Option<u16>,
        to: SocketAddr,
        source: Source,
    ) -> io::Result<()> {
        self.socket.try_send(|| transmit(&self.socket, parts, segment, to, source)).map(drop)
    }

    /// Sends datagrams of two parts each, in one system call where there is one for that
    /// (sendmmsg), without waiting. Gives how many have left, at least one.
    pub fn try_send_each(
        &self,
        datagrams: &[[IoSlice<'_>; 2]],
        to: SocketAddr,
        source: Source,
    ) -> io::Result<usize> {
        if let [one] = datagrams {
            return self.try_send_parts(one, None, to, source).map(|()| 1);
        }
        self.socket.try_send(|| transmit_each(&self.socket, datagrams, to, source))
    }

    /// Waits for room in the socket's buffer.
    pub async fn writable(&self) -> io::Result<()> {
        self.socket.room().await
    }
}

fn socket_for(addr: SocketAddr) -> io::Result<Socket> {
    let socket = message::nonblocking(Domain::for_address(addr))?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    hear_errors(&socket, addr.is_ipv4())?;
    Ok(socket)
}

/// Opens sockets for listeners, so many of each kind, while the process may still have buffers
/// beyond the system's limit (`CAP_NET_ADMIN`). Without that right there is nothing to open ahead.
pub fn open_ahead(count: usize) {
    for any in [SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))] {
        let open = || {
            let socket = socket_for(any).ok()?;
            make_room_by_force(&socket).then_some((any.is_ipv4(), socket))
        };
        let opened = std::iter::repeat_with(open).take(count).map_while(|socket| socket);
        AHEAD.lock().extend(opened);
    }
}

/// A socket with room for a building that switches on: it asks a thousand times in one instant.
/// Less than asked for will do as well.
fn roomy(addr: SocketAddr) -> io::Result<Socket> {
    let mut ahead = AHEAD.lock();
    if let Some(at) = ahead.iter().position(|(is_ipv4, _)| *is_ipv4 == addr.is_ipv4()) {
        return Ok(ahead.swap_remove(at).1);
    }
    let socket = socket_for(addr)?;
    make_room(&socket);
    Ok(socket)
}

/// Sockets that were opened ahead and are not in use; true is IPv4.
static AHEAD: Mutex<Vec<(bool, Socket)>> = Mutex::new(Vec::new());

fn prepare(socket: &Socket, v4: bool) -> io::Result<()> {
    tell_dropped(socket)?;
    if v4 {
        socket.set_broadcast(true)?;
    }
    tell_destination(socket, v4)
}

/// The kernel's limit of segments in one call (UDP_MAX_SEGMENTS of older kernels).
pub const MAX_SEGMENTS: usize = 64;
/// One call's payload must fit an IPv4 packet.
pub const MAX_SEGMENTED_BYTES: usize = 65_000;

/// Datagrams that are received by one call.
const AT_ONCE: usize = 8;
/// The same in a conversation: one more than is expected, so that the call itself says that nothing
/// else waits.
const ANSWERS_AT_ONCE: usize = 2;

/// In bytes; the kernel counts some 800 of them for a short datagram.
const RECEIVE_BUFFER: usize = 8 << 20;
/// The same for what is sent: a building is answered in one instant, and a reply that finds no room
/// is lost.
const SEND_BUFFER: usize = 4 << 20;

/// Between one look and the next: some hundred nanoseconds.
const PAUSES: usize = 16;

#[cfg(test)]
mod tests;
