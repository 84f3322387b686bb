//! DHCPv6 with its state: the server's identifier, the recently seen clients, and in server mode
//! the leases.

use std::net::Ipv6Addr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use dhcproto::v6::Status;
use lru::LruCache;
use netbootd_config::{Config, Mode};
use netbootd_dhcp::v6::option::{self, MessageType};
use netbootd_dhcp::v6::proxy::{self, Own};
use netbootd_dhcp::v6::server::{self, Question};
use netbootd_dhcp::v6::{Answer, Arrival, Duid, Packet, intake};
use netbootd_state::file::{DatabaseError, State};
use netbootd_state::lease_server::LeaseServer;
use netbootd_state::leases::{Clock, Seconds};
use netbootd_state::leases6::store::own_duid;
use netbootd_state::leases6::{Client, Lease, LeaseTable, Want};
use netbootd_state::pool::{Ask, Denied};
use parking_lot::Mutex;
use pxe_policy::{BootRequest, MacAddr, Reason, Verdict};

use crate::dhcp_server::LeaseView;
use crate::services::Services;

/// The address server for IPv6.
#[derive(Debug)]
pub struct Dhcp6Server {
    duid: Duid,
    heard: Mutex<LruCache<Duid, MacAddr>>,
    leases: Option<LeaseServer<LeaseTable>>,
}

impl Dhcp6Server {
    /// With the identifier that the state file keeps; made of `mac` the first time. `own` are the
    /// host's addresses.
    pub fn open(
        config: &Config,
        mac: MacAddr,
        own: Vec<Ipv6Addr>,
        state: Arc<State>,
    ) -> Result<Self, DatabaseError> {
        Dhcp6Server::open_by(config, mac, own, state, Clock::steady())
    }

    /// The same with another clock.
    pub fn open_by(
        config: &Config,
        mac: MacAddr,
        own: Vec<Ipv6Addr>,
        state: Arc<State>,
        clock: Clock,
    ) -> Result<Self, DatabaseError> {
        let since_2000 = clock.now().saturating_sub(YEAR_2000) as u32;
        let duid = own_duid(&state, Duid::link_layer_time(mac, since_2000))?;
        let leases = if config.dhcp6.mode == Mode::Server {
            Some(LeaseServer::<LeaseTable>::open(config.dhcp6.subnets.clone(), own, state, clock)?)
        } else {
            None
        };
        Ok(Dhcp6Server { duid, heard: Mutex::new(LruCache::new(MAX_HEARD)), leases })
    }

    /// Whom leases of a message's sender are under. Nothing is remembered.
    pub fn client_of(&self, packet: &Packet, from: Ipv6Addr) -> Client {
        let duid = intake::client_id(packet).unwrap_or(Duid(Vec::new()));
        let heard = || self.heard.lock().peek(&duid).copied();
        let mac = intake::mac_seen(packet, from).or_else(heard).or_else(|| duid.mac());
        Client::new(mac, &duid)
    }

    /// Whether a client holds a lease that runs.
    pub fn holds_lease(&self, client: &Client) -> bool {
        self.leases.as_ref().is_some_and(|leases| leases.holds_lease(client))
    }

    /// The leases that run, in no order.
    pub fn leases(&self) -> Vec<LeaseView> {
        let Some(leases) = &self.leases else { return Vec::new() };
        leases.with_now(|pool, now| {
            let view = |lease: Lease| LeaseView {
                address: lease.address.into(),
                client: name_of(&lease.client),
                seconds_left: lease.until.saturating_sub(now),
            };
            pool.leases(now).map(view).collect()
        })
    }

    /// Answers one DHCPv6 message.
    pub async fn answer(&self, services: &Services, packet: &Packet, arrival: &Arrival<'_>) -> Answer {
        let mac = self.mac_of(packet, *arrival.from.ip());
        self.note_addresses(services, packet, arrival, mac);
        let snapshot = services.snapshot.load_full();
        let own = Own { duid: &self.duid, http_port: snapshot.config.http.port };
        let question = Question { packet, arrival, mac };
        if snapshot.config.dhcp6.mode == Mode::Off {
            return question.silence(Reason::Disabled);
        }
        let link = arrival.link(packet);
        if let Some(leases) = &self.leases
            && leases.subnet_of(link).is_some()
        {
            return Lessor { services, question, own, leases }.answer().await;
        }
        let answers = match intake::boot_request(packet, arrival, mac) {
            Ok(request) => services.consult(&request).await,
            Err(_) => Vec::new(),
        };
        proxy::answer(packet, arrival, mac, own, |request| services.decide(request, &answers))
    }

    /// The hardware address behind a message, now or when its sender was seen first: on port 4011
    /// it speaks from an address that does not show it.
    fn mac_of(&self, packet: &Packet, from: Ipv6Addr) -> Option<MacAddr> {
        let seen = intake::mac_seen(packet, from);
        let Some(duid) = intake::client_id(packet) else { return seen };
        let mut heard = self.heard.lock();
        if let Some(mac) = seen {
            heard.put(duid, mac);
            return seen;
        }
        heard.get(&duid).copied().or_else(|| duid.mac())
    }

    /// The address that a client asks its own server for is the one its files will be fetched from.
    fn note_addresses(
        &self,
        services: &Services,
        packet: &Packet,
        arrival: &Arrival<'_>,
        mac: Option<MacAddr>,
    ) {
        let Some(mac) = mac else { return };
        if packet.relays.is_empty() && !arrival.from.ip().is_unicast_link_local() {
            services.machines.uses(mac, *arrival.from.ip());
        }
        if packet.kind == MessageType::Request {
            let asked = packet.associations().flat_map(|association| association.addresses);
            asked.for_each(|addr| services.machines.uses(mac, addr));
        }
    }
}

