//! Knowledge about addresses from others than this server's own answers: from a database that
//! several servers share.

use std::net::Ipv4Addr;

use pxe_policy::MacAddr;

use super::{Holder, Lease, LeaseTable, Seconds};

impl LeaseTable {
    /// Begins the search for addresses that nobody ever had elsewhere in each pool, so that servers
    /// with the same pools seldom choose the same one at a time.
    pub fn starting_at(mut self, place: u32) -> Self {
        for pool in &mut self.subnets {
            pool.start_at(place as usize);
        }
        self
    }

    /// Notes the machine that has an address and until when, as a lease or as an offer. An address
    /// without a machine is not offered until then.
    pub fn apply(&mut self, address: Ipv4Addr, mac: Option<MacAddr>, until: Seconds, leased: bool) {
        if self.pool_of(address).is_none() {
            mac.map(|mac| self.elsewhere.insert(mac, address));
            return;
        }
        mac.map(|mac| self.elsewhere.remove(&mac));
        let holder = match mac {
            Some(mac) if leased => Holder::Leased(mac),
            Some(mac) => Holder::Offered(mac),
            None => Holder::Quarantined,
        };
        self.hold(address, holder, until);
    }

    /// The address that is known as a client's.
    pub fn address_of(&self, mac: MacAddr) -> Option<Ipv4Addr> {
        self.elsewhere.get(&mac).or_else(|| self.by_mac.get(&mac)).copied()
    }

    /// Whether an address is offered or leased to a client, or was last.
    pub fn holds(&self, mac: MacAddr, address: Ipv4Addr) -> bool {
        self.slots.get(&address).is_some_and(|slot| slot.is_held_by(mac))
    }

    /// A client's lease that runs, if it is one of this segment.
    pub fn running(&self, mac: MacAddr, segment: Ipv4Addr, now: Seconds) -> Option<Lease> {
        let address = *self.by_mac.get(&mac)?;
        let slot = self.slots.get(&address)?;
        let runs = slot.holder == Holder::Leased(mac) && slot.until > now;
        (runs && self.pool_of(address) == self.pool_of(segment)).then_some(Lease {
            mac,
            address,
            until: slot.until,
        })
    }
}
