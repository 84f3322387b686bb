//! The full DHCP service: an address is chosen, made durable, probed, and then given to the client.

mod probe;
mod turns;

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use netbootd_config::Config;
use netbootd_dhcp::Subnet;
use netbootd_dhcp::v4::option::{self, MessageType};
use netbootd_dhcp::v4::server::{self, Terms};
use netbootd_dhcp::v4::{Answer, Arrival, Packet, intake, is_probe};
use netbootd_state::file::{DatabaseError, State};
use netbootd_state::lease_server::{Granted, LeaseServer};
use netbootd_state::leases::{Client, Clock, Lease, LeaseTable, Want};
use netbootd_state::pool::{Ask, Denied};
use netbootd_state::shared::Shared;
use netbootd_telemetry::event::{LeaseTaken, Proto};
use pxe_policy::{BootRequest, Class, MacAddr, Reason, SystemUuid, Verdict};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::services::Services;
use probe::Probes;
use turns::Turns;

/// The full DHCP service.
#[derive(Debug)]
pub struct DhcpServer {
    leases: LeaseServer<LeaseTable>,
    gate: Arc<Semaphore>,
    /// None when the configuration wants no probes.
    probes: Option<Probes>,
    turns: Turns,
}

/// A lease that runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LeaseView {
    pub address: IpAddr,
    /// The machine's hardware address, or the client's DHCPv6 identifier in hex digits.
    pub client: String,
    /// The seconds that are left of it.
    pub seconds_left: u64,
}

/// How much of a subnet's pool is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PoolView {
    /// The network in CIDR notation.
    pub subnet: String,
    /// The addresses of its pool.
    pub size: u64,
    /// The addresses with a lease that runs, reserved ones among them.
    pub leased: u64,
}

impl DhcpServer {
    /// With the remembered leases; `own` are the host's addresses, which are never given.
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
        let leases = LeaseServer::<LeaseTable>::open(config.dhcp.subnets.clone(), own, state, clock)?;
        Ok(DhcpServer::new(leases, config))
    }

    /// With the leases of a database that several servers share.
    pub fn shared(config: &Config, shared: &Arc<Shared>) -> Self {
        DhcpServer::new(LeaseServer::shared(shared), config)
    }

    fn new(leases: LeaseServer<LeaseTable>, config: &Config) -> Self {
        DhcpServer {
            leases,
            gate: Arc::new(Semaphore::new(MAX_REQUESTS)),
            probes: config.dhcp.conflict_probe.then(Probes::default),
            turns: Turns::default(),
        }
    }

    /// The leases that run, in no order.
    pub fn leases(&self) -> Vec<LeaseView> {
        self.leases.with_now(|pool, now| {
            let view = |lease: Lease| LeaseView {
                address: lease.address.into(),
                client: lease.mac.to_string(),
                seconds_left: lease.until.saturating_sub(now),
            };
            pool.leases(now).map(view).collect()
        })
    }

    /// The pools, and how much of each is given.
    pub fn pools(&self) -> Vec<PoolView> {
        self.leases.with_now(|pool, now| {
            let leased: Vec<Ipv4Addr> = pool.leases(now).map(|lease| lease.address).collect();
            let view = |(subnet, size): (&Subnet, u64)| PoolView {
                subnet: subnet.subnet.to_string(),
                size,
                leased: leased.iter().filter(|address| subnet.subnet.contains(*address)).count() as u64,
            };
            pool.pools().map(view).collect()
        })
    }

    /// A place for one more request, unless too many are under way.
    pub fn admit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.gate).try_acquire_owned().ok()
    }

    /// Whether a machine holds a lease that runs.
    pub fn holds_lease(&self, mac: MacAddr) -> bool {
        self.leases.holds_lease(&mac)
    }

    /// Answers one packet on port 67. None for a DISCOVER that waited while the machine sent
    /// another packet: that one is answered.
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
                let subnet = self.leases.subnet_of(packet.header.ciaddr());
                subnet.map_or_else(
                    || silence(Reason::NoSubnet),
                    |subnet| server::inform(packet, arrival, &subnet),
                )
            }
            MessageType::Decline => match packet.address(option::REQUESTED_ADDRESS) {
                Some(address) if self.leases.decline(packet.mac(), address).await => {
                    silence(Reason::Declined)
                }
                _ => silence(Reason::WrongAddress),
            },
            MessageType::Release => match self.leases.release(packet.mac(), packet.header.ciaddr()).await {
                true => silence(Reason::Released),
                false => silence(Reason::WrongAddress),
            },
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
        let client = client_of(packet);
        let wish = packet.address(option::REQUESTED_ADDRESS);
        let segment = packet.relay().unwrap_or(arrival.local);
        let silence = |reason| Answer::silence(packet, arrival, Proto::Dhcp, reason);
        let kept = services.snapshot.load().config.limits.pool_kept;
        self.leases.with(|table| table.keep(kept));
        for _ in 0..MAX_PROBED {
            let ask = Ask { client: &client, wish, segment };
            let owns = |address| arrival.iface.owns(address);
            let offered = self.leases.offer(ask, owns, is_known(services, request.as_ref())).await;
            let granted = match offered {
                Ok(granted) => granted,
                Err(reason) => return silence(reason),
            };
            if self.is_in_use(granted, packet, arrival).await {
                tracing::warn!(address = %granted.address, mac = %client.mac, "address in use by a machine that holds no lease");
                self.leases.in_use(granted.address).await;
                continue;
            }
            return self.reply(services, packet, arrival, MessageType::Offer, granted, request).await;
        }
        silence(Reason::AddressInUse)
    }

    /// Whether somebody answers under an address that is about to be offered. One that goes on
    /// without the database is in use by its own client.
    async fn is_in_use(&self, granted: Granted<Ipv4Addr>, packet: &Packet, arrival: &Arrival<'_>) -> bool {
        let Granted { address, fresh, left } = granted;
        match &self.probes {
            Some(probes) if left.is_none() => probes.is_in_use(address, fresh, packet, arrival).await,
            _ => false,
        }
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
            self.leases.withdraw(&packet.mac());
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
        match self.leases.request(&client, want, segment).await {
            Err(Denied::Nak(reason)) => server::nak(packet, arrival, reason),
            Err(Denied::Silence(reason)) => silence(reason),
            Ok(granted) => self.reply(services, packet, arrival, MessageType::Ack, granted, request).await,
        }
    }

    async fn reply(
        &self,
        services: &Services,
        packet: &Packet,
        arrival: &Arrival<'_>,
        kind: MessageType,
        granted: Granted<Ipv4Addr>,
        request: Option<BootRequest>,
    ) -> Answer {
        let Granted { address, left, .. } = granted;
        services.machines.uses(packet.mac(), address);
        let verdict: Option<Verdict> = match &request {
            Some(request) => {
                let answers = services.consult(request).await;
                Some(services.decide_of(request, &answers, is_probe(packet)))
            }
            None => None,
        };
        let client = client_of(packet);
        let (subnet, name) = self.leases.with(|table| {
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
