//! Ports 547 and 4011 of IPv6, one socket an interface. Ends once the services stop.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;

use netbootd_dhcp::Iface;
use netbootd_dhcp::v6::answer::repeated_after;
use netbootd_dhcp::v6::{Answer, Arrival, Packet, Reply};
use netbootd_net::flood_filter::Purpose;
use netbootd_net::heartbeat::Pulse;
use netbootd_net::outbox::{Outbox, Unsent};
use netbootd_net::udp::{Endpoint, Incoming, Source};
use netbootd_telemetry::event::{Answered, Event};
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use super::port::MAX_PACKET;
use crate::dhcp6_server::Dhcp6Server;
use crate::services::Services;

/// Listens on one port of one interface.
#[derive(Debug)]
pub struct Dhcp6Listener {
    services: Arc<Services>,
    server: Arc<Dhcp6Server>,
    iface: Iface,
    port: u16,
    endpoint: Arc<Endpoint>,
    outbox: Arc<Outbox>,
    pulse: Arc<Pulse>,
    /// Replies that may wait to be said again.
    repeats: Arc<Semaphore>,
}

impl Dhcp6Listener {
    /// Binds the port on this interface and joins the groups of servers and relays.
    pub fn bind(
        services: Arc<Services>,
        server: Arc<Dhcp6Server>,
        iface: Iface,
        port: u16,
    ) -> io::Result<Self> {
        let endpoint = open(&iface, port)?;
        let pulse = services.network.heartbeat.pulse(format!("port {port} of IPv6 on {}", iface.name));
        let (pulse, repeats) = (Arc::new(pulse), Arc::new(Semaphore::new(MAX_REPEATS)));
        let outbox = Arc::default();
        Ok(Dhcp6Listener { services, server, iface, port, endpoint, outbox, pulse, repeats })
    }

    /// The same on the interface as it is now. A socket stays with the link that it was bound to, whatever its addresses are.
    fn follow(&self, iface: Iface) -> io::Result<Self> {
        let (services, server) = (Arc::clone(&self.services), Arc::clone(&self.server));
        let (endpoint, outbox) = match iface.index == self.iface.index {
            true => (Arc::clone(&self.endpoint), Arc::clone(&self.outbox)),
            false => (open(&iface, self.port)?, Arc::default()),
        };
        Ok(Dhcp6Listener {
            services,
            server,
            iface,
            port: self.port,
            endpoint,
            outbox,
            pulse: Arc::clone(&self.pulse),
            repeats: Arc::clone(&self.repeats),
        })
    }

