//! The table as a pool that a lease server serves.

use std::net::Ipv4Addr;

use netbootd_dhcp::Subnet;
use pxe_policy::{MacAddr, Reason, Seconds};

use super::{Client, LeaseTable, Want};
use crate::pool::{Ask, Denied, Held, Offer, Pool};

impl Pool for LeaseTable {
    type Client = Client;
    type Key = MacAddr;
    type Address = Ipv4Addr;
    type Subnet = Subnet;
    type Want = Want;

    fn key(client: &Client) -> MacAddr {
        client.mac
    }

    fn subnet_of(&self, address: Ipv4Addr) -> Option<&Subnet> {
        LeaseTable::subnet_of(self, address)
    }

    fn holds_lease(&self, mac: &MacAddr, now: Seconds) -> bool {
        LeaseTable::holds_lease(self, *mac, now)
    }

    fn holds(&self, mac: &MacAddr, address: Ipv4Addr) -> bool {
        LeaseTable::holds(self, *mac, address)
    }

    fn address_of(&self, mac: &MacAddr) -> Option<Ipv4Addr> {
        LeaseTable::address_of(self, *mac)
    }

    fn running(&self, mac: &MacAddr, segment: Ipv4Addr, now: Seconds) -> Option<Held<Ipv4Addr>> {
        let lease = LeaseTable::running(self, *mac, segment, now)?;
        Some(Held { address: lease.address, until: lease.until })
    }

    fn offer(
        &mut self,
        ask: &Ask<'_, Self>,
        is_known: bool,
        now: Seconds,
    ) -> Result<Offer<Ipv4Addr>, Reason> {
        match is_known {
            true => self.offer_to_known(*ask.client, ask.wish, ask.segment, now),
            false => LeaseTable::offer(self, *ask.client, ask.wish, ask.segment, now),
        }
    }

    fn check(
        &self,
        client: &Client,
        want: Want,
        segment: Ipv4Addr,
        now: Seconds,
    ) -> Result<Held<Ipv4Addr>, Denied> {
        let lease = LeaseTable::check(self, *client, want, segment, now)?;
        Ok(Held { address: lease.address, until: lease.until })
    }

    fn request(
        &mut self,
        client: &Client,
        want: Want,
        segment: Ipv4Addr,
        now: Seconds,
    ) -> Result<Held<Ipv4Addr>, Denied> {
        let lease = LeaseTable::request(self, *client, want, segment, now)?;
        Ok(Held { address: lease.address, until: lease.until })
    }

    fn restore(&mut self, mac: &MacAddr, held: Held<Ipv4Addr>) {
        self.apply(held.address, Some(*mac), held.until, true);
    }

    fn withdraw(&mut self, mac: &MacAddr, now: Seconds) {
        LeaseTable::withdraw(self, *mac, now);
    }

    fn release(&mut self, mac: &MacAddr, address: Ipv4Addr, now: Seconds) -> bool {
        LeaseTable::release(self, *mac, address, now)
    }

    fn decline(&mut self, mac: &MacAddr, address: Ipv4Addr, now: Seconds) -> bool {
        LeaseTable::decline(self, *mac, address, now)
    }

    fn quarantine(&mut self, address: Ipv4Addr, now: Seconds) {
        LeaseTable::quarantine(self, address, now);
    }
}
