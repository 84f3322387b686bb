//! Port 4011, one socket an interface. Ends once the services stop.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use netbootd_dhcp::Iface;
use netbootd_dhcp::v4::boot_server::{self, Forwarded, Led};
use netbootd_dhcp::v4::destination::BOOT_SERVER_PORT;
use netbootd_dhcp::v4::forward::{self, Unusable};
use netbootd_dhcp::v4::intake::boot_request;
use netbootd_dhcp::v4::{Answer, Arrival, Packet, is_probe};
use netbootd_net::shared::SharedSocket;
use netbootd_telemetry::event::Proto;

use super::port::{Datagram, Handler, Port};
use crate::services::Services;

/// Listens on one interface's port 4011.
#[derive(Debug)]
pub struct PxeListener {
    port: Port,
    service: Arc<PxeService>,
}

/// The boot server behind the port.
#[derive(Debug)]
struct PxeService {
    services: Arc<Services>,
}

impl PxeListener {
    /// Binds the port on this interface, or shares the socket that is there.
    pub fn bind(
        services: Arc<Services>,
        iface: Iface,
        shared: Option<&mut SharedSocket>,
    ) -> io::Result<Self> {
        let pulse = services.network.heartbeat.pulse(format!("pxe on {}", iface.name));
        let port = Port::open(iface, BOOT_SERVER_PORT, shared, pulse)?;
        Ok(PxeListener { port, service: Arc::new(PxeService { services }) })
    }

    /// Serves until the services stop.
    pub async fn run(self) {
        let services = Arc::clone(&self.service.services);
        self.port.serve(&services, self.service).await;
    }
}

impl Handler for PxeService {
    async fn handle(self: &Arc<Self>, port: &Arc<Port>, datagram: Datagram<'_>) {
        // An IPv4 socket receives nothing else.
        let (SocketAddr::V4(from), IpAddr::V4(to)) = (datagram.from, datagram.to) else { return };
        let arrival = port.arrival(to, from);
        let packet = match Packet::parse(datagram.bytes) {
            Ok(packet) => packet,
            Err(error) => return self.services.malformed(error, &arrival, Proto::Pxe),
        };
        if !self.services.looks_at(&packet, &arrival, Proto::Pxe, || false) {
            return;
        }
        if self.answers_at_once() {
            let answer = self.answer(&packet, &arrival).await;
            port.deliver(&self.services, answer).await;
            return;
        }
        // Directories, the ledger and another responder take their time; other machines do not
        // wait.
        let (service, answering) = (Arc::clone(self), Arc::clone(port));
        let work = async move {
            let answer = service.answer(&packet, &answering.arrival(to, from)).await;
            answering.deliver(&service.services, answer).await;
        };
        self.services.beside(&port.iface.name, work).await;
    }
}

impl PxeService {
    fn answers_at_once(&self) -> bool {
        let snapshot = self.services.snapshot.load();
        snapshot.directories.is_empty() && snapshot.config.relay.is_none()
    }

    async fn answer(&self, packet: &Packet, arrival: &Arrival<'_>) -> Answer {
        let services = &self.services;
        services.machines.uses(packet.mac(), *arrival.from.ip());
        let known = services.machines.by_mac(packet.mac()).map(|machine| machine.request.clone());
        let request = boot_request(packet, arrival).ok().or_else(|| known.clone());
        let answers = match &request {
            Some(request) => services.consult(request).await,
            None => Vec::new(),
        };
        let service = services.snapshot.load().boot_service();
        let led = boot_server::answer(packet, arrival, service, known.as_ref(), |request| {
            services.decide_of(request, &answers, is_probe(packet))
        });
        match led {
            Led::Answered(answer) => *answer,
            Led::Forwarded(asked) => self.forward(packet, arrival, *asked).await,
        }
    }

    async fn forward(&self, packet: &Packet, arrival: &Arrival<'_>, asked: Forwarded) -> Answer {
        let services = &self.services;
        let snapshot = services.snapshot.load_full();
        let begun = match &asked.verdict.deployment {
            Some(deployed) => services.begin(deployed, packet.mac()).await,
            None => Ok(None),
        };
        let begun = match begun {
            Ok(begun) => begun,
            Err(reason) => return forward::refused(asked, packet, arrival, Unusable::NotRecorded(reason)),
        };
        let told = match &snapshot.config.relay {
            Some(settings) => services.content.relay.ask(settings, packet, arrival).await,
            // A rule that hands on without a responder is refused with the configuration.
            None => Err(Unusable::NoResponder),
        };
        let mut answer = match told {
            Ok(told) => forward::answer(asked, packet, arrival, &told),
            Err(why) => forward::refused(asked, packet, arrival, why),
        };
        if let Some(begun) = begun {
            services.ledger.settle(begun, answer.gives.take().is_some()).await;
        }
        answer
    }
}
