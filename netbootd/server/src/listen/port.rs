//! A UDP port of one interface: one loop that hands its datagrams to a handler, and one way out for
//! the answers. Ends once the services stop; an answer under way is then dropped.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use netbootd_dhcp::Iface;
use netbootd_dhcp::v4::{self, Answer, Arrival, Destination};
use netbootd_dhcp::v6;
use netbootd_net::flood_filter::Purpose;
use netbootd_net::frame::FrameSender;
use netbootd_net::heartbeat::Pulse;
use netbootd_net::interfaces::Changes;
use netbootd_net::neighbours::Neighbours;
use netbootd_net::outbox::{Outbox, Unsent};
use netbootd_net::shared::{IfaceSocket, SharedSocket};
use netbootd_net::udp::{Endpoint, Incoming, Received, Source};
use netbootd_telemetry::event::{Answered, Event};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::limits::Limited;
use crate::services::Services;

/// A bound port of one interface.
#[derive(Debug)]
pub(super) struct Port {
    /// The interface of the socket.
    pub(super) iface: Iface,
    /// The number of the port.
    pub(super) number: u16,
    kind: Kind,
    socket: Arc<IfaceSocket>,
    outbox: Arc<Outbox>,
    /// For clients that have no address yet.
    frames: Option<Arc<FrameSender>>,
    pulse: Arc<Pulse>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Ports 67 and 4011.
    Dhcp,
    /// Port 68, for broadcasts alone.
    Broadcasts,
    /// Ports 547 and 4011 of IPv6, in the groups of servers and relays.
    Dhcp6,
}

/// A datagram, and how it came in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Datagram<'a> {
    /// The bytes of the datagram.
    pub(super) bytes: &'a [u8],
    /// The sender's address and port.
    pub(super) from: SocketAddr,
    /// The destination; may be a broadcast address.
    pub(super) to: IpAddr,
}

