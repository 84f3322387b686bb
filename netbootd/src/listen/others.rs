//! The clients' port, for broadcasts alone: what other servers offer. Nothing is ever sent from here.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use super::dhcp::{MAX_PACKET, pause_after};
use crate::dhcp::destination::CLIENT_PORT;
use crate::dhcp::{Arrival, other_offer};
use crate::event::Event;
use crate::net::iface::Iface;
use crate::net::udp::{Endpoint, Incoming};
use crate::services::Services;

/// Listens on one interface.
#[derive(Debug)]
pub struct OthersListener {
    services: Arc<Services>,
    iface: Iface,
    endpoint: Endpoint,
}

impl OthersListener {
    /// Bound to the broadcast address: this machine's own DHCP client keeps what is sent to it.
    pub fn bind(services: Arc<Services>, iface: Iface) -> io::Result<Self> {
        let endpoint =
            Endpoint::bind_shared(SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT), Some(&iface.name))?;
        Ok(OthersListener { services, iface, endpoint })
    }

    /// Listens until shutdown.
    pub async fn run(self) {
        let mut buf = [0; MAX_PACKET];
        loop {
            let heard = tokio::select! {
                heard = self.endpoint.recv(&mut buf) => heard,
                () = self.services.shutdown.cancelled() => return,
            };
            let received = match heard {
                Ok(Incoming::Datagram(received)) => received,
                Ok(Incoming::Unreachable(_)) => continue,
                Err(error) => {
                    pause_after(&error, &self.iface).await;
                    continue;
                }
            };
            let arrival = Arrival::new(&self.iface, received.to, received.from);
            let offer = other_offer::read(&buf[..received.len], &arrival);
            // Of machines that have not asked here nobody wants to know.
            if let Some(offer) = offer.filter(|offer| self.services.machines.by_mac(offer.mac).is_some()) {
                self.services.recorder.record(Event::OtherOffered(offer));
            }
        }
    }
}
