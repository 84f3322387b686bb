//! DHCPv6 with what it has to remember: the server's identifier, who was heard of lately, and in server mode the leases.

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
use netbootd_state::leases::{Clock, Seconds};
use netbootd_state::leases6::store::{LeaseStore, own_duid};
use netbootd_state::leases6::{Client, Lease, LeaseTable};
use parking_lot::Mutex;
use pxe_policy::{BootRequest, MacAddr, Reason, Verdict};

use crate::services::Services;

/// Who answers DHCPv6.
#[derive(Debug)]
pub struct Dhcp6Server {
    duid: Duid,
    heard: Mutex<LruCache<Duid, MacAddr>>,
    leases: Option<(Mutex<LeaseTable>, LeaseStore)>,
    clock: Clock,
}

impl Dhcp6Server {
    /// With the identifier that the state file keeps; made of `mac` the first time. `own` are the host's addresses.
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
            let (store, remembered) = LeaseStore::open(state)?;
            let table = LeaseTable::new(config.dhcp6.subnets.clone(), own, remembered, clock.now());
            Some((Mutex::new(table), store))
        } else {
            None
        };
        Ok(Dhcp6Server { duid, heard: Mutex::new(LruCache::new(MAX_HEARD)), leases, clock })
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
        let Some((table, _)) = &self.leases else { return false };
        with(table, |table| table.holds_lease(client, self.clock.now()))
    }

    /// Answers one message.
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
        if let Some((table, store)) = &self.leases
            && with(table, |table| table.subnet_of(link).is_some())
        {
            return self.as_server(services, question, own, table, store).await;
        }
        let answers = match intake::boot_request(packet, arrival, mac) {
            Ok(request) => services.consult(&request).await,
            Err(_) => Vec::new(),
        };
        proxy::answer(packet, arrival, mac, own, |request| services.decide(request, &answers))
    }

    /// The hardware address behind a message, now or when its sender was heard first: on port 4011 it speaks from an address that does not
    /// tell.
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

    async fn as_server(
        &self,
        services: &Services,
        question: Question<'_>,
        own: Own<'_>,
        table: &Mutex<LeaseTable>,
        store: &LeaseStore,
    ) -> Answer {
        let Question { packet, arrival, mac } = question;
        let duid = intake::client_id(packet).unwrap_or(Duid(Vec::new()));
        let (client, link) = (Client::new(mac, &duid), arrival.link(packet));
        let asked = packet.options.first(option::SERVER_ID);
        let needs_own = matches!(
            packet.kind,
            MessageType::Request | MessageType::Renew | MessageType::Release | MessageType::Decline
        );
        if asked.is_some_and(|asked| asked != own.duid.0) || (needs_own && asked.is_none()) {
            with(table, |table| table.withdraw(&client, self.clock.now()));
            return question.silence(Reason::OtherServer);
        }
        let wanted = || packet.associations().flat_map(|association| association.addresses).next();
        match packet.kind {
            MessageType::Solicit | MessageType::Request if packet.associations().next().is_none() => {
                question.silence(Reason::NotForABootServer)
            }
            MessageType::Solicit => match with(table, |table| table.offer(&client, link, self.clock.now())) {
                Ok(address) => {
                    self.tell(services, question, own, table, (MessageType::Advertise, address)).await
                }
                Err(reason) => question.silence(reason),
            },
            MessageType::Request => match with(table, |table| table.take(&client, link, self.clock.now())) {
                Ok(lease) => self.give(services, question, own, table, store, lease).await,
                Err(reason) => question.silence(reason),
            },
            MessageType::Renew | MessageType::Rebind => {
                let lease = wanted()
                    .and_then(|address| with(table, |table| table.renew(&client, address, self.clock.now())));
                match lease {
                    Some(lease) => self.give(services, question, own, table, store, lease).await,
                    None if packet.kind == MessageType::Renew => server::no_binding(question, own),
                    // Another server may know it.
                    None => question.silence(Reason::WrongAddress),
                }
            }
            MessageType::Confirm => {
                let subnet = with(table, |table| table.subnet_of(link).cloned());
                let mut has = packet.associations().flat_map(|association| association.addresses).peekable();
                if has.peek().is_none() {
                    return question.silence(Reason::WrongAddress);
                }
                let fits = subnet.is_some_and(|subnet| has.all(|address| subnet.subnet.contains(&address)));
                let status = if fits { Status::Success } else { Status::NotOnLink };
                server::status(question, own, status, if fits { Reason::Lease } else { Reason::WrongAddress })
            }
            MessageType::Release => {
                let freed =
                    wanted().is_some_and(|address| with(table, |table| table.release(&client, address)));
                self.freed(question, own, store, client, freed.then_some(Reason::Released)).await
            }
            MessageType::Decline => {
                let freed = wanted().is_some_and(|address| {
                    with(table, |table| table.decline(&client, address, self.clock.now()))
                });
                self.freed(question, own, store, client, freed.then_some(Reason::Declined)).await
            }
            MessageType::InformationRequest => {
                let boot = self.decide(services, question).await;
                let subnet = with(table, |table| table.subnet_of(link).cloned());
                let boot = boot.as_ref().map(|(request, verdict)| (request, verdict));
                server::information(question, subnet.as_ref(), own, boot)
            }
            _ => question.silence(Reason::NotForABootServer),
        }
    }

    async fn give(
        &self,
        services: &Services,
        question: Question<'_>,
        own: Own<'_>,
        table: &Mutex<LeaseTable>,
        store: &LeaseStore,
        lease: Lease,
    ) -> Answer {
        let address = lease.address;
        if !store.put(lease).await {
            return question.silence(Reason::LeaseNotSaved);
        }
        self.tell(services, question, own, table, (MessageType::Reply, address)).await
    }

    async fn tell(
        &self,
        services: &Services,
        question: Question<'_>,
        own: Own<'_>,
        table: &Mutex<LeaseTable>,
        (kind, address): (MessageType, Ipv6Addr),
    ) -> Answer {
        if let Some(mac) = question.mac {
            services.machines.uses(mac, address);
        }
        let boot = self.decide(services, question).await;
        let boot = boot.as_ref().map(|(request, verdict)| (request, verdict));
        let Some(subnet) = with(table, |table| table.subnet_of(address).cloned()) else {
            return question.silence(Reason::NoSubnet);
        };
        server::lease(question, kind, address, &subnet, own, boot)
    }

    async fn freed(
        &self,
        question: Question<'_>,
        own: Own<'_>,
        store: &LeaseStore,
        client: Client,
        freed: Option<Reason>,
    ) -> Answer {
        match freed {
            Some(reason) => {
                store.remove(client).await;
                server::status(question, own, Status::Success, reason)
            }
            None => server::no_binding(question, own),
        }
    }

    /// What a boot client gets; None for others.
    async fn decide(&self, services: &Services, question: Question<'_>) -> Option<(BootRequest, Verdict)> {
        let request = intake::boot_request(question.packet, question.arrival, question.mac).ok()?;
        let answers = services.consult(&request).await;
        let verdict = services.decide(&request, &answers);
        Some((request, verdict))
    }
}

fn with<T>(table: &Mutex<LeaseTable>, action: impl FnOnce(&mut LeaseTable) -> T) -> T {
    action(&mut table.lock())
}

/// In seconds since 1970: identifiers count from then (RFC 8415 §11.2).
const YEAR_2000: Seconds = 946_684_800;
/// Machines whose hardware address is remembered by their identifier.
const MAX_HEARD: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");

#[cfg(test)]
mod tests;
