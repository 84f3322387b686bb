//! The socket that a transfer speaks through.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::ops::RangeInclusive;
use std::sync::Arc;

use netbootd_net::udp::{Endpoint, Source};

/// The socket that a transfer speaks through, and to whom.
#[derive(Debug)]
pub(super) struct TransferSocket {
    socket: Socket,
    peer: SocketAddr,
}

#[derive(Debug)]
enum Socket {
    /// A port of its own, as RFC 1350 §4 wants it.
    Own(Endpoint),
    /// The port that the request came to.
    Shared(Arc<Endpoint>, Source),
}

impl TransferSocket {
    /// Binds a port on the address that the request was sent to: any, or a free one of a range.
    pub(super) fn own(
        local: IpAddr,
        ports: Option<RangeInclusive<u16>>,
        peer: SocketAddr,
    ) -> io::Result<Self> {
        let bind = |port| Endpoint::bind_one(own_addr(local, port, peer));
        let line = |endpoint| TransferSocket { socket: Socket::Own(endpoint), peer };
        let Some(ports) = ports else { return bind(0).map(line) };
        for port in ports {
            match bind(port) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                other => return other.map(line),
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "every port of port-range is in use"))
    }

    /// Binds a port that others share, for this client alone: what it sends comes here from now on,
    /// and what others send to the port before the socket is connected.
    pub(super) fn split(local: IpAddr, port: u16, peer: SocketAddr) -> io::Result<Self> {
        let endpoint = Endpoint::bind_between(own_addr(local, port, peer), peer)?;
        Ok(TransferSocket { socket: Socket::Own(endpoint), peer })
    }

    /// Speaks from the port and the address that the request came to.
    pub(super) fn shared(endpoint: Arc<Endpoint>, local: IpAddr, peer: SocketAddr) -> Self {
        TransferSocket { socket: Socket::Shared(endpoint, Source { addr: local, ifindex: 0 }), peer }
    }

    /// Whose transfer it is.
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The socket, if its datagrams are for this transfer alone.
    pub(super) fn own_socket(&self) -> Option<&Endpoint> {
        match &self.socket {
            Socket::Own(endpoint) => Some(endpoint),
            Socket::Shared(..) => None,
        }
    }

    /// Sends a datagram to the client. One that could not leave is lost like any other.
    pub(super) async fn send(&self, bytes: &[u8]) {
        self.send_to(bytes, self.peer).await;
    }

    /// Sends a datagram to somebody else.
    pub(super) async fn send_to(&self, bytes: &[u8], to: SocketAddr) {
        let (endpoint, source) = self.parts();
        let _ = endpoint.send(bytes, to, source).await;
    }

    /// Sends datagrams of `segment` bytes in a row, gathered from these parts, if there is room for
    /// them now.
    pub(super) fn try_send(&self, parts: &[IoSlice<'_>], segment: Option<u16>) -> io::Result<()> {
        let (endpoint, source) = self.parts();
        endpoint.try_send_parts(parts, segment, self.peer, source)
    }

    /// Sends datagrams of two parts each, as many as there is room for now; gives how many, at
    /// least one.
    pub(super) fn try_send_each(&self, datagrams: &[[IoSlice<'_>; 2]]) -> io::Result<usize> {
        let (endpoint, source) = self.parts();
        endpoint.try_send_each(datagrams, self.peer, source)
    }

    /// Waits for room. An error comes again at the next sending.
    pub(super) async fn writable(&self) {
        let _ = self.parts().0.writable().await;
    }

    fn parts(&self) -> (&Endpoint, Source) {
        match &self.socket {
            Socket::Own(endpoint) => (endpoint, Source::BOUND),
            Socket::Shared(endpoint, source) => (endpoint, *source),
        }
    }
}

/// A link-local address is one of the link that the client is on.
fn own_addr(local: IpAddr, port: u16, peer: SocketAddr) -> SocketAddr {
    match (local, peer) {
        (IpAddr::V6(local), SocketAddr::V6(peer)) if local.is_unicast_link_local() => {
            SocketAddrV6::new(local, port, 0, peer.scope_id()).into()
        }
        _ => SocketAddr::new(local, port),
    }
}