/// The full service, and the message that it answers.
struct Lessor<'a> {
    services: &'a Services,
    question: Question<'a>,
    own: Own<'a>,
    leases: &'a LeaseServer<LeaseTable>,
}

impl Lessor<'_> {
    async fn answer(&self) -> Answer {
        let Lessor { question, own, leases, .. } = *self;
        let Question { packet, arrival, mac } = question;
        let duid = intake::client_id(packet).unwrap_or(Duid(Vec::new()));
        let (client, link) = (Client::new(mac, &duid), arrival.link(packet));
        let asked = packet.options.first(option::SERVER_ID);
        let needs_own = matches!(
            packet.kind,
            MessageType::Request | MessageType::Renew | MessageType::Release | MessageType::Decline
        );
        if asked.is_some_and(|asked| asked != own.duid.0) || (needs_own && asked.is_none()) {
            leases.withdraw(&client);
            return question.silence(Reason::OtherServer);
        }
        let wanted = || packet.associations().flat_map(|association| association.addresses).next();
        match packet.kind {
            MessageType::Solicit | MessageType::Request if packet.associations().next().is_none() => {
                question.silence(Reason::NotForABootServer)
            }
            MessageType::Solicit => {
                let ask = Ask { client: &client, wish: None, segment: link };
                match leases.offer(ask, |_| false, async { false }).await {
                    Ok(granted) => self.reply(MessageType::Advertise, granted.address).await,
                    Err(reason) => question.silence(reason),
                }
            }
            MessageType::Request => self.lease(&client, Want::Offered, link).await,
            MessageType::Renew | MessageType::Rebind => match wanted() {
                Some(address) => self.lease(&client, Want::Renewing(address), link).await,
                None => self.no_binding(),
            },
            MessageType::Confirm => self.confirm(),
            MessageType::Release => {
                let freed = match wanted() {
                    Some(address) => leases.release(client, address).await,
                    None => false,
                };
                self.freed(freed, Reason::Released)
            }
            MessageType::Decline => {
                let freed = match wanted() {
                    Some(address) => leases.decline(client, address).await,
                    None => false,
                };
                self.freed(freed, Reason::Declined)
            }
            MessageType::InformationRequest => {
                let boot = self.decide().await;
                let boot = boot.as_ref().map(|(request, verdict)| (request, verdict));
                server::information(question, leases.subnet_of(link).as_ref(), own, boot)
            }
            _ => question.silence(Reason::NotForABootServer),
        }
    }

    async fn lease(&self, client: &Client, want: Want, link: Ipv6Addr) -> Answer {
        match self.leases.request(client, want, link).await {
            Ok(granted) => self.reply(MessageType::Reply, granted.address).await,
            Err(Denied::Silence(reason)) => self.question.silence(reason),
            Err(Denied::Nak(_)) => self.no_binding(),
        }
    }

    /// An address that is not the client's: for a REBIND another server may know it.
    fn no_binding(&self) -> Answer {
        match self.question.packet.kind {
            MessageType::Rebind => self.question.silence(Reason::WrongAddress),
            _ => server::no_binding(self.question, self.own),
        }
    }

    /// Whether the client's addresses fit the link that it is on.
    fn confirm(&self) -> Answer {
        let Lessor { question, own, leases, .. } = *self;
        let subnet = leases.subnet_of(question.arrival.link(question.packet));
        let mut has = question.packet.associations().flat_map(|association| association.addresses).peekable();
        if has.peek().is_none() {
            return question.silence(Reason::WrongAddress);
        }
        let fits = subnet.is_some_and(|subnet| has.all(|address| subnet.subnet.contains(&address)));
        let status = if fits { Status::Success } else { Status::NotOnLink };
        server::status(question, own, status, if fits { Reason::Lease } else { Reason::WrongAddress })
    }

    async fn reply(&self, kind: MessageType, address: Ipv6Addr) -> Answer {
        let Lessor { question, own, leases, services } = *self;
        if let Some(mac) = question.mac {
            services.machines.uses(mac, address);
        }
        let boot = self.decide().await;
        let boot = boot.as_ref().map(|(request, verdict)| (request, verdict));
        let Some(subnet) = leases.subnet_of(address) else {
            return question.silence(Reason::NoSubnet);
        };
        server::lease(question, kind, address, &subnet, own, boot)
    }

    fn freed(&self, freed: bool, reason: Reason) -> Answer {
        match freed {
            true => server::status(self.question, self.own, Status::Success, reason),
            false => server::no_binding(self.question, self.own),
        }
    }

    /// The verdict for a boot client; None for others.
    async fn decide(&self) -> Option<(BootRequest, Verdict)> {
        let Question { packet, arrival, mac } = self.question;
        let request = intake::boot_request(packet, arrival, mac).ok()?;
        let answers = self.services.consult(&request).await;
        let verdict = self.services.decide(&request, &answers);
        Some((request, verdict))
    }
}

/// A hardware address, or the hex digits of an identifier.
fn name_of(client: &Client) -> String {
    match <[u8; 6]>::try_from(client.0.as_slice()) {
        Ok(mac) => MacAddr(mac).to_string(),
        Err(_) => client.0.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// In seconds since 1970: identifiers count from then (RFC 8415 §11.2).
const YEAR_2000: Seconds = 946_684_800;
/// Machines whose hardware address is remembered by their identifier.
const MAX_HEARD: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");

#[cfg(test)]
mod tests;
