//! The table as a pool that a lease server serves.

use std::net::Ipv6Addr;

use netbootd_dhcp::Subnet6;
use pxe_policy::{Reason, Seconds};

use super::{Client, Lease, LeaseTable};
use crate::pool::{Ask, Denied, Held, Offer, Pool};

/// The wish of a client that holds an address or was offered one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// The address that it was offered (REQUEST).
    Offered,
    /// More time for an address (RENEW, REBIND).
    Renewing(Ipv6Addr),
}

impl Pool for LeaseTable {
    type Client = Client;
    type Key = Client;
    type Address = Ipv6Addr;
    type Subnet = Subnet6;
    type Want = Want;

    fn key(client: &Client) -> Client {
        client.clone()
    }

    fn subnet_of(&self, address: Ipv6Addr) -> Option<&Subnet6> {
        LeaseTable::subnet_of(self, address)
    }

    fn holds_lease(&self, client: &Client, now: Seconds) -> bool {
        LeaseTable::holds_lease(self, client, now)
    }

    fn holds(&self, client: &Client, address: Ipv6Addr) -> bool {
        self.by_client.get(client) == Some(&address)
    }

    fn address_of(&self, client: &Client) -> Option<Ipv6Addr> {
        self.by_client.get(client).copied()
    }

    fn running(&self, client: &Client, link: Ipv6Addr, now: Seconds) -> Option<Held<Ipv6Addr>> {
        let address = self.address_of(client).filter(|_| self.holds_lease(client, now))?;
        let subnet = LeaseTable::subnet_of(self, link)?;
        let until = self.held.get(&address)?.until;
        subnet.subnet.contains(&address).then_some(Held { address, until })
    }

    /// The client's own address is not taken by others, so none is probed.
    fn offer(
        &mut self,
        ask: &Ask<'_, Self>,
        _is_known: bool,
        now: Seconds,
    ) -> Result<Offer<Ipv6Addr>, Reason> {
        let address = LeaseTable::offer(self, ask.client, ask.segment, now)?;
        Ok(Offer { address, fresh: false })
    }

    fn check(
        &self,
        client: &Client,
        want: Want,
        _link: Ipv6Addr,
        now: Seconds,
    ) -> Result<Held<Ipv6Addr>, Denied> {
        let has = self.address_of(client);
        let wanted = match want {
            Want::Offered => has,
            Want::Renewing(address) => has.filter(|has| *has == address),
        };
        let address = wanted.ok_or(Denied::Nak(Reason::WrongAddress))?;
        let lasts = LeaseTable::subnet_of(self, address).map_or(0, |subnet| subnet.lease_time.as_secs());
        Ok(Held { address, until: now + lasts })
    }

    fn request(
        &mut self,
        client: &Client,
        want: Want,
        link: Ipv6Addr,
        now: Seconds,
    ) -> Result<Held<Ipv6Addr>, Denied> {
        let Lease { address, until, .. } = match want {
            Want::Offered => self.allot(client, link, now).map_err(Denied::Silence)?,
            Want::Renewing(address) => {
                self.renew(client, address, now).ok_or(Denied::Nak(Reason::WrongAddress))?
            }
        };
        Ok(Held { address, until })
    }

    fn restore(&mut self, client: &Client, held: Held<Ipv6Addr>) {
        self.hold(held.address, client.clone(), held.until, true);
    }

    fn withdraw(&mut self, client: &Client, now: Seconds) {
        LeaseTable::withdraw(self, client, now);
    }

    fn release(&mut self, client: &Client, address: Ipv6Addr, _now: Seconds) -> bool {
        LeaseTable::release(self, client, address)
    }

    fn decline(&mut self, client: &Client, address: Ipv6Addr, now: Seconds) -> bool {
        LeaseTable::decline(self, client, address, now)
    }

    fn quarantine(&mut self, address: Ipv6Addr, now: Seconds) {
        LeaseTable::quarantine(self, address, now);
    }
}
