//! Ports 547 and 4011 of IPv6, one socket an interface. Ends once the services stop.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;

use netbootd_dhcp::Iface;
use netbootd_dhcp::v6::answer::repeated_after;
use netbootd_dhcp::v6::{Arrival, Packet, Reply};
use tokio::sync::Semaphore;

use super::port::{Datagram, Handler, Leaving, Port};
use crate::dhcp6_server::Dhcp6Server;
use crate::services::Services;

/// Listens on one port of one interface.
#[derive(Debug)]
pub struct Dhcp6Listener {
    port: Port,
    service: Arc<Dhcp6Service>,
}

/// The service behind the port.
#[derive(Debug)]
struct Dhcp6Service {
    services: Arc<Services>,
    server: Arc<Dhcp6Server>,
    /// Places for replies that wait to be repeated.
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
        let pulse = services.network.heartbeat.pulse(format!("port {port} of IPv6 on {}", iface.name));
        let port = Port::bind6(iface, port, pulse)?;
        let repeats = Arc::new(Semaphore::new(MAX_REPEATS));
        Ok(Dhcp6Listener { port, service: Arc::new(Dhcp6Service { services, server, repeats }) })
    }

    /// Serves until the services stop.
    pub async fn run(self) {
        let services = Arc::clone(&self.service.services);
        self.port.serve(&services, self.service).await;
    }
}

impl Handler for Dhcp6Service {
    async fn handle(self: &Arc<Self>, port: &Arc<Port>, datagram: Datagram<'_>) {
        // An IPv6 socket receives nothing else.
        let (SocketAddr::V6(from), IpAddr::V6(to)) = (datagram.from, datagram.to) else { return };
        if !self.services.allows6(&port.iface, *from.ip()) {
            return;
        }
        let packet = match Packet::parse(datagram.bytes) {
            Ok(packet) => packet,
            Err(error) => return self.services.malformed6(error, &arrival(port, to, from)),
        };
        let client = self.server.client_of(&packet, *from.ip());
        let holds_lease = || self.server.holds_lease(&client);
        if !self.services.looks_at6(&client, &packet, &arrival(port, to, from), holds_lease) {
            return;
        }
        // A lease waits for the disk, a decision for directories; other machines do not wait for
        // it.
        let (service, answering, question) = (Arc::clone(self), Arc::clone(port), datagram.bytes.len());
        let work = async move {
            let arrival = arrival(&answering, to, from);
            let answer = service.server.answer(&service.services, &packet, &arrival).await;
            if let Some(reply) = answering.deliver(&service.services, answer).await {
                service.repeat(&answering, reply, question);
            }
        };
        self.services.beside(&port.iface.name, work).await;
    }
}

impl Dhcp6Service {
    /// Repeats a reply to a question of so many bytes, as long as nothing speaks against it.
    fn repeat(&self, port: &Arc<Port>, reply: Reply, question: usize) {
        let pauses = repeated_after(port.number, question, reply.bytes.len());
        if pauses.is_empty() {
            return;
        }
        let Ok(permit) = Arc::clone(&self.repeats).try_acquire_owned() else { return };
        let (services, port) = (Arc::clone(&self.services), Arc::clone(port));
        tokio::spawn(async move {
            for pause in pauses {
                tokio::select! {
                    () = tokio::time::sleep(*pause) => {}
                    () = services.lifecycle.stopping.cancelled() => break,
                }
                let allowed = port.may_leave(&services, &reply);
                if allowed.is_err() || reply.leave_by(&port, &services.network.neighbours).is_err() {
                    break;
                }
            }
            drop(permit);
        });
    }
}

fn arrival(port: &Port, to: Ipv6Addr, from: SocketAddrV6) -> Arrival<'_> {
    Arrival { iface: &port.iface, to, from, port: port.number }
}

/// Replies of an interface that may wait to be repeated; beyond that they are sent once.
const MAX_REPEATS: usize = 256;
