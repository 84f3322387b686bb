//! The networks that addresses are leased in.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::{Ipv4Net, Ipv6Net};
use pxe_policy::{MacAddr, SystemUuid};

/// A subnet that addresses are given in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// Its network.
    pub subnet: Ipv4Net,
    /// The addresses that are given to anybody.
    pub pool: Vec<RangeInclusive<Ipv4Addr>>,
    /// Option 3.
    pub router: Option<Ipv4Addr>,
    /// Option 6.
    pub dns: Vec<Ipv4Addr>,
    /// Option 15.
    pub domain: Option<String>,
    /// Option 51.
    pub lease_time: Duration,
    /// Addresses kept for machines.
    pub reservations: Vec<Reservation>,
}

/// A link that IPv6 addresses are given in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet6 {
    /// Its prefix.
    pub subnet: Ipv6Net,
    /// The addresses that are given.
    pub pool: RangeInclusive<Ipv6Addr>,
    /// Option 23.
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
    /// Its address.
    pub address: Ipv4Addr,
    /// Option 12.
    pub name: Option<String>,
}
