//! The sender of a request for a file.

use std::net::SocketAddr;

use pxe_policy::MacAddr;

use crate::services::Services;

/// The sender of a request for a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Requester {
    pub(super) peer: SocketAddr,
    /// `netbootd probe` sent it: it counts for no machine, and its failure is no finding.
    pub(super) probe: bool,
}

impl Requester {
    /// The machine that the request counts for.
    pub(super) fn machine(self, services: &Services) -> Option<MacAddr> {
        services.machines.mac_of(self.peer.ip()).filter(|_| !self.probe)
    }
}
