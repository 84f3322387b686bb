//! UDP port 514: messages of machines' programs, by RFC 5424 or RFC 3164.
//!
//! A message belongs to the machine that uses the sender's address; others are counted and dropped.
//! Nothing is ever sent from here. Cancelled by the services' shutdown token.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use netbootd_dhcp::Iface;
use netbootd_diagnosis::syslog::Message;
use netbootd_net::heartbeat::Pulse;
use netbootd_net::udp::{Endpoint, Incoming};
use netbootd_telemetry::event::{ClientMessage, Event, Reported, SYSLOG};
use tracing::warn;

use crate::limits::bucket::RateVerdict;
use crate::services::Services;

/// The port of the syslog protocol (RFC 5426).
pub const PORT: u16 = 514;

/// Listens on one interface, or on all.
#[derive(Debug)]
pub struct SyslogListener {
    services: Arc<Services>,
    endpoint: Endpoint,
    pulse: Pulse,
}

impl SyslogListener {
    /// Binds the port on one interface or on all.
    pub fn bind(services: Arc<Services>, iface: Option<&Iface>) -> io::Result<Self> {
        let device = iface.map(|iface| iface.name.as_str());
        let endpoint = Endpoint::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)), device)?;
        let name = device.map_or_else(|| "syslog".to_owned(), |device| format!("syslog on {device}"));
        Ok(SyslogListener { endpoint, pulse: services.network.heartbeat.pulse(name), services })
    }

    /// Takes messages until shutdown.
    pub async fn run(self) {
        let mut buf = [0; MAX_DATAGRAM];
        loop {
            let heard = tokio::select! {
                heard = self.pulse.during(self.endpoint.recv(&mut buf)) => heard,
                () = self.services.lifecycle.shutdown.cancelled() => return,
            };
            match heard {
                Ok(Incoming::Datagram(received)) => self.receive(&buf[..received.len], received.from),
                Ok(Incoming::Unreachable(_)) => {}
                Err(error) => {
                    warn!(%error, "receiving messages of syslog failed");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn receive(&self, datagram: &[u8], peer: SocketAddr) {
        let services = &self.services;
        let Some(mac) = services.machines.mac_of(peer.ip()) else {
            return services.recorder.count(SYSLOG, "no-machine");
        };
        if let RateVerdict::Refused { .. } = services.limits.syslog(mac, Instant::now()) {
            return services.recorder.count(SYSLOG, "too-often");
        }
        match Message::parse(datagram) {
            Some(message) => {
                let said = ClientMessage::Syslog(message);
                services.recorder.record(Event::Reported(Reported { peer, mac: Some(mac), message: said }));
            }
            None => services.recorder.count(SYSLOG, "malformed"),
        }
    }
}

/// RFC 5426 §3.2 asks for 2048 bytes; more is cut.
const MAX_DATAGRAM: usize = 2048;
const PAUSE: Duration = Duration::from_millis(200);
