//! The addresses that this server gives, for operators.

use std::sync::{Arc, OnceLock};

use crate::dhcp_server::{DhcpServer, LeaseView, PoolView};
use crate::dhcp6_server::Dhcp6Server;

/// The servers of addresses; each is set when it begins to serve, if at all.
#[derive(Debug, Default)]
pub struct AddressServers {
    pub v4: OnceLock<Arc<DhcpServer>>,
    pub v6: OnceLock<Arc<Dhcp6Server>>,
}

impl AddressServers {
    /// All leases that run, by address.
    pub fn leases(&self) -> Vec<LeaseView> {
        let v4 = self.v4.get().map(|server| server.leases()).unwrap_or_default();
        let v6 = self.v6.get().map(|server| server.leases()).unwrap_or_default();
        let mut leases: Vec<LeaseView> = v4.into_iter().chain(v6).collect();
        leases.sort();
        leases
    }

    /// The pools of IPv4, in the order of the configuration.
    pub fn pools(&self) -> Vec<PoolView> {
        self.v4.get().map(|server| server.pools()).unwrap_or_default()
    }
}
