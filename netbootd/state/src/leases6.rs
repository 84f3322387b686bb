//! The addresses that the full DHCPv6 service gives. Pure: time comes in as an argument; [`store`]
//! remembers them.
//!
//! A client's search for a free address begins at a place made of its identity, so that it finds
//! the same one again even where nothing was remembered. No list of a pool's addresses is kept:
//! pools of IPv6 have more than any memory holds.

mod served;
pub mod store;

use std::collections::HashMap;
use std::net::Ipv6Addr;

use netbootd_dhcp::Subnet6;
use netbootd_dhcp::v6::Duid;
use pxe_policy::{MacAddr, Reason, Seconds};

use crate::pool::{OFFER_HOLD, QUARANTINE};
pub use served::Want;

/// The client of a lease. Machines change their identifier between ROM, iPXE and WinPE, so the
/// hardware address is the key where it is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Client(pub Vec<u8>);

/// An address that a client has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The client that has the lease.
    pub client: Client,
    /// The address that is leased.
    pub address: Ipv6Addr,
    /// When the lease ends.
    pub until: Seconds,
}

/// All subnets and the leases in them. At most [`MAX_LEASES`].
#[derive(Debug)]
pub struct LeaseTable {
    subnets: Vec<Subnet6>,
    own: Vec<Ipv6Addr>,
    held: HashMap<Ipv6Addr, Held>,
    by_client: HashMap<Client, Ipv6Addr>,
}

#[derive(Debug)]
struct Held {
    /// None for one that a client found in use.
    client: Option<Client>,
    until: Seconds,
    /// Whether it was given, and not only offered.
    given: bool,
}

impl Client {
    /// A machine with this hardware address, or else with this identifier.
    pub fn new(mac: Option<MacAddr>, duid: &Duid) -> Self {
        Client(mac.map_or_else(|| duid.0.clone(), |mac| mac.octets().to_vec()))
    }
}

impl LeaseTable {
    /// With the leases that were remembered; `own` are the server's addresses, which are never
    /// given. No lease ends later than one that is given now, whatever the clock was when it was
    /// given.
    pub fn new(
        subnets: Vec<Subnet6>,
        own: Vec<Ipv6Addr>,
        remembered: impl IntoIterator<Item = Lease>,
        now: Seconds,
    ) -> Self {
        let mut table = LeaseTable { subnets, own, held: HashMap::new(), by_client: HashMap::new() };
        for Lease { client, address, until } in remembered {
            if let Some(subnet) = table.subnet_of(address) {
                let until = until.min(now + subnet.lease_time.as_secs());
                table.hold(address, client, until, true);
            }
        }
        table
    }

    /// The leases that run.
    pub fn leases(&self, now: Seconds) -> impl Iterator<Item = Lease> {
        self.held.iter().filter_map(move |(address, held)| {
            let client = held.client.clone().filter(|_| held.given && held.until > now)?;
            Some(Lease { client, address: *address, until: held.until })
        })
    }

    /// The subnet that an address lies in.
    pub fn subnet_of(&self, address: Ipv6Addr) -> Option<&Subnet6> {
        self.subnets.iter().find(|subnet| subnet.subnet.contains(&address))
    }

    /// An address for a client of a link: the one it has, or else the first free one of its own
    /// row.
    pub fn offer(&mut self, client: &Client, link: Ipv6Addr, now: Seconds) -> Result<Ipv6Addr, Reason> {
        let subnet = self.subnet_of(link).ok_or(Reason::NoSubnet)?.clone();
        let has = self.by_client.get(client).copied().filter(|has| subnet.subnet.contains(has));
        let address = match has {
            Some(address) => address,
            None => self.unused(&subnet, client, now).ok_or(Reason::PoolExhausted)?,
        };
        let lease = self.held.get(&address).filter(|held| held.given && held.until > now);
        let (until, given) = (lease.map_or(0, |lease| lease.until), lease.is_some());
        self.hold(address, client.clone(), until.max(now + OFFER_HOLD), given);
        Ok(address)
    }

