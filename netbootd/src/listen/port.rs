//! A UDP port of one interface: what its listener hears, and how that is replied to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::dhcp::{Arrival, Destination, Reply};
use crate::heartbeat::Pulse;
use crate::net::iface::Iface;
use crate::net::shared::{Ear, SharedSocket};
use crate::net::udp::{Endpoint, Incoming, Source};

/// Where a datagram came from and to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    /// Bytes written to the buffer.
    pub(super) len: usize,
    /// The sender.
    pub(super) from: SocketAddrV4,
    /// The destination; may be a broadcast address.
    pub(super) to: Ipv4Addr,
}

/// A bound port of one interface.
#[derive(Debug)]
pub(super) struct Port {
    /// The interface.
    pub(super) iface: Iface,
    socket: Ear,
    pulse: Pulse,
}

impl Port {
    /// Binds a port on one interface, or takes the interface's part of a socket that is there for all.
    pub(super) fn open(
        iface: Iface,
        port: u16,
        shared: Option<&mut SharedSocket>,
        pulse: Pulse,
    ) -> io::Result<Self> {
        let addr = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let socket = match shared {
            Some(shared) => shared.ear(iface.index),
            None => Ear::own(Endpoint::bind(addr, Some(&iface.name))?),
        };
        Ok(Port { iface, socket, pulse })
    }

    /// Binds a port for broadcasts alone, beside a program of this machine that has it.
    pub(super) fn bind_broadcast(iface: Iface, port: u16, pulse: Pulse) -> io::Result<Self> {
        let addr = SocketAddr::from((Ipv4Addr::BROADCAST, port));
        Ok(Port { socket: Ear::own(Endpoint::bind_shared(addr, Some(&iface.name))?), iface, pulse })
    }

    /// The next datagram, or None at shutdown. No error ends it: an interface that went away comes back, and until then its socket fails
    /// at once, again and again.
    pub(super) async fn receive(&self, buf: &mut [u8], shutdown: &CancellationToken) -> Option<Heard> {
        loop {
            let heard = tokio::select! {
                heard = self.pulse.during(self.socket.recv(buf)) => heard,
                () = shutdown.cancelled() => return None,
            };
            match heard {
                Ok(Incoming::Datagram(received)) => {
                    // An IPv4 socket hears nothing else.
                    if let (SocketAddr::V4(from), IpAddr::V4(to)) = (received.from, received.to) {
                        return Some(Heard { len: received.len, from, to });
                    }
                }
                Ok(Incoming::Unreachable(peer)) => debug!(iface = self.iface.name, %peer, "unreachable"),
                Err(error) => {
                    warn!(iface = self.iface.name, %error, "receiving failed");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// How a datagram came in.
    pub(super) fn arrival(&self, to: Ipv4Addr, from: SocketAddrV4) -> Arrival<'_> {
        Arrival::new(&self.iface, to, from)
    }

    /// Sends a reply by an ordinary socket. Without raw frames, a client that has no address yet is reached by broadcast.
    pub(super) async fn send(&self, reply: &Reply) -> io::Result<()> {
        let (to, ifindex) = match reply.to {
            // A relay may be behind another interface than the one its packet came in on.
            Destination::Relay(to) => (to, 0),
            Destination::Unicast(to) => (to, 0),
            Destination::Broadcast(to) => (to, self.iface.index),
            Destination::Direct { to, .. } => {
                (SocketAddrV4::new(Ipv4Addr::BROADCAST, to.port()), self.iface.index)
            }
        };
        let source = Source { addr: reply.from.into(), ifindex };
        self.socket.endpoint().send(&reply.bytes, to.into(), source).await
    }
}

/// Larger DHCP packets than an Ethernet frame holds come from nobody who boots.
pub(super) const MAX_PACKET: usize = 2048;
const PAUSE: Duration = Duration::from_millis(200);
