//! The full DHCP service: leases from the table, written down, probed, and told to the client.

mod probe;
mod turns;

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use netbootd_config::Config;
use netbootd_dhcp::v4::option::{self, MessageType};
use netbootd_dhcp::v4::server::{self, Terms};
use netbootd_dhcp::v4::{Answer, Arrival, Packet, intake};
use netbootd_state::durable::{Durable, Hold, LeaseKeep, Refused};
use netbootd_state::file::{DatabaseError, State};
use netbootd_state::leases::{
    Client, Clock, Denied, Lease, LeaseStore, LeaseTable, Offer, Seconds, Want, pool,
};
use netbootd_state::shared::Shared;
use netbootd_telemetry::event::{LeaseTaken, Proto};
use parking_lot::Mutex;
use pxe_policy::{BootRequest, Class, MacAddr, Reason, SystemUuid, Verdict};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::services::Services;
use probe::Probes;
use turns::Turns;

/// The full DHCP service.
#[derive(Debug)]
pub struct DhcpServer {
    table: Arc<Mutex<LeaseTable>>,
    store: Arc<dyn Durable<LeaseKeep>>,
    gate: Arc<Semaphore>,
    /// None when the configuration wants no probes.
    probes: Option<Probes>,
    turns: Turns,
    /// Whether a lease that runs is confirmed for the rest of its time while the database is away.
    confirms_known: bool,
    clock: Clock,
}

impl DhcpServer {
    /// Takes up the remembered leases; `own` are the host's addresses, which are never given.
    pub fn open(config: &Config, own: Vec<Ipv4Addr>, state: Arc<State>) -> Result<Self, DatabaseError> {
        DhcpServer::open_by(config, own, state, Clock::steady())
    }

    /// The same with another clock.
    pub fn open_by(
        config: &Config,
        own: Vec<Ipv4Addr>,
        state: Arc<State>,
        clock: Clock,
    ) -> Result<Self, DatabaseError> {
        let (store, remembered) = LeaseStore::open(state)?;
        let table = LeaseTable::new(config.dhcp.subnets.clone(), own, remembered, clock.now());
        Ok(DhcpServer {
            table: Arc::new(Mutex::new(table)),
            store: Arc::new(store),
            gate: Arc::new(Semaphore::new(MAX_REQUESTS)),
            probes: config.dhcp.conflict_probe.then(Probes::default),
            turns: Turns::default(),
            confirms_known: false,
            clock,
        })
    }

    /// With the leases of a database that several servers share.
    pub fn shared(config: &Config, shared: &Arc<Shared>) -> Self {
        DhcpServer {
            table: Arc::clone(&shared.copies().leases),
            store: Arc::<Shared>::clone(shared),
            gate: Arc::new(Semaphore::new(MAX_REQUESTS)),
            probes: config.dhcp.conflict_probe.then(Probes::default),
            turns: Turns::default(),
            confirms_known: shared.confirms_known(),
            clock: {
                let shared = Arc::clone(shared);
                Clock::new(move || shared.copies().now())
            },
        }
    }

