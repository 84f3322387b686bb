//! The leases of an IPv4 pool. Pure: time is an argument.

mod addresses;
mod known;
mod served;

use std::collections::HashMap;
use std::net::Ipv4Addr;

use netbootd_dhcp::{Reservation, Subnet};
use pxe_policy::{MacAddr, Reason, Seconds, SystemUuid};

use crate::pool::{Denied, OFFER_HOLD, QUARANTINE};
use addresses::Addresses;

/// An IPv4 address that may be offered.
pub type Offer = crate::pool::Offer<Ipv4Addr>;

/// The client of a lease. Machines change option 61 between ROM, iPXE and WinPE, so the hardware
/// address is the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The machine's hardware address.
    pub mac: MacAddr,
    /// Option 97, for reservations.
    pub uuid: Option<SystemUuid>,
}

/// An address that a client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The machine that has the lease.
    pub mac: MacAddr,
    /// The address that is leased.
    pub address: Ipv4Addr,
    /// When the lease ends.
    pub until: Seconds,
}

/// The purpose of a DHCPREQUEST (RFC 2131 §4.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// The address that was offered.
    Selecting(Ipv4Addr),
    /// The address it had before it was switched off.
    InitReboot(Ipv4Addr),
    /// More time for the address it uses.
    Renewing(Ipv4Addr),
}

/// All subnets and the leases in them.
#[derive(Debug)]
pub struct LeaseTable {
    subnets: Vec<Addresses>,
    slots: HashMap<Ipv4Addr, Slot>,
    by_mac: HashMap<MacAddr, Ipv4Addr>,
    own: Vec<Ipv4Addr>,
    kept: u8,
    /// Addresses that others gave to clients, in subnets that are not of this server.
    elsewhere: HashMap<MacAddr, Ipv4Addr>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    holder: Holder,
    until: Seconds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    Offered(MacAddr),
    Leased(MacAddr),
    /// Declined, or found in use by somebody who never asked.
    Quarantined,
}

impl LeaseTable {
    /// With the leases that were remembered; `own` are the server's addresses. No lease ends later
    /// than one that is given now, whatever the clock was when it was given.
    pub fn new(
        subnets: Vec<Subnet>,
        own: Vec<Ipv4Addr>,
        remembered: impl IntoIterator<Item = Lease>,
        now: Seconds,
    ) -> Self {
        let subnets = subnets.into_iter().map(Addresses::new).collect();
        let mut table = LeaseTable {
            subnets,
            slots: HashMap::new(),
            by_mac: HashMap::new(),
            own,
            kept: 0,
            elsewhere: HashMap::new(),
        };
        // An address that came free and was given again is remembered twice: it is the last one's.
        let mut remembered: Vec<Lease> = remembered.into_iter().collect();
        remembered.sort_by_key(|lease| lease.until);
        for lease in remembered {
            if let Some(subnet) = table.subnet_of(lease.address) {
                let until = lease.until.min(now + subnet.lease_time.as_secs());
                table.hold(lease.address, Holder::Leased(lease.mac), until);
            }
        }
        table
    }

    /// Keeps so many percent of each pool for machines that are known.
    pub fn keep(&mut self, percent: u8) {
        self.kept = percent;
    }

    /// Whether a machine holds a lease that runs.
    pub fn holds_lease(&self, mac: MacAddr, now: Seconds) -> bool {
        let slot = self.by_mac.get(&mac).and_then(|address| self.slots.get(address));
        slot.is_some_and(|slot| slot.holder == Holder::Leased(mac) && slot.until > now)
    }

    /// The subnet that an address lies in.
    pub fn subnet_of(&self, address: Ipv4Addr) -> Option<&Subnet> {
        self.pool_of(address).map(|at| &self.subnets[at].subnet)
    }

    /// The name that is reserved for a client.
    pub fn reserved_name(&self, client: Client) -> Option<&str> {
        let reservations = self.subnets.iter().flat_map(|pool| &pool.subnet.reservations);
        reservations.filter(|reservation| is_for(reservation, client)).find_map(|found| found.name.as_deref())
    }

    /// Chooses an address for a DISCOVER and holds it for a minute, or for a quarter of one where
    /// addresses are getting few: the reserved one, the client's own from before, the one it asks
    /// for, one that nobody ever had, or the one that has been free for longest. Addresses kept for
    /// known machines are not given.
    pub fn offer(
        &mut self,
        client: Client,
        requested: Option<Ipv4Addr>,
        segment: Ipv4Addr,
        now: Seconds,
    ) -> Result<Offer, Reason> {
        self.choose(client, requested, segment, false, now)
    }

    /// The same for a machine that is known: it may have what is kept.
    pub fn offer_to_known(
        &mut self,
        client: Client,
        requested: Option<Ipv4Addr>,
        segment: Ipv4Addr,
        now: Seconds,
    ) -> Result<Offer, Reason> {
        self.choose(client, requested, segment, true, now)
    }

