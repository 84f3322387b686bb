//! The networks that addresses are leased in.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::{Ipv4Net, Ipv6Net};
use pxe_policy::{MacAddr, SystemUuid};

/// A subnet that addresses are given in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// The network with its mask.
    pub subnet: Ipv4Net,
    /// The addresses that are given to anybody.
    pub pool: Vec<RangeInclusive<Ipv4Addr>>,
    /// Option 3: the router of the network.
    pub router: Option<Ipv4Addr>,
    /// Option 6: the name servers.
    pub dns: Vec<Ipv4Addr>,
    /// Option 15: the domain's name.
    pub domain: Option<String>,
    /// Option 51: how long leases last.
    pub lease_time: Duration,
    /// Addresses kept for machines.
    pub reservations: Vec<Reservation>,
}

/// A link that IPv6 addresses are given in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet6 {
    /// The prefix of the network.
    pub subnet: Ipv6Net,
    /// The addresses that are given.
    pub pool: RangeInclusive<Ipv6Addr>,
    /// Option 23: the name servers.
    pub dns: Vec<Ipv6Addr>,
    /// How long an address is given for.
    pub lease_time: Duration,
}

/// An address kept for one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The machine by its hardware address.
    pub mac: Option<MacAddr>,
    /// The machine by its UUID.
    pub uuid: Option<SystemUuid>,
    /// The address that is reserved.
    pub address: Ipv4Addr,
    /// Option 12: the host's name.
    pub name: Option<String>,
}