    /// The address that was offered to a client, or another when its link is another: its own from
    /// now on.
    pub fn allot(&mut self, client: &Client, link: Ipv6Addr, now: Seconds) -> Result<Lease, Reason> {
        let address = self.offer(client, link, now)?;
        Ok(self.extend(client, address, now))
    }

    /// Whether a client has an address, and not only an offer of one.
    pub fn holds_lease(&self, client: &Client, now: Seconds) -> bool {
        let held = self.by_client.get(client).and_then(|address| self.held.get(address));
        held.is_some_and(|held| held.given && held.until > now)
    }

    /// More time for an address that a client has; None when it has not.
    pub fn renew(&mut self, client: &Client, address: Ipv6Addr, now: Seconds) -> Option<Lease> {
        (self.by_client.get(client) == Some(&address)).then(|| self.extend(client, address, now))
    }

    /// The client takes another server's: what was offered to it is free.
    pub fn withdraw(&mut self, client: &Client, now: Seconds) {
        let offered = self.by_client.get(client).copied().filter(|_| !self.holds_lease(client, now));
        if let Some(address) = offered {
            self.free(client, address);
        }
    }

    /// The client gives an address back; true when it was its own.
    pub fn release(&mut self, client: &Client, address: Ipv6Addr) -> bool {
        self.free(client, address)
    }

    /// The client found its address in use: nobody gets it for a while.
    pub fn decline(&mut self, client: &Client, address: Ipv6Addr, now: Seconds) -> bool {
        let was_its_own = self.free(client, address);
        if was_its_own {
            self.quarantine(address, now);
        }
        was_its_own
    }

    /// Leaves an address alone that somebody uses without a lease.
    pub fn quarantine(&mut self, address: Ipv6Addr, now: Seconds) {
        if let Some(client) = self.held.get(&address).and_then(|held| held.client.clone()) {
            self.free(&client, address);
        }
        self.held.insert(address, Held { client: None, until: now + QUARANTINE, given: false });
    }

    fn extend(&mut self, client: &Client, address: Ipv6Addr, now: Seconds) -> Lease {
        let lasts = self.subnet_of(address).map_or(0, |subnet| subnet.lease_time.as_secs());
        let until = now + lasts;
        self.hold(address, client.clone(), until, true);
        Lease { client: client.clone(), address, until }
    }

    fn hold(&mut self, address: Ipv6Addr, client: Client, until: Seconds, given: bool) {
        if let Some(former) = self.by_client.insert(client.clone(), address).filter(|has| *has != address) {
            self.held.remove(&former);
        }
        let before = self.held.insert(address, Held { client: Some(client.clone()), until, given });
        if let Some(other) = before.and_then(|held| held.client).filter(|other| *other != client) {
            self.by_client.remove(&other);
        }
    }

    fn free(&mut self, client: &Client, address: Ipv6Addr) -> bool {
        let is_its_own = self.by_client.get(client) == Some(&address);
        if is_its_own {
            self.by_client.remove(client);
            self.held.remove(&address);
        }
        is_its_own
    }

    fn unused(&mut self, subnet: &Subnet6, client: &Client, now: Seconds) -> Option<Ipv6Addr> {
        if self.held.len() >= MAX_LEASES {
            self.held.retain(|_, held| held.until > now);
            let held = &self.held;
            self.by_client.retain(|_, address| held.contains_key(address));
        }
        if self.held.len() >= MAX_LEASES {
            return None;
        }
        let (first, last) = (u128::from(*subnet.pool.start()), u128::from(*subnet.pool.end()));
        let size = (last - first).saturating_add(1);
        let begin = spread(client) % size;
        // Of one address more than are held, one is free.
        let tries = size.min(self.held.len() as u128 + self.own.len() as u128 + 1);
        (0..tries).map(|step| Ipv6Addr::from(first + (begin + step) % size)).find(|address| {
            let is_held = self.held.get(address).is_some_and(|held| held.until > now);
            !is_held && !self.own.contains(address)
        })
    }
}

/// FNV-1a: it spreads clients over a pool, nothing more.
fn spread(client: &Client) -> u128 {
    let hash = client.0.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash.into()
}

/// A campus fits; made-up clients fill no more memory than this.
pub const MAX_LEASES: usize = 65_536;

#[cfg(test)]
mod tests;
