//! The same for DHCPv6: how often a machine may ask, and all machines that come one way.
//!
//! DHCPv6 carries no hardware address; whoever speaks is known by what its leases are under.

use std::hash::{BuildHasher, RandomState};
use std::net::Ipv6Addr;
use std::time::Instant;

use netbootd_config::Limits as Settings;
use netbootd_dhcp::v6::{Arrival, Packet};
use netbootd_state::leases6::Client;
use pxe_policy::Reason;

use super::bucket::{Buckets, Nanos, Verdict};
use super::{Limited, Limits, MACHINES, RENEWALS, UNNAMED_RELAYS, WAYS, held_to};

/// What is counted of DHCPv6.
#[derive(Debug)]
pub(super) struct Six {
    machines: Buckets<(u64, Way6)>,
    ways: Buckets<Way6>,
    new_machines: Buckets<Way6>,
    holders: Buckets<u64>,
    /// Identifiers have up to 128 bytes. Nobody can make up two with one hash: its key is another in each run.
    hash: RandomState,
}

/// Which way a DHCPv6 message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way6 {
    /// Through a relay with this address.
    Relay(Ipv6Addr),
    /// Through any relay: everybody can claim to be one.
    AnyRelay,
    /// From the link of the interface with this index, whatever address it says.
    Link(u32),
    /// By unicast from elsewhere, to the interface with this index.
    Routed(u32),
}

impl Six {
    pub(super) fn new() -> Self {
        Six {
            machines: Buckets::new(MACHINES),
            ways: Buckets::new(WAYS),
            new_machines: Buckets::new(WAYS),
            holders: Buckets::new(MACHINES),
            hash: RandomState::new(),
        }
    }

    pub(super) fn machines(&self) -> usize {
        self.machines.len()
    }

    pub(super) fn ways(&self) -> usize {
        self.ways.len().max(self.new_machines.len())
    }
}

impl Limits {
    /// Whether a machine's DHCPv6 message is looked at, as [`Limits::dhcp`] says it of DHCPv4.
    pub fn dhcp6(
        &self,
        settings: &Settings,
        client: &Client,
        way: Way6,
        holds_lease: impl Fn() -> bool,
        now: Instant,
    ) -> Result<(), Limited> {
        let (machine, now) = (self.six.hash.hash_one(&client.0), self.nanos(now));
        self.asks6(settings, machine, way, &holds_lease, now).or_else(|limited| {
            let renews =
                holds_lease() && self.six.holders.take(machine, RENEWALS, 1, now) == Verdict::Admitted;
            if renews { Ok(()) } else { Err(limited) }
        })
    }

    fn asks6(
        &self,
        settings: &Settings,
        machine: u64,
        way: Way6,
        holds_lease: impl Fn() -> bool,
        now: Nanos,
    ) -> Result<(), Limited> {
        let (six, key) = (&self.six, (machine, way));
        let known = match six.machines.take_known(&key, settings.machine_packets, now) {
            Some(verdict) => verdict,
            None => {
                if !holds_lease() {
                    let (rate, reason) = (settings.new_machines, Reason::TooManyNewMachines);
                    held_to(six.new_machines.take(way, rate, 1, now), reason)?;
                    if matches!(way, Way6::Relay(_)) {
                        let of_all = rate.times(UNNAMED_RELAYS);
                        held_to(six.new_machines.take(Way6::AnyRelay, of_all, 1, now), reason)?;
                    }
                }
                six.machines.take(key, settings.machine_packets, 1, now)
            }
        };
        held_to(known, Reason::MachineTooOften)?;
        held_to(six.ways.take(way, settings.way_packets, 1, now), Reason::SourceTooOften)
    }
}

impl Way6 {
    /// Which way a message came.
    pub fn of(packet: &Packet, arrival: &Arrival<'_>) -> Self {
        let (iface, from) = (arrival.iface, *arrival.from.ip());
        if !packet.relays.is_empty() {
            return Way6::Relay(from);
        }
        let near = from.is_unicast_link_local() || iface.addrs6.iter().any(|net| net.contains(&from));
        if near { Way6::Link(iface.index) } else { Way6::Routed(iface.index) }
    }
}

#[cfg(test)]
mod tests;
