//! Port 4011, one socket an interface. Cancelled by the services' shutdown token.

use std::io;
use std::sync::Arc;

use tracing::debug;

use super::dhcp::{MAX_PACKET, bind_on, pause_after, send_reply};
use crate::dhcp::destination::BOOT_SERVER_PORT;
use crate::dhcp::{Answer, Arrival, Packet, boot_server};
use crate::event::{Answered, Event, Proto};
use crate::net::iface::Iface;
use crate::net::udp::{Endpoint, Incoming};
use crate::services::Services;

/// Listens on one interface's port 4011.
#[derive(Debug)]
pub struct PxeListener {
    services: Arc<Services>,
    iface: Iface,
    endpoint: Arc<Endpoint>,
}

impl PxeListener {
    /// Binds the port on this interface.
    pub fn bind(services: Arc<Services>, iface: Iface) -> io::Result<Self> {
        let endpoint = bind_on(&iface, BOOT_SERVER_PORT)?;
        Ok(PxeListener { services, iface, endpoint })
    }

    /// Serves until shutdown.
    pub async fn run(self) {
        let mut buf = [0; MAX_PACKET];
        loop {
            let heard = tokio::select! {
                heard = self.endpoint.recv(&mut buf) => heard,
                () = self.services.shutdown.cancelled() => return,
            };
            let received = match heard {
                Ok(Incoming::Datagram(received)) => received,
                Ok(Incoming::Unreachable(peer)) => {
                    debug!(iface = self.iface.name, %peer, "unreachable");
                    continue;
                }
                Err(error) => {
                    pause_after(&error, &self.iface).await;
                    continue;
                }
            };
            let arrival = Arrival::new(&self.iface, received.to, received.from);
            let Answer { reply, mut event } = match Packet::parse(&buf[..received.len]) {
                Err(error) => Answer::malformed(error, &arrival, Proto::Pxe),
                Ok(packet) => self.answer(&packet, &arrival),
            };
            if let Some(reply) = reply
                && let Err(error) = send_reply(&self.endpoint, &self.iface, &reply).await
            {
                event.decision = Answered::SendFailed;
                event.detail = Some(error.to_string());
            }
            self.services.recorder.record(Event::Decided(event));
        }
    }

    fn answer(&self, packet: &Packet, arrival: &Arrival<'_>) -> Answer {
        let services = &self.services;
        services.machines.uses(packet.mac(), *arrival.from.ip());
        let known = services.machines.by_mac(packet.mac()).map(|machine| machine.request.clone());
        let service = services.snapshot.load().boot_service();
        boot_server::answer(packet, arrival, service, known.as_ref(), |request| services.decide(request))
    }
}
