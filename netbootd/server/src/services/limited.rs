//! Requests that a limit refuses: counted each time, logged now and then.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use netbootd_dhcp::Iface;
use netbootd_dhcp::v4::{Answer, Arrival, Malformed, Packet};
use netbootd_dhcp::v6 as dhcp6;
use netbootd_net::dhcp_senders;
use netbootd_net::outbox::Unsent;
use netbootd_state::leases6::Client;
use netbootd_telemetry::event::{Answered, Decided, Event, FileRefused, Proto, Refusal, SharedError};
use netbootd_telemetry::strangers::{Conduct, Origin};
use pxe_policy::Reason;
use tokio::runtime::Handle;
use tracing::debug;

use super::Services;
use crate::limits::bucket::RateVerdict;
use crate::limits::{self, Ingress, Limited};

/// A flood shows its sender within this time.
const LOOKS_FOR: Duration = Duration::from_millis(500);
/// The counters' word for replies that did not leave.
pub const UNSENT: &str = "unsent";

impl Services {
    /// Whether a DHCP packet is looked at. One that is not is counted, and now and then logged.
    pub fn looks_at(
        &self,
        packet: &Packet,
        arrival: &Arrival<'_>,
        proto: Proto,
        holds_lease: impl Fn() -> bool,
    ) -> bool {
        let snapshot = self.snapshot.load();
        let settings = &snapshot.config.limits;
        let (way, now) = (Ingress::<Ipv4Addr>::of_packet(packet, arrival), Instant::now());
        let admitted = if limits::allows(settings, packet, arrival) {
            self.limits.dhcp(settings, packet.mac(), way, holds_lease, now)
        } else {
            Err(self.limits.not_allowed(way, now))
        };
        let Err(limited) = admitted else { return true };
        self.name_flooder(limited, arrival);
        self.leave_alone(limited, || Answer::silence(packet, arrival, proto, limited.reason).event);
        false
    }

    /// Names the sender of too many packets: by its address, or where it has none yet, by the
    /// hardware address that sends most of what comes by the interface now.
    fn name_flooder(&self, limited: Limited, arrival: &Arrival<'_>) {
        if !matches!(limited.reason, Reason::SourceTooOften | Reason::TooManyNewMachines) {
            return;
        }
        let from = *arrival.from.ip();
        if !from.is_unspecified() {
            return self.strangers.note(from.into(), Conduct::DhcpFlood, None, SystemTime::now());
        }
        // Told once a minute of each interface: frames are looked at no more often.
        let (true, Ok(runtime)) = (limited.tell, Handle::try_current()) else { return };
        let (strangers, ifindex) = (Arc::clone(&self.strangers), arrival.iface.index);
        runtime.spawn(async move {
            match dhcp_senders::busiest(ifindex, LOOKS_FOR).await {
                Ok(Some((mac, frames))) => {
                    let origin = Origin::Hardware(mac);
                    strangers.note_many(origin, Conduct::DhcpFlood, frames, None, SystemTime::now());
                }
                Ok(None) => {}
                Err(error) => debug!(ifindex, %error, "the sender of a flood is not known"),
            }
        });
    }

    /// Whether the configuration lets a DHCPv6 sender be answered. One that it does not is only
    /// counted.
    pub fn allows6(&self, iface: &Iface, from: Ipv6Addr) -> bool {
        let snapshot = self.snapshot.load();
        let settings = &snapshot.config.limits;
        let own = || iface.addrs6.iter().any(|net| settings.allows_client(net.addr().into()));
        let on_link = from.is_unicast_link_local() && own();
        let allowed = settings.allows_client(from.into()) || on_link;
        if !allowed {
            self.recorder.count(Answered::Ignore.name(), Reason::NotAllowed.as_str());
        }
        allowed
    }

    /// Whether a DHCPv6 message is looked at. One that is not is only counted.
    pub fn looks_at6(
        &self,
        client: &Client,
        packet: &dhcp6::Packet,
        arrival: &dhcp6::Arrival<'_>,
        holds_lease: impl Fn() -> bool,
    ) -> bool {
        let snapshot = self.snapshot.load();
        let settings = &snapshot.config.limits;
        let way = Ingress::<Ipv6Addr>::of_packet(packet, arrival);
        let admitted = self.limits.dhcp6(settings, client, way, holds_lease, Instant::now());
        if let Err(limited) = &admitted {
            self.recorder.count(Answered::Ignore.name(), limited.reason.as_str());
        }
        admitted.is_ok()
    }

