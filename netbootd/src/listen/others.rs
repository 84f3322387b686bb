//! The clients' port, for broadcasts alone: what other servers offer. Nothing is ever sent from here.

use std::io;
use std::sync::Arc;

use super::port::{Heard, MAX_PACKET, Port};
use crate::dhcp::destination::CLIENT_PORT;
use crate::dhcp::other_offer;
use crate::event::Event;
use crate::net::iface::Iface;
use crate::services::Services;

/// Listens on one interface.
#[derive(Debug)]
pub struct OthersListener {
    services: Arc<Services>,
    port: Port,
}

impl OthersListener {
    /// Bound to the broadcast address: this machine's own DHCP client keeps what is sent to it.
    pub fn bind(services: Arc<Services>, iface: Iface) -> io::Result<Self> {
        let pulse = services.heartbeat.pulse(format!("other offers on {}", iface.name));
        Ok(OthersListener { services, port: Port::bind_broadcast(iface, CLIENT_PORT, pulse)? })
    }

    /// Listens until shutdown.
    pub async fn run(mut self) {
        let mut buf = [0; MAX_PACKET];
        let mut changes = self.services.interfaces.changes();
        loop {
            let received = match self.port.receive(&mut buf, &self.services.stopping, &mut changes).await {
                Heard::Datagram(received) => received,
                Heard::Moved(port) => {
                    self.port = port;
                    continue;
                }
                Heard::Stopped => return,
            };
            let arrival = self.port.arrival(received.to, received.from);
            let offer = other_offer::read(&buf[..received.len], &arrival);
            // Of machines that have not asked here nobody wants to know.
            if let Some(offer) = offer.filter(|offer| self.services.machines.by_mac(offer.mac).is_some()) {
                self.services.recorder.record(Event::OtherOffered(offer));
            }
        }
    }
}
