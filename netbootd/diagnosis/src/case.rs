//! The view of a boot that rules share.

use std::time::{Duration, SystemTime};

use pxe_policy::{Class, MacAddr};

use crate::boot::Boot;
use crate::expectation::{IPXE_SETTLES, Patience};
use crate::fleet::Fleet;
use crate::machine::Machine;

/// One boot of a machine, with what its fleet shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) mac: MacAddr,
    pub(crate) machine: &'a Machine,
    pub(crate) boot: &'a Boot,
    /// When the firmware started again.
    pub(crate) restarted: Option<SystemTime>,
    pub(crate) fleet: &'a Fleet,
    pub(crate) patience: Patience,
    pub(crate) now: SystemTime,
}

impl Case<'_> {
    /// How long nothing came, until now or until the firmware started again.
    pub(crate) fn silence(&self) -> Duration {
        self.restarted.unwrap_or(self.now).duration_since(self.boot.last).unwrap_or_default()
    }

    /// Whether firmware would have gone on by now.
    pub(crate) fn is_silent(&self) -> bool {
        self.restarted.is_some() || self.silence() >= self.patience.firmware
    }

    /// The same of a machine that has just asked for an address: iPXE waits for a router that
    /// advertises IPv6 (13 to 16 s) before it uses the one that it has.
    pub(crate) fn is_silent_after(&self, class: Option<Class>) -> bool {
        let patience = match class {
            Some(Class::Ipxe) => self.patience.scale(IPXE_SETTLES),
            _ => self.patience.firmware,
        };
        self.restarted.is_some() || self.silence() >= patience
    }

    pub(crate) fn since(&self, at: SystemTime) -> Duration {
        self.restarted.unwrap_or(self.now).duration_since(at).unwrap_or_default()
    }
}
