//! Port 4011, one socket an interface. Ends once the services stop.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use netbootd_dhcp::Iface;
use netbootd_dhcp::v4::boot_server::{self, HandedOn, Led};
use netbootd_dhcp::v4::destination::BOOT_SERVER_PORT;
use netbootd_dhcp::v4::forward::{self, Unusable};
use netbootd_dhcp::v4::intake::boot_request;
use netbootd_dhcp::v4::{Answer, Arrival, Packet};
use netbootd_net::shared::SharedSocket;
use netbootd_telemetry::event::{Event, Proto};
use pxe_policy::Reason;

use super::port::{Heard, MAX_PACKET, Port};
use crate::services::Services;

/// Listens on one interface's port 4011.
#[derive(Debug)]
pub struct PxeListener {
    services: Arc<Services>,
    port: Port,
}

impl PxeListener {
    /// Binds the port on this interface, or shares the socket that is there.
    pub fn bind(
        services: Arc<Services>,
        iface: Iface,
        shared: Option<&mut SharedSocket>,
    ) -> io::Result<Self> {
        let pulse = services.network.heartbeat.pulse(format!("pxe on {}", iface.name));
        Ok(PxeListener { services, port: Port::open(iface, BOOT_SERVER_PORT, shared, pulse)? })
    }

    /// Serves until the services stop.
    pub async fn run(self) {
        let mut listener = Arc::new(self);
        let mut buf = [0; MAX_PACKET];
        let mut changes = listener.services.network.interfaces.changes();
        loop {
            let received = match listener
                .port
                .receive(&mut buf, &listener.services.lifecycle.stopping, &mut changes)
                .await
            {
                Heard::Datagram(received) => received,
                Heard::Moved(port) => {
                    let services = Arc::clone(&listener.services);
                    listener = Arc::new(PxeListener { services, port });
                    continue;
                }
                Heard::Stopped => return,
            };
            let (to, from) = (received.to, received.from);
            let parsed = Packet::parse(&buf[..received.len]);
            if let Ok(packet) = &parsed
                && !listener.services.looks_at(packet, &listener.port.arrival(to, from), Proto::Pxe, || false)
            {
                continue;
            }
            match parsed {
                Err(error) => {
                    let arrival = listener.port.arrival(to, from);
                    listener.services.malformed(error, &arrival, Proto::Pxe);
                }
                Ok(packet) if listener.answers_at_once() => {
                    let arrival = listener.port.arrival(to, from);
                    let answer = listener.answer(&packet, &arrival).await;
                    listener.perform(answer).await;
                }
                Ok(packet) => listener.answer_beside(packet, to, from).await,
            }
        }
    }

    fn answers_at_once(&self) -> bool {
        let snapshot = self.services.snapshot.load();
        snapshot.directories.is_empty() && snapshot.config.relay.is_none()
    }

    /// Directories, the ledger and another responder take their time; other machines do not wait for them.
    async fn answer_beside(self: &Arc<Self>, packet: Packet, to: Ipv4Addr, from: SocketAddrV4) {
        let listener = Arc::clone(self);
        let work = async move {
            let arrival = listener.port.arrival(to, from);
            let answer = listener.answer(&packet, &arrival).await;
            listener.perform(answer).await;
        };
        self.services.beside(&self.port.iface.name, work).await;
    }

    async fn perform(&self, answer: Answer) {
        let Some(answer) = self.services.bounded(answer) else { return };
        let Answer { reply, event, .. } = self.services.commit(answer).await;
        match reply.map_or(Ok(()), |reply| self.port.send(&reply, &self.services.network.neighbours)) {
            Ok(()) => self.services.recorder.record(Event::Decided(event)),
            Err(unsent) => self.services.unsent(Event::Decided(event), &unsent, self.port.iface.index),
        }
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
            services.decide(request, &answers)
        });
        match led {
            Led::Answered(answer) => *answer,
            Led::HandedOn(asked) => self.forward(packet, arrival, *asked).await,
        }
    }

    async fn forward(&self, packet: &Packet, arrival: &Arrival<'_>, asked: HandedOn) -> Answer {
        let services = &self.services;
        let snapshot = services.snapshot.load_full();
        let begun = match &asked.verdict.deployment {
            Some(deployed) => services.begin(deployed, packet.mac()).await,
            None => Ok(None),
        };
        let begun = match begun {
            Ok(begun) => begun,
            Err(reason) => {
                let detail = "the ledger does not take it".into();
                return forward::refused(asked, packet, arrival, Unusable { reason, detail });
            }
        };
        let told = match &snapshot.config.relay {
            Some(settings) => services.content.relay.ask(settings, packet, arrival).await,
            // A rule that hands on without a responder is refused with the configuration.
            None => Err(Unusable { reason: Reason::RelayNoAnswer, detail: "no responder is named".into() }),
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