    /// Serves until the services stop.
    pub async fn run(self) {
        let mut listener = Arc::new(self);
        let mut buf = [0; MAX_PACKET];
        let mut changes = listener.services.network.interfaces.changes();
        loop {
            let heard = tokio::select! {
                heard = listener.pulse.during(listener.endpoint.recv(&mut buf)) => heard,
                moved = changes.moved(&listener.iface) => match listener.follow(moved) {
                    Ok(next) => {
                        listener = Arc::new(next);
                        continue;
                    }
                    Err(error) => {
                        changes.again();
                        Err(error)
                    }
                },
                () = listener.services.lifecycle.stopping.cancelled() => return,
            };
            match heard {
                Ok(Incoming::Datagram(received)) => {
                    // An IPv6 socket hears nothing else.
                    if let (SocketAddr::V6(from), IpAddr::V6(to)) = (received.from, received.to) {
                        listener.take(&buf[..received.len], to, from).await;
                    }
                }
                Ok(Incoming::Unreachable(peer)) => debug!(iface = listener.iface.name, %peer, "unreachable"),
                Err(error) => {
                    warn!(iface = listener.iface.name, %error, "receiving failed");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn take(self: &Arc<Self>, bytes: &[u8], to: Ipv6Addr, from: SocketAddrV6) {
        if !self.services.allows6(&self.iface, *from.ip()) {
            return;
        }
        let packet = match Packet::parse(bytes) {
            Ok(packet) => packet,
            Err(error) => return self.services.malformed6(error, &self.arrival(to, from)),
        };
        let client = self.server.client_of(&packet, *from.ip());
        let holds_lease = || self.server.holds_lease(&client);
        if !self.services.looks_at6(&client, &packet, &self.arrival(to, from), holds_lease) {
            return;
        }
        // A lease waits for the disk, a decision for directories; other machines do not wait for it.
        let (listener, question) = (Arc::clone(self), bytes.len());
        let work = async move {
            let arrival = listener.arrival(to, from);
            let answer = listener.server.answer(&listener.services, &packet, &arrival).await;
            listener.perform(answer, question).await;
        };
        self.services.beside(&self.iface.name, work).await;
    }

    fn arrival(&self, to: Ipv6Addr, from: SocketAddrV6) -> Arrival<'_> {
        Arrival { iface: &self.iface, to, from, port: self.port }
    }

    /// `question` is the length of what was asked.
    async fn perform(self: &Arc<Self>, answer: Answer, question: usize) {
        let Answer { reply, event, .. } = self.services.commit(answer).await;
        if let Some(reply) = &reply
            && let Err(limited) = self.services.may_send((*reply.to.ip()).into(), reply.bytes.len())
        {
            return self.services.recorder.count(Answered::Ignore.name(), limited.reason.as_str());
        }
        if let Some(reply) = reply {
            match self.send(&reply) {
                Ok(()) => match repeated_after(self.port, question, reply.bytes.len()) {
                    [] => {}
                    pauses => self.repeat(reply, pauses),
                },
                Err(unsent) => return self.services.unsent(Event::Decided(event), &unsent, self.iface.index),
            }
        }
        self.services.recorder.record(Event::Decided(event));
    }

    /// Says a reply again after each of these pauses, as long as nothing speaks against it.
    fn repeat(self: &Arc<Self>, reply: Reply, pauses: &'static [Duration]) {
        let Ok(permit) = Arc::clone(&self.repeats).try_acquire_owned() else { return };
        let listener = Arc::clone(self);
        tokio::spawn(async move {
            for pause in pauses {
                tokio::select! {
                    () = tokio::time::sleep(*pause) => {}
                    () = listener.services.lifecycle.stopping.cancelled() => break,
                }
                let allowed = listener.services.may_send((*reply.to.ip()).into(), reply.bytes.len());
                if allowed.is_err() || listener.send(&reply).is_err() {
                    break;
                }
            }
            drop(permit);
        });
    }

    fn send(&self, reply: &Reply) -> Result<(), Unsent> {
        // Beyond the link a link-local address means nothing, and the sockets beside the port's own begin from one.
        let beyond = Some(*reply.to.ip()).filter(|to| !to.is_unicast_link_local());
        let from = reply.from.or_else(|| self.iface.addr6_towards(beyond?));
        let addr = from.unwrap_or(Ipv6Addr::UNSPECIFIED).into();
        // A relay may be behind another interface than the one its message came in on.
        let ifindex = if reply.to.ip().is_unicast_link_local() { self.iface.index } else { 0 };
        let message = (reply.bytes.as_slice(), reply.to.into(), Source { addr, ifindex });
        self.outbox.send(&self.endpoint, &self.services.network.neighbours, message, self.iface.index)
    }
}

/// The port on an interface, in the groups of servers and relays.
fn open(iface: &Iface, port: u16) -> io::Result<Arc<Endpoint>> {
    let endpoint = Endpoint::bind((Ipv6Addr::UNSPECIFIED, port).into(), Some(&iface.name))?;
    let endpoint = endpoint.only_for(Purpose::Dhcp6);
    for group in [ALL_SERVERS_AND_RELAYS, ALL_SERVERS] {
        endpoint.join(group, iface.index)?;
    }
    Ok(Arc::new(endpoint))
}

/// ff02::1:2, of the link.
const ALL_SERVERS_AND_RELAYS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
/// ff05::1:3, of the site: relays send there.
const ALL_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 1, 3);
const PAUSE: Duration = Duration::from_millis(200);
/// Replies of an interface that may wait to be said again; beyond that they are said once.
const MAX_REPEATS: usize = 256;