    /// A place for one more request, unless too many are under way.
    pub fn admit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.gate).try_acquire_owned().ok()
    }

    /// Whether a machine holds a lease that runs.
    pub fn holds_lease(&self, mac: MacAddr) -> bool {
        self.with_table(|table| table.holds_lease(mac, self.clock.now()))
    }

    /// Answers one packet on port 67. None for a DISCOVER that waited while the machine sent another packet: that one is answered.
    pub async fn answer(
        &self,
        services: &Services,
        packet: &Packet,
        arrival: &Arrival<'_>,
    ) -> Option<Answer> {
        let turn = self.turns.begin(packet.mac(), packet.relay());
        let answer = self.answer_in_turn(services, packet, arrival).await;
        let overtaken = packet.message_type() == MessageType::Discover && self.turns.is_overtaken(turn);
        if overtaken {
            tracing::debug!(mac = %packet.mac(), xid = packet.header.xid(), "a DISCOVER was overtaken");
        }
        (!overtaken).then_some(answer)
    }

    async fn answer_in_turn(&self, services: &Services, packet: &Packet, arrival: &Arrival<'_>) -> Answer {
        let silence = |reason| Answer::silence(packet, arrival, Proto::Dhcp, reason);
        let request = match intake::boot_request(packet, arrival) {
            // A Mac gets an address as anybody does; what it boots it learns by BSDP.
            Ok(request) => Some(request).filter(|request| request.class != Class::Bsdp),
            Err(_) => None,
        };
        match packet.message_type() {
            MessageType::Discover => self.discover(services, packet, arrival, request).await,
            MessageType::Request => self.request(services, packet, arrival, request).await,
            MessageType::Inform => {
                let client = packet.header.ciaddr();
                let subnet = self.with_table(|table| table.subnet_of(client).cloned());
                subnet.map_or_else(
                    || silence(Reason::NoSubnet),
                    |subnet| server::inform(packet, arrival, &subnet),
                )
            }
            MessageType::Decline => match packet.address(option::REQUESTED_ADDRESS) {
                Some(address)
                    if self.with_table(|table| table.decline(packet.mac(), address, self.clock.now())) =>
                {
                    self.in_use(Some(packet.mac()), address).await;
                    silence(Reason::Declined)
                }
                _ => silence(Reason::WrongAddress),
            },
            MessageType::Release => {
                let (mac, address) = (packet.mac(), packet.header.ciaddr());
                let theirs = self.with_table(|table| match self.store.is_shared() {
                    // Until its end a server without the database may confirm it: nobody else has it before.
                    true => table.holds(mac, address),
                    false => table.release(mac, address, self.clock.now()),
                });
                if theirs {
                    let _ = self.store.keep(LeaseKeep::Released(mac)).await; // what is not forgotten ends by itself
                    return silence(Reason::Released);
                }
                silence(Reason::WrongAddress)
            }
            _ => silence(Reason::NotForABootServer),
        }
    }

    async fn discover(
        &self,
        services: &Services,
        packet: &Packet,
        arrival: &Arrival<'_>,
        request: Option<BootRequest>,
    ) -> Answer {
        let (client, mac) = (client_of(packet), packet.mac());
        let wish = packet.address(option::REQUESTED_ADDRESS);
        let segment = packet.relay().unwrap_or(arrival.local);
        let silence = |reason| Answer::silence(packet, arrival, Proto::Dhcp, reason);
        let kept = services.snapshot.load().config.limits.pool_kept;
        let (mut probed, mut tries) = (0, 0);
        while probed < MAX_PROBED && tries < MAX_TRIES {
            let now = self.clock.now();
            let (known, former, mut offered) = self.with_table(|table| {
                table.keep(kept);
                let known = table.running(mac, segment, now);
                let former = table.address_of(mac);
                let offered = table.offer(client, wish, segment, now);
                if let Some(lease) = known.filter(|_| self.store.is_shared()) {
                    // Until the database has the offer, the lease is what every server knows of.
                    table.take_up(lease.address, Some(mac), lease.until, true);
                }
                (known, former, offered)
            });
            if offered == Err(Reason::PoolKept) && is_known(services, request.as_ref()).await {
                offered = self.with_table(|table| table.offer_to_known(client, wish, segment, now));
            }
            let Offer { address, fresh } = match offered {
                Ok(offer) => offer,
                Err(reason) => return silence(reason),
            };
            // An own address that came later.
            if arrival.iface.owns(address) {
                self.with_table(|table| table.quarantine(address, self.clock.now()));
                self.in_use(None, address).await;
                probed += 1;
                continue;
            }
            match self.store.keep(LeaseKeep::Offer(self.hold(mac, address, former, pool::OFFER_HOLD))).await {
                Ok(()) => {}
                Err(Refused::Changed) => {
                    tries += 1;
                    continue;
                }
                Err(refused) => {
                    let Some((lease, left)) = self.still(known, refused) else {
                        return silence(refused.reason(Reason::LeaseNotSaved));
                    };
                    return self
                        .tell(
                            services,
                            packet,
                            arrival,
                            MessageType::Offer,
                            lease.address,
                            Some(left),
                            request,
                        )
                        .await;
                }
            }
            if let Some(probes) = &self.probes
                && probes.is_in_use(address, fresh, packet, arrival).await
            {
                tracing::warn!(%address, %mac, "address in use by a machine that holds no lease");
                self.with_table(|table| table.quarantine(address, self.clock.now()));
                self.in_use(None, address).await;
                probed += 1;
                continue;
            }
            return self.tell(services, packet, arrival, MessageType::Offer, address, None, request).await;
        }
        silence(Reason::AddressInUse)
    }

    async fn request(
        &self,
        services: &Services,
        packet: &Packet,
        arrival: &Arrival<'_>,
        request: Option<BootRequest>,
    ) -> Answer {
        let silence = |reason| Answer::silence(packet, arrival, Proto::Dhcp, reason);
        let (client, segment) = (client_of(packet), packet.relay().unwrap_or(arrival.local));
        let chosen = packet.address(option::SERVER_IDENTIFIER);
        if let Some(server) = chosen.filter(|server| !arrival.iface.owns(*server)) {
            self.with_table(|table| table.withdraw(packet.mac(), self.clock.now()));
            let address = packet.address(option::REQUESTED_ADDRESS);
            return silence(Reason::OtherServer).taking(LeaseTaken { address, server });
        }
        let want = match (chosen, packet.address(option::REQUESTED_ADDRESS), packet.header.ciaddr()) {
            (Some(_), Some(address), _) => Want::Selecting(address),
            (None, Some(address), _) => Want::InitReboot(address),
            (_, None, address) if !address.is_unspecified() => Want::Renewing(address),
            _ => return silence(Reason::WrongAddress),
        };
        // A client that renews through a relay or a router is known by the address it uses.
        let segment = match want {
            Want::Renewing(address) if packet.relay().is_none() => address,
            _ => segment,
        };
        for _ in 0..MAX_TRIES {
            let (known, former, asked) = self.with_table(|table| {
                let known = table.running(client.mac, segment, self.clock.now());
                let asked = match self.store.is_shared() {
                    // What the database confirms is taken up from there.
                    true => table.check(client, want, segment, self.clock.now()),
                    false => table.request(client, want, segment, self.clock.now()),
                };
                (known, table.address_of(client.mac), asked)
            });
            let Lease { mac, address, until } = match asked {
                Err(Denied::Nak(reason)) => return server::nak(packet, arrival, reason),
                Err(Denied::Silence(reason)) => return silence(reason),
                Ok(lease) => lease,
            };
            let lasts = until.saturating_sub(self.clock.now());
            let left = match self
                .store
                .keep(LeaseKeep::Lease(Hold { until, ..self.hold(mac, address, former, lasts) }))
                .await
            {
                Ok(()) => None,
                Err(Refused::Changed) => continue,
                Err(refused) => match self.still(known, refused) {
                    Some((lease, left)) if lease.address == address => Some(left),
                    _ => return silence(refused.reason(Reason::LeaseNotSaved)),
                },
            };
            return self.tell(services, packet, arrival, MessageType::Ack, address, left, request).await;
        }
        silence(Reason::LeaseNotSaved)
    }

    /// A lease that goes on without the database, and for how long: no longer than every other server knows of it.
    fn still(&self, known: Option<Lease>, refused: Refused) -> Option<(Lease, Duration)> {
        let lease = known.filter(|_| refused == Refused::Away && self.confirms_known)?;
        let left = lease.until.checked_sub(self.clock.now() + MARGIN).filter(|left| *left > 0)?;
        Some((lease, Duration::from_secs(left)))
    }

    fn hold(&self, mac: MacAddr, address: Ipv4Addr, former: Option<Ipv4Addr>, lasts: Seconds) -> Hold {
        let former = former.filter(|former| *former != address);
        Hold { mac, address, former, lasts, until: self.clock.now() + lasts }
    }

    async fn in_use(&self, by: Option<MacAddr>, address: Ipv4Addr) {
        // When that cannot be written down, it is known here only, and found out anew elsewhere.
        let _ = self.store.keep(LeaseKeep::InUse { by, address, lasts: pool::QUARANTINE }).await;
    }

    #[allow(clippy::too_many_arguments)] // one packet, and what it is told
    async fn tell(
        &self,
        services: &Services,
        packet: &Packet,
        arrival: &Arrival<'_>,
        kind: MessageType,
        address: Ipv4Addr,
        left: Option<Duration>,
        request: Option<BootRequest>,
    ) -> Answer {
        services.machines.uses(packet.mac(), address);
        let verdict: Option<Verdict> = match &request {
            Some(request) => Some(services.decide(request, &services.consult(request).await)),
            None => None,
        };
        let client = client_of(packet);
        let (subnet, name) = self.with_table(|table| {
            (table.subnet_of(address).cloned(), table.reserved_name(client).map(str::to_owned))
        });
        let Some(subnet) = subnet else {
            return Answer::silence(packet, arrival, Proto::Dhcp, Reason::NoSubnet);
        };
        let lease_time = left.unwrap_or(subnet.lease_time);
        let terms = Terms { address, subnet: &subnet, name: name.as_deref(), lease_time };
        let service = services.snapshot.load().boot_service();
        server::lease(packet, arrival, kind, terms, service, request.as_ref().zip(verdict.as_ref()))
    }

    fn with_table<T>(&self, action: impl FnOnce(&mut LeaseTable) -> T) -> T {
        action(&mut self.table.lock())
    }
}

/// Whether a directory knows the machine.
async fn is_known(services: &Services, request: Option<&BootRequest>) -> bool {
    let Some(request) = request else { return false };
    services.judge(request, &services.consult(request).await).machine.is_some()
}

fn client_of(packet: &Packet) -> Client {
    Client { mac: packet.mac(), uuid: packet.first(option::SYSTEM_UUID).and_then(SystemUuid::from_option) }
}

/// Says whether probing is possible here, so that the start can tell.
pub fn can_probe() -> io::Result<()> {
    probe::can_probe()
}

/// Requests that wait for the disk or a probe at a time.
const MAX_REQUESTS: usize = 4096;
/// Addresses that are tried for one DISCOVER; a client asks again anyway.
const MAX_PROBED: usize = 4;
/// How often an address is chosen anew because another server was faster.
const MAX_TRIES: usize = 16;
/// So many seconds before its end a lease is no longer confirmed without the database: clocks do not agree better.
const MARGIN: Seconds = 10;