    fn choose(
        &mut self,
        client: Client,
        requested: Option<Ipv4Addr>,
        segment: Ipv4Addr,
        is_known: bool,
        now: Seconds,
    ) -> Result<Offer, Reason> {
        let pool = self.pool_of(segment).ok_or(Reason::NoSubnet)?;
        let subnet = &self.subnets[pool].subnet;
        let address = if let Some(reserved) = reservation(subnet, client) {
            match self.slots.get(&reserved) {
                Some(slot) if slot.until > now && !slot.is_held_by(client.mac) => {
                    return Err(Reason::AddressInUse);
                }
                _ => reserved,
            }
        } else {
            let former = self.by_mac.get(&client.mac).copied();
            let running = |address| self.slots.get(address).is_some_and(|slot| slot.until > now);
            let counts_already = former.as_ref().is_some_and(running);
            if !is_known && !counts_already && self.only_kept_left(pool, now) {
                return Err(Reason::PoolKept);
            }
            let wishes = [former, requested].into_iter().flatten();
            let granted = { wishes }.find(|wish| self.may_have(pool, client.mac, *wish, now));
            match granted {
                Some(address) => address,
                None => self.unused(pool, now).ok_or(Reason::PoolExhausted)?,
            }
        };
        let hold = if self.subnets[pool].is_short(now) { SHORT_OFFER_HOLD } else { OFFER_HOLD };
        let fresh = !self.slots.get(&address).is_some_and(|slot| slot.is_held_by(client.mac));
        let leased_until = self.slots.get(&address).filter(|slot| slot.holder == Holder::Leased(client.mac));
        match leased_until {
            // A lease that still runs is not shortened to an offer.
            Some(slot) if slot.until > now + hold => {}
            _ => self.hold(address, Holder::Offered(client.mac), now + hold),
        }
        Ok(Offer { address, fresh })
    }

    /// Answers a REQUEST. The lease is in the table at once; it must be written down before the
    /// client is told.
    pub fn request(
        &mut self,
        client: Client,
        want: Want,
        segment: Ipv4Addr,
        now: Seconds,
    ) -> Result<Lease, Denied> {
        let lease = self.check(client, want, segment, now)?;
        self.hold(lease.address, Holder::Leased(client.mac), lease.until);
        Ok(lease)
    }

    /// The lease that a REQUEST is for, without giving it yet.
    pub fn check(
        &self,
        client: Client,
        want: Want,
        segment: Ipv4Addr,
        now: Seconds,
    ) -> Result<Lease, Denied> {
        let pool = self.pool_of(segment).ok_or(Denied::Silence(Reason::NoSubnet))?;
        let (Want::Selecting(address) | Want::InitReboot(address) | Want::Renewing(address)) = want;
        if self.pool_of(address) != Some(pool) {
            return Err(Denied::Nak(Reason::WrongAddress));
        }
        let slot = self.slots.get(&address).copied();
        let held = slot.is_some_and(|slot| slot.is_held_by(client.mac));
        let taken = slot.is_some_and(|slot| slot.until > now && !slot.is_held_by(client.mac));
        let known = self.by_mac.contains_key(&client.mac);
        match want {
            _ if taken => return Err(Denied::Nak(Reason::WrongAddress)),
            _ if held => {}
            Want::Selecting(_) => return Err(Denied::Nak(Reason::WrongAddress)),
            Want::InitReboot(_) | Want::Renewing(_) if known => {
                return Err(Denied::Nak(Reason::WrongAddress));
            }
            Want::InitReboot(_) | Want::Renewing(_) => return Err(Denied::Silence(Reason::WrongAddress)),
        }
        let until = now + self.subnets[pool].subnet.lease_time.as_secs();
        Ok(Lease { mac: client.mac, address, until })
    }

    /// The client took another server's offer, or its lease could not be written down.
    pub fn withdraw(&mut self, mac: MacAddr, now: Seconds) {
        let Some(address) = self.by_mac.get(&mac).copied() else { return };
        if self.slots.get(&address).is_some_and(|slot| slot.holder == Holder::Offered(mac)) {
            self.hold(address, Holder::Offered(mac), now);
        }
    }

    /// The client found its address in use. Says whether it was the client's.
    pub fn decline(&mut self, mac: MacAddr, address: Ipv4Addr, now: Seconds) -> bool {
        let held = self.slots.get(&address).is_some_and(|slot| slot.is_held_by(mac));
        if held {
            self.quarantine(address, now);
        }
        held
    }

    /// Somebody who holds no lease uses this address.
    pub fn quarantine(&mut self, address: Ipv4Addr, now: Seconds) {
        if self.pool_of(address).is_some() {
            self.hold(address, Holder::Quarantined, now + QUARANTINE);
        }
    }

    /// The client gives its address back. Says whether it was the client's.
    pub fn release(&mut self, mac: MacAddr, address: Ipv4Addr, now: Seconds) -> bool {
        let held = self.slots.get(&address).is_some_and(|slot| slot.is_held_by(mac));
        if held {
            self.hold(address, Holder::Leased(mac), now);
        }
        held
    }

