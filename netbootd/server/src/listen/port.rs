//! A UDP port of one interface: what its listener hears, and how that is replied to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use netbootd_dhcp::Iface;
use netbootd_dhcp::v4::{Arrival, Destination, Reply};
use netbootd_net::flood_filter::Purpose;
use netbootd_net::heartbeat::Pulse;
use netbootd_net::interfaces::Changes;
use netbootd_net::neighbours::Neighbours;
use netbootd_net::outbox::{Outbox, Unsent};
use netbootd_net::shared::{IfaceSocket, SharedSocket};
use netbootd_net::udp::{Endpoint, Incoming, Source};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Where a datagram came from and to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Datagram {
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
    socket: Arc<IfaceSocket>,
    outbox: Arc<Outbox>,
    number: u16,
    broadcasts: bool,
    pulse: Arc<Pulse>,
}

/// What a port's listener has to deal with.
pub(super) enum Heard {
    /// A datagram.
    Datagram(Datagram),
    /// The interface is another one by now, and so is its port.
    Moved(Port),
    /// The services stop.
    Stopped,
}

impl Port {
    /// Binds a port on one interface, or takes the interface's part of a socket that is there for all.
    pub(super) fn open(
        iface: Iface,
        number: u16,
        shared: Option<&mut SharedSocket>,
        pulse: Pulse,
    ) -> io::Result<Self> {
        let socket = match shared {
            Some(shared) => shared.iface_socket(iface.index),
            None => own(&iface, number, false)?,
        };
        Ok(Port {
            iface,
            socket: Arc::new(socket),
            outbox: Arc::default(),
            number,
            broadcasts: false,
            pulse: Arc::new(pulse),
        })
    }

    /// Binds a port for broadcasts alone, beside a program of this machine that has it.
    pub(super) fn bind_broadcast(iface: Iface, number: u16, pulse: Pulse) -> io::Result<Self> {
        let socket = Arc::new(own(&iface, number, true)?);
        Ok(Port { iface, socket, outbox: Arc::default(), number, broadcasts: true, pulse: Arc::new(pulse) })
    }

    /// The same on the interface as it is now. A socket stays with the link that it was bound to, whatever its addresses are.
    fn follow(&self, iface: Iface) -> io::Result<Self> {
        let (mut socket, mut outbox) = (Arc::clone(&self.socket), Arc::clone(&self.outbox));
        if iface.index != self.iface.index && !socket.moved(self.iface.index, iface.index) {
            socket = Arc::new(own(&iface, self.number, self.broadcasts)?);
            outbox = Arc::default();
        }
        Ok(Port { socket, outbox, iface, pulse: Arc::clone(&self.pulse), ..*self })
    }

    /// The next datagram, unless the interface changes or the services stop. No error ends it: an interface that went away comes back,
    /// and until then its socket fails at once, again and again.
    pub(super) async fn receive(
        &self,
        buf: &mut [u8],
        stopping: &CancellationToken,
        changes: &mut Changes,
    ) -> Heard {
        let mut told = None;
        loop {
            let heard = tokio::select! {
                heard = self.pulse.during(self.socket.recv(buf)) => heard,
                moved = changes.moved(&self.iface) => match self.follow(moved) {
                    Ok(port) => return Heard::Moved(port),
                    Err(error) => {
                        changes.again();
                        Err(error)
                    }
                },
                () = stopping.cancelled() => return Heard::Stopped,
            };
            match heard {
                Ok(Incoming::Datagram(received)) => {
                    // An IPv4 socket hears nothing else.
                    if let (SocketAddr::V4(from), IpAddr::V4(to)) = (received.from, received.to) {
                        return Heard::Datagram(Datagram { len: received.len, from, to });
                    }
                }
                Ok(Incoming::Unreachable(peer)) => debug!(iface = self.iface.name, %peer, "unreachable"),
                Err(error) => {
                    let kind = Some(error.kind());
                    if told != kind {
                        warn!(iface = self.iface.name, %error, "receiving failed");
                        told = kind;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// How a datagram came in.
    pub(super) fn arrival(&self, to: Ipv4Addr, from: SocketAddrV4) -> Arrival<'_> {
        Arrival::new(&self.iface, to, from)
    }

    /// Sends a reply by an ordinary socket, now or not at all: nobody waits for a peer's network. Without raw frames, a client that has no
    /// address yet is reached by broadcast.
    pub(super) fn send(&self, reply: &Reply, neighbours: &Neighbours) -> Result<(), Unsent> {
        let endpoint = self.socket.endpoint();
        let claimed = |to: SocketAddrV4| {
            // A relay may be behind another interface than the one its packet came in on.
            let source = Source { addr: reply.from.into(), ifindex: 0 };
            let bound_to = if self.socket.is_own() { self.iface.index } else { 0 };
            self.outbox.send(endpoint, neighbours, (&reply.bytes, to.into(), source), bound_to)
        };
        let to = match reply.to {
            Destination::Relay(to) | Destination::Unicast(to) => return claimed(to),
            Destination::Broadcast(to) => to,
            Destination::Direct { to, .. } => SocketAddrV4::new(Ipv4Addr::BROADCAST, to.port()),
        };
        let source = Source { addr: reply.from.into(), ifindex: self.iface.index };
        Ok(endpoint.try_send(&reply.bytes, to.into(), source)?)
    }
}

/// A socket of the interface's own.
fn own(iface: &Iface, number: u16, broadcasts: bool) -> io::Result<IfaceSocket> {
    let at = |addr: Ipv4Addr| SocketAddr::from((addr, number));
    let endpoint = match broadcasts {
        true => Endpoint::bind_shared(at(Ipv4Addr::BROADCAST), Some(&iface.name))?,
        false => Endpoint::bind(at(Ipv4Addr::UNSPECIFIED), Some(&iface.name))?.only_for(Purpose::Dhcp),
    };
    Ok(IfaceSocket::own(endpoint))
}

/// Larger DHCP packets than an Ethernet frame holds come from nobody who boots.
pub(super) const MAX_PACKET: usize = 2048;
const PAUSE: Duration = Duration::from_millis(200);
