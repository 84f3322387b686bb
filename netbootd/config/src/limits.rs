//! The limits on a stranger's use of this server. docs/limits.md says why each default is what it
//! is.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use pxe_policy::BootRequest;

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// After silence, so much at once.
    pub at_once: u32,
    /// Later, so much a second.
    pub per_second: u32,
}

impl Rate {
    /// The same, so many times as much.
    pub fn times(self, count: u32) -> Rate {
        Rate {
            at_once: self.at_once.saturating_mul(count),
            per_second: self.per_second.saturating_mul(count),
        }
    }
}

/// How many sessions there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Sessions of all clients together.
    pub all: usize,
    /// With clients of one network of 256 addresses.
    pub network: usize,
    /// Sessions of one client, by address.
    pub client: usize,
    /// With clients that have not proved that they are there; None where nobody gets so far who is
    /// not.
    pub unproved: Option<Unproved>,
}

/// How many sessions there may be with clients that have not proved that they are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unproved {
    /// Sessions of one client, by address.
    pub client: usize,
    /// In all. Beyond that the oldest one leaves: who holds the places sees to it.
    pub all: usize,
}

/// The limits on a stranger's use of this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The networks whose machines are answered; empty for all.
    pub subnets: Vec<IpNet>,
    /// The relays whose packets are answered; empty for all.
    pub relays: Vec<Ipv4Addr>,
    /// TFTP transfers with one client address.
    pub transfers_per_client: usize,
    /// TFTP transfers with a network of 256 addresses.
    pub transfers_per_subnet: usize,
    /// TFTP transfers with one client address that has acknowledged nothing in them.
    pub unproved_per_client: usize,
    /// TFTP transfers in which nothing was acknowledged, in all.
    pub unproved_transfers: usize,
    /// HTTP connections of one client address.
    pub connections_per_client: usize,
    /// HTTP connections of a network of 256 addresses.
    pub connections_per_subnet: usize,
    /// Bytes of TFTP windows that may be under way at a time.
    pub bytes_in_flight: u64,
    /// DHCP packets of one machine.
    pub machine_packets: Rate,
    /// DHCP packets of known machines that come one way: through a relay, or from a link.
    pub way_packets: Rate,
    /// Machines that did not come that way before.
    pub new_machines: Rate,
    /// Bytes of DHCP replies to one address that a packet only claims to come from.
    pub reply_bytes: Rate,
    /// Datagrams of one client address that the TFTP port answers.
    pub read_requests: Rate,
    /// HTTP requests of one client address.
    pub http_requests: Rate,
    /// The part of each pool, in percent, that is only for machines which are known.
    pub pool_kept: u8,
}

impl Limits {
    /// Whether a client in some network is answered.
    pub fn allows_client(&self, client: IpAddr) -> bool {
        self.subnets.is_empty() || self.subnets.iter().any(|subnet| subnet.contains(&client))
    }

    /// Whether packets that make such a request are looked at, by their relay or by the network
    /// that the machine is in.
    pub fn allows_request(&self, request: &BootRequest) -> bool {
        match request.relay {
            Some(IpAddr::V4(relay)) if !self.relays.is_empty() && !self.relays.contains(&relay) => false,
            Some(relay) => self.allows_client(relay),
            None => self.allows_client(request.address.unwrap_or(request.segment)),
        }
    }

    /// How many transfers there may be, with so many in all.
    pub fn transfers(&self, all: usize) -> Bounds {
        Bounds {
            all,
            network: self.transfers_per_subnet,
            client: self.transfers_per_client,
            unproved: Some(Unproved { client: self.unproved_per_client, all: self.unproved_transfers }),
        }
    }

    /// How many connections there may be, with so many in all. Nobody gets a connection in
    /// another's name.
    pub fn connections(&self, all: usize) -> Bounds {
        Bounds {
            all,
            network: self.connections_per_subnet,
            client: self.connections_per_client,
            unproved: None,
        }
    }
}

impl Default for Limits {
    /// A building of 10,000 machines behind one relay stays below, and a class room of 200 behind
    /// one address.
    fn default() -> Self {
        Limits {
            subnets: Vec::new(),
            relays: Vec::new(),
            transfers_per_client: 1024,
            transfers_per_subnet: 4096,
            unproved_per_client: 512,
            unproved_transfers: 4096,
            connections_per_client: 2048,
            connections_per_subnet: 4096,
            bytes_in_flight: 1 << 30,
            machine_packets: Rate { at_once: 300, per_second: 10 },
            way_packets: Rate { at_once: 60_000, per_second: 2000 },
            new_machines: Rate { at_once: 12_000, per_second: 100 },
            reply_bytes: Rate { at_once: 2 << 20, per_second: 64 << 10 },
            read_requests: Rate { at_once: 10_000, per_second: 500 },
            http_requests: Rate { at_once: 100_000, per_second: 20_000 },
            pool_kept: 5,
        }
    }
}