    /// The leases that run.
    pub fn leases(&self, now: Seconds) -> impl Iterator<Item = Lease> {
        self.slots.iter().filter_map(move |(address, slot)| match slot.holder {
            Holder::Leased(mac) if slot.until > now => {
                Some(Lease { mac, address: *address, until: slot.until })
            }
            _ => None,
        })
    }

    /// Each subnet with the number of addresses in its pool.
    pub fn pools(&self) -> impl Iterator<Item = (&Subnet, u64)> {
        let size = |range: &std::ops::RangeInclusive<Ipv4Addr>| {
            u64::from(u32::from(*range.end()).saturating_sub(u32::from(*range.start()))) + 1
        };
        self.subnets.iter().map(move |pool| (&pool.subnet, pool.subnet.pool.iter().map(size).sum()))
    }

    /// Whether nothing is free in a pool but what is kept for known machines. An exhausted pool
    /// keeps nothing.
    fn only_kept_left(&mut self, pool: usize, now: Seconds) -> bool {
        let pool = &mut self.subnets[pool];
        let kept = pool.part(self.kept);
        (1..=kept).contains(&pool.free(now))
    }

    fn pool_of(&self, address: Ipv4Addr) -> Option<usize> {
        self.subnets.iter().position(|pool| pool.subnet.subnet.contains(&address))
    }

    fn may_have(&self, pool: usize, mac: MacAddr, address: Ipv4Addr, now: Seconds) -> bool {
        let free = match self.slots.get(&address) {
            Some(slot) => slot.is_held_by(mac) || slot.until <= now,
            None => true,
        };
        free && self.is_givable(pool, address)
            && self.subnets[pool].subnet.pool.iter().any(|range| range.contains(&address))
    }

    /// Whether an address may be given to anybody at all.
    fn is_givable(&self, pool: usize, address: Ipv4Addr) -> bool {
        let subnet = &self.subnets[pool].subnet;
        let edge = subnet.subnet.prefix_len() < 31
            && (address == subnet.subnet.network() || address == subnet.subnet.broadcast());
        !edge
            && !self.own.contains(&address)
            && subnet.router != Some(address)
            && !subnet.reservations.iter().any(|reservation| reservation.address == address)
    }

    fn unused(&mut self, pool: usize, now: Seconds) -> Option<Ipv4Addr> {
        while let Some(address) = self.subnets[pool].next_unseen() {
            if self.is_givable(pool, address) && !self.slots.contains_key(&address) {
                return Some(address);
            }
        }
        self.subnets[pool].longest_free(now).find(|address| self.is_givable(pool, *address))
    }

    fn hold(&mut self, address: Ipv4Addr, holder: Holder, until: Seconds) {
        let Some(pool) = self.pool_of(address) else { return };
        if let Some(former) = self.slots.insert(address, Slot { holder, until }) {
            self.subnets[pool].forget(former.until, address);
            if let Holder::Offered(mac) | Holder::Leased(mac) = former.holder
                && self.by_mac.get(&mac) == Some(&address)
            {
                self.by_mac.remove(&mac);
            }
        }
        if self.subnets[pool].subnet.pool.iter().any(|range| range.contains(&address)) {
            self.subnets[pool].remember(until, address);
        }
        if let Holder::Offered(mac) | Holder::Leased(mac) = holder
            && let Some(other) = self.by_mac.insert(mac, address).filter(|other| *other != address)
        {
            self.free_early(other, mac);
        }
    }

    /// A client that got another address does not keep its former one.
    fn free_early(&mut self, address: Ipv4Addr, mac: MacAddr) {
        let Some(slot) = self.slots.get(&address).copied().filter(|slot| slot.is_held_by(mac)) else {
            return;
        };
        let Some(pool) = self.pool_of(address) else { return };
        self.subnets[pool].forget(slot.until, address);
        self.slots.insert(address, Slot { holder: slot.holder, until: 0 });
        if self.subnets[pool].subnet.pool.iter().any(|range| range.contains(&address)) {
            self.subnets[pool].remember(0, address);
        }
    }
}

impl Slot {
    fn is_held_by(&self, mac: MacAddr) -> bool {
        self.holder == Holder::Offered(mac) || self.holder == Holder::Leased(mac)
    }
}

fn reservation(subnet: &Subnet, client: Client) -> Option<Ipv4Addr> {
    subnet.reservations.iter().find(|reservation| is_for(reservation, client)).map(|found| found.address)
}

fn is_for(reservation: &Reservation, client: Client) -> bool {
    let uuid = client.uuid.filter(|uuid| !uuid.is_placeholder());
    reservation.mac == Some(client.mac) || (uuid.is_some() && reservation.uuid == uuid)
}

/// Where fewer than half of the addresses are free. A machine that takes longer gets the address
/// all the same, unless another wants it.
const SHORT_OFFER_HOLD: Seconds = 15;

#[cfg(test)]
mod tests;
