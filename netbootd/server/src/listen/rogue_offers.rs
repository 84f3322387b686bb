//! The clients' port, for broadcasts alone: what other servers offer. Nothing is ever sent from
//! here.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use netbootd_config::Mode;
use netbootd_dhcp::Iface;
use netbootd_dhcp::outcome::OtherReply;
use netbootd_dhcp::v4::destination::CLIENT_PORT;
use netbootd_dhcp::v4::other_server;
use netbootd_telemetry::event::{Event, OtherServer};
use netbootd_telemetry::strangers::Conduct;
use parking_lot::Mutex;

use super::port::{Datagram, Handler, Port};
use crate::services::Services;

/// Listens on one interface.
#[derive(Debug)]
pub struct RogueOfferListener {
    port: Port,
    watch: Arc<RogueOffers>,
}

#[derive(Debug)]
struct RogueOffers {
    services: Arc<Services>,
    early: Mutex<Early>,
}

/// Offers to machines that are new here, oldest first: this server answers them only once a probe
/// or a directory has ended, and other servers may be faster.
#[derive(Debug, Default)]
struct Early(VecDeque<(Instant, OtherServer)>);

impl RogueOfferListener {
    /// Bound to the broadcast address: this machine's own DHCP client keeps what is sent to it.
    pub fn bind(services: Arc<Services>, iface: Iface) -> io::Result<Self> {
        let pulse = services.network.heartbeat.pulse(format!("other offers on {}", iface.name));
        let port = Port::bind_broadcast(iface, CLIENT_PORT, pulse)?;
        Ok(RogueOfferListener { port, watch: Arc::new(RogueOffers { services, early: Mutex::default() }) })
    }

    /// Listens until the services stop.
    pub async fn run(self) {
        let services = Arc::clone(&self.watch.services);
        self.port.serve(&services, self.watch).await;
    }
}

impl Handler for RogueOffers {
    async fn handle(self: &Arc<Self>, port: &Arc<Port>, datagram: Datagram<'_>) {
        // An IPv4 socket receives nothing else.
        let (SocketAddr::V4(from), IpAddr::V4(to)) = (datagram.from, datagram.to) else { return };
        self.record_early();
        let is_own = || self.services.network.own_replies.contains(datagram.bytes);
        let other = other_server::read(datagram.bytes, &port.arrival(to, from));
        let Some(other) = other.filter(|_| !is_own()) else { return };
        self.note_rival(&other);
        match self.has_asked(&other) {
            true => self.services.recorder.record(Event::OtherServer(other)),
            false => self.early.lock().put(other, Instant::now()),
        }
    }

    async fn between(&self) {
        if self.early.lock().0.is_empty() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
        self.record_early();
    }
}

impl RogueOffers {
    /// Names a server that leases addresses where this one does. Servers that share a database are
    /// no rivals.
    fn note_rival(&self, other: &OtherServer) {
        let config = &self.services.snapshot.load().config;
        let leases = other.reply == OtherReply::Offer && other.address.is_some() && !other.same_host;
        if leases && config.dhcp.mode == Mode::Server && config.database.is_none() {
            let (from, example) = (other.server.into(), other.mac.to_string());
            let conduct = Conduct::SecondDhcpServer;
            self.services.strangers.note(from, conduct, Some(&example), SystemTime::now());
        }
    }

    /// Records the offers whose machines are known by now. Those of machines that never ask here
    /// are dropped.
    fn record_early(&self) {
        let known = self.early.lock().due(Instant::now(), |offer| self.has_asked(offer));
        for offer in known {
            self.services.recorder.record(Event::OtherServer(offer));
        }
    }

    fn has_asked(&self, offer: &OtherServer) -> bool {
        self.services.machines.by_mac(offer.mac).is_some()
    }
}

impl Early {
    fn put(&mut self, offer: OtherServer, now: Instant) {
        if self.0.len() >= MAX_EARLY {
            self.0.pop_front();
        }
        self.0.push_back((now, offer));
    }

    /// The offers to machines that are known by now, which leave, as the ones do that have waited
    /// for too long.
    fn due(&mut self, now: Instant, is_known: impl Fn(&OtherServer) -> bool) -> Vec<OtherServer> {
        let mut known = Vec::new();
        self.0.retain(|(since, offer)| {
            let now_known = is_known(offer);
            if now_known {
                known.push(offer.clone());
            }
            !now_known && now.saturating_duration_since(*since) < KEPT
        });
        known
    }
}

/// A few probes and the slowest directory.
const KEPT: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Offers are broadcast on the own link: more at once are a flood.
const MAX_EARLY: usize = 256;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use pxe_policy::MacAddr;

    use super::*;

    fn offer(n: u8) -> OtherServer {
        OtherServer {
            iface: "lan0".into(),
            server: Ipv4Addr::new(10, 77, 0, 9),
            mac: MacAddr([2, 0, 0, 0, 0, n]),
            class: None,
            next_server: None,
            boot_file: Some("pxelinux.0".into()),
            address: None,
            reply: OtherReply::Offer,
            router: None,
            has_dns: false,
            same_host: false,
        }
    }

    #[test]
    fn an_offer_to_a_machine_that_is_not_known_yet_waits_for_it_and_not_for_ever() {
        let (start, mut early) = (Instant::now(), Early::default());
        early.put(offer(1), start);
        early.put(offer(2), start);
        assert_eq!(early.due(start + LOOK_AGAIN, |_| false), []);
        assert_eq!(early.due(start + LOOK_AGAIN, |offer| offer.mac.0[5] == 2), [offer(2)]);
        assert_eq!(early.due(start + KEPT, |_| false), []);
        assert_eq!(early.due(start + KEPT, |_| true), [], "it was forgotten");
        for n in 0..u32::try_from(MAX_EARLY).unwrap() * 2 {
            early.put(offer(n as u8), start);
        }
        assert_eq!(early.0.len(), MAX_EARLY);
    }
}