/// The work behind a port. A handler keeps no port: while its interface changes, answers under way
/// leave by the former one.
pub(super) trait Handler: Send + Sync + 'static {
    /// Handles a datagram. The port receives nothing else meanwhile: what waits becomes a task.
    fn handle(self: &Arc<Self>, port: &Arc<Port>, datagram: Datagram<'_>) -> impl Future<Output = ()> + Send;

    /// Work between two datagrams, once it is due.
    fn between(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

/// A reply of either family.
pub(super) trait Leaving {
    /// The destination, when a packet only claims to come from there.
    fn claimed(&self) -> Option<IpAddr>;
    /// The length in bytes.
    fn length(&self) -> usize;
    /// The bytes of a reply that may leave by broadcast.
    fn broadcast(&self) -> Option<&[u8]> {
        None
    }
    /// Sends it by a port, now or not at all.
    fn leave_by(&self, port: &Port, neighbours: &Neighbours) -> Result<(), Unsent>;
}

enum Heard {
    Datagram(Received),
    /// The interface is another one by now, and so is its port.
    Moved(Port),
    /// The services stop, so the listener ends.
    Stopped,
}

impl Port {
    /// Binds a port on one interface, or takes the interface's part of a socket that is there for
    /// all.
    pub(super) fn open(
        iface: Iface,
        number: u16,
        shared: Option<&mut SharedSocket>,
        pulse: Pulse,
    ) -> io::Result<Self> {
        let socket = match shared {
            Some(shared) => shared.iface_socket(iface.index),
            None => Kind::Dhcp.bind(&iface, number)?,
        };
        Ok(Port::new(iface, number, Kind::Dhcp, socket, pulse))
    }

    /// Binds a port for broadcasts alone, beside a program of this machine that has it.
    pub(super) fn bind_broadcast(iface: Iface, number: u16, pulse: Pulse) -> io::Result<Self> {
        let socket = Kind::Broadcasts.bind(&iface, number)?;
        Ok(Port::new(iface, number, Kind::Broadcasts, socket, pulse))
    }

    /// Binds a port of IPv6 and joins the groups of servers and relays.
    pub(super) fn bind6(iface: Iface, number: u16, pulse: Pulse) -> io::Result<Self> {
        let socket = Kind::Dhcp6.bind(&iface, number)?;
        Ok(Port::new(iface, number, Kind::Dhcp6, socket, pulse))
    }

    fn new(iface: Iface, number: u16, kind: Kind, socket: IfaceSocket, pulse: Pulse) -> Self {
        Port {
            iface,
            number,
            kind,
            socket: Arc::new(socket),
            outbox: Arc::default(),
            frames: None,
            pulse: Arc::new(pulse),
        }
    }

    /// Reaches clients that have no address yet by frames.
    pub(super) fn with_frames(self, frames: Option<Arc<FrameSender>>) -> Self {
        Port { frames, ..self }
    }

    /// Hands each datagram to the handler until the services stop.
    pub(super) async fn serve<H: Handler>(self, services: &Services, handler: Arc<H>) {
        let mut port = Arc::new(self);
        let mut buf = [0; MAX_PACKET];
        let mut changes = services.network.interfaces.changes();
        loop {
            let heard = tokio::select! {
                heard = port.receive(&mut buf, &services.lifecycle.stopping, &mut changes) => heard,
                () = handler.between() => continue,
            };
            match heard {
                Heard::Datagram(Received { len, from, to, .. }) => {
                    handler.handle(&port, Datagram { bytes: &buf[..len], from, to }).await;
                }
                Heard::Moved(moved) => port = Arc::new(moved),
                Heard::Stopped => return,
            }
        }
    }

    /// The next datagram, unless the interface changes or the services stop. No error ends it: an
    /// interface that went away comes back, and until then its socket fails at once, again and
    /// again.
    async fn receive(&self, buf: &mut [u8], stopping: &CancellationToken, changes: &mut Changes) -> Heard {
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
                Ok(Incoming::Datagram(received)) => return Heard::Datagram(received),
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

    /// The same on the interface as it is now. A socket stays with the link that it was bound to,
    /// whatever its addresses are.
    fn follow(&self, iface: Iface) -> io::Result<Self> {
        let (mut socket, mut outbox) = (Arc::clone(&self.socket), Arc::clone(&self.outbox));
        if iface.index != self.iface.index && !socket.moved(self.iface.index, iface.index) {
            socket = Arc::new(self.kind.bind(&iface, self.number)?);
            outbox = Arc::default();
        }
        let (pulse, frames) = (Arc::clone(&self.pulse), self.frames.clone());
        Ok(Port { iface, socket, outbox, frames, pulse, ..*self })
    }

    /// How a datagram came in.
    pub(super) fn arrival(&self, to: Ipv4Addr, from: SocketAddrV4) -> Arrival<'_> {
        Arrival::new(&self.iface, to, from)
    }

    /// Makes what an answer gives durable, sends its reply, and records what was decided. Gives the
    /// reply that left.
    pub(super) async fn deliver<R: Leaving>(&self, services: &Services, mut answer: Answer<R>) -> Option<R> {
        if let Some(reply) = &answer.reply
            && let Err(limited) = self.may_leave(services, reply)
        {
            answer.event.decision = Answered::Ignore;
            answer.event.reason = limited.reason;
            services.leave_alone(limited, || answer.event);
            return None;
        }
        let Answer { reply, event, .. } = services.commit(answer).await;
        self.send(services, reply, Event::Decided(event))
    }

    /// Whether a reply may leave: no more of them go to an address that a packet only claims to
    /// come from than the limits allow.
    pub(super) fn may_leave(&self, services: &Services, reply: &impl Leaving) -> Result<(), Limited> {
        match reply.claimed() {
            Some(to) => services.may_send(to, reply.length()),
            None => Ok(()),
        }
    }

    /// Sends a reply, now or not at all: nobody waits for a peer's network. Records the event, or
    /// that its reply did not leave. Gives the reply that left.
    pub(super) fn send<R: Leaving>(&self, services: &Services, reply: Option<R>, event: Event) -> Option<R> {
        if let Some(bytes) = reply.as_ref().and_then(Leaving::broadcast) {
            services.network.own_replies.note(bytes);
        }
        let sent = reply.as_ref().map_or(Ok(()), |reply| reply.leave_by(self, &services.network.neighbours));
        match sent {
            Ok(()) => {
                services.recorder.record(event);
                reply
            }
            Err(unsent) => {
                services.unsent(event, unsent, self.iface.index);
                None
            }
        }
    }
}

impl Leaving for v4::Reply {
    fn claimed(&self) -> Option<IpAddr> {
        match self.to {
            Destination::Unicast(to) => Some((*to.ip()).into()),
            _ => None,
        }
    }

    fn length(&self) -> usize {
        self.bytes.len()
    }

    fn broadcast(&self) -> Option<&[u8]> {
        let goes_to_all = matches!(self.to, Destination::Broadcast(_) | Destination::Direct { .. });
        goes_to_all.then_some(&self.bytes)
    }

    /// By a frame or an ordinary socket. Without frames, a client that has no address yet is
    /// reached by broadcast.
    fn leave_by(&self, port: &Port, neighbours: &Neighbours) -> Result<(), Unsent> {
        let endpoint = port.socket.endpoint();
        let claimed = |to: SocketAddrV4| {
            // A relay may be behind another interface than the one its packet came in on.
            let source = Source { addr: self.from.into(), ifindex: 0 };
            let bound_to = if port.socket.is_own() { port.iface.index } else { 0 };
            port.outbox.send(endpoint, neighbours, (&self.bytes, to.into(), source), bound_to)
        };
        let to = match (self.to, &port.frames) {
            (Destination::Direct { mac, to }, Some(frames)) => {
                let from = SocketAddrV4::new(self.from, port.number);
                return Ok(frames.send(port.iface.index, mac, from, to, &self.bytes)?);
            }
            (Destination::Relay(to) | Destination::Unicast(to), _) => return claimed(to),
            (Destination::Broadcast(to), _) => to,
            (Destination::Direct { to, .. }, None) => SocketAddrV4::new(Ipv4Addr::BROADCAST, to.port()),
        };
        let source = Source { addr: self.from.into(), ifindex: port.iface.index };
        Ok(endpoint.try_send(&self.bytes, to.into(), source)?)
    }
}

impl Leaving for v6::Reply {
    fn claimed(&self) -> Option<IpAddr> {
        Some((*self.to.ip()).into())
    }

    fn length(&self) -> usize {
        self.bytes.len()
    }

    fn leave_by(&self, port: &Port, neighbours: &Neighbours) -> Result<(), Unsent> {
        // Beyond the link a link-local address means nothing, and the sockets beside the port's own
        // begin from one.
        let beyond = Some(*self.to.ip()).filter(|to| !to.is_unicast_link_local());
        let from = self.from.or_else(|| port.iface.addr6_towards(beyond?));
        let addr = from.unwrap_or(Ipv6Addr::UNSPECIFIED).into();
        // A relay may be behind another interface than the one its message came in on.
        let ifindex = if self.to.ip().is_unicast_link_local() { port.iface.index } else { 0 };
        let message = (self.bytes.as_slice(), self.to.into(), Source { addr, ifindex });
        port.outbox.send(port.socket.endpoint(), neighbours, message, port.iface.index)
    }
}

impl Kind {
    /// A socket of the interface's own.
    fn bind(self, iface: &Iface, number: u16) -> io::Result<IfaceSocket> {
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, number));
        let endpoint = match self {
            Kind::Dhcp => Endpoint::bind(any, Some(&iface.name))?.only_for(Purpose::Dhcp),
            Kind::Broadcasts => {
                Endpoint::bind_shared((Ipv4Addr::BROADCAST, number).into(), Some(&iface.name))?
            }
            Kind::Dhcp6 => {
                let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, number));
                let endpoint = Endpoint::bind(any, Some(&iface.name))?.only_for(Purpose::Dhcp6);
                for group in [ALL_SERVERS_AND_RELAYS, ALL_SERVERS] {
                    endpoint.join(group, iface.index)?;
                }
                endpoint
            }
        };
        Ok(IfaceSocket::own(endpoint))
    }
}

/// Larger DHCP packets than an Ethernet frame holds come from nobody who boots.
const MAX_PACKET: usize = 2048;
const PAUSE: Duration = Duration::from_millis(200);
/// ff02::1:2, of the link.
const ALL_SERVERS_AND_RELAYS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
/// ff05::1:3, of the site: relays send there.
const ALL_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 1, 3);