    /// The same as [`Services::malformed`] of bytes that are no DHCPv6 message.
    pub fn malformed6(&self, error: dhcp6::Malformed, arrival: &dhcp6::Arrival<'_>) {
        if self.limits.tells_of_junk(arrival.iface.index, Instant::now()) {
            self.recorder.record(Event::Decided(dhcp6::answer::malformed(error, arrival).event));
        } else {
            self.recorder.count(Answered::Ignore.name(), Reason::Malformed.as_str());
        }
    }

    /// Whether so many bytes may go to such an address.
    pub fn may_send(&self, to: IpAddr, bytes: usize) -> Result<(), Limited> {
        self.limits.reply(&self.snapshot.load().config.limits, to, bytes, Instant::now())
    }

    /// Counts a packet that a limit leaves alone; what is worth a line becomes an event.
    pub fn leave_alone(&self, limited: Limited, silence: impl FnOnce() -> Decided) {
        if limited.tell {
            self.recorder.record(Event::Decided(silence()));
        } else {
            self.recorder.count(Answered::Ignore.name(), limited.reason.as_str());
        }
    }

    /// Records what was decided on a packet whose reply did not leave. Each is counted; the first
    /// ones of an interface, and then one a second, become events: anybody can ask in the name of
    /// an address that nobody has.
    pub fn unsent(&self, mut event: Event, unsent: Unsent, iface: u32) {
        self.recorder.count(UNSENT, unsent.name());
        event.send_failed(SharedError::new(unsent));
        if self.limits.tells_of_unsent(iface, Instant::now()) {
            self.recorder.record(event);
        } else {
            self.recorder.count_event(&event);
        }
    }

    /// Counts a packet that comes while too many wait.
    pub fn too_many_wait(&self, iface: &str) {
        self.recorder.count(Answered::Ignore.name(), Reason::TooManyWaiting.as_str());
        debug!(iface, "too many requests at once");
    }

    /// Counts bytes that are no DHCP packet; the first ones, and then one a second, become events.
    pub fn malformed(&self, error: Malformed, arrival: &Arrival<'_>, proto: Proto) {
        let from = (*arrival.from.ip()).into();
        self.strangers.note(from, Conduct::Malformed, None, SystemTime::now());
        if self.limits.tells_of_junk(arrival.iface.index, Instant::now()) {
            self.recorder.record(Event::Decided(Answer::malformed(error, arrival, proto).event));
        } else {
            self.recorder.count(Answered::Ignore.name(), Reason::Malformed.as_str());
        }
    }

    /// The reason not to answer a client that asks for a file, if there is one. It is counted then.
    pub fn leaves_client_alone(&self, proto: Proto, peer: SocketAddr) -> Option<Refusal> {
        let client = peer.ip();
        let snapshot = self.snapshot.load();
        let (settings, now) = (&snapshot.config.limits, Instant::now());
        let (refusal, verdict) = if !settings.allows_client(client) {
            (Refusal::NotAllowed, self.limits.client_not_allowed(client, now))
        } else if proto == Proto::Tftp {
            (Refusal::TooOften, self.limits.read_request(settings, client, now))
        } else {
            (Refusal::TooOften, self.limits.http_request(settings, client, now))
        };
        let RateVerdict::Refused { tell } = verdict else { return None };
        if tell {
            self.refuses(proto, peer, refusal);
        } else {
            self.recorder.count(proto.name(), refusal.name());
        }
        Some(refusal)
    }

    /// Records that a client is refused whom the lists do not allow, or not on the interface that
    /// it came to.
    pub fn disallows(&self, proto: Proto, peer: SocketAddr) {
        match self.limits.client_not_allowed(peer.ip(), Instant::now()) {
            RateVerdict::Refused { tell: true } => self.refuses(proto, peer, Refusal::NotAllowed),
            _ => self.recorder.count(proto.name(), Refusal::NotAllowed.name()),
        }
    }

    /// Whether clients are served on an own address: on each, or on those of the interfaces that
    /// the configuration names.
    pub fn serves_on(&self, local: IpAddr) -> bool {
        let snapshot = self.snapshot.load();
        let wanted = &snapshot.config.server.interfaces;
        wanted.is_empty() || local.is_loopback() || self.limits.served.holds(local, wanted, Instant::now())
    }

    /// Records that a client is refused before it is known what it asks for.
    pub fn refuses(&self, proto: Proto, peer: SocketAddr, refusal: Refusal) {
        let mac = self.machines.mac_of(peer.ip());
        let path = String::new();
        self.recorder.record(Event::FileRefused(FileRefused {
            proto,
            peer,
            mac,
            path,
            refusal,
            detail: None,
        }));
    }
}
