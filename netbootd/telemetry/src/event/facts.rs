//! The facts of each kind of event: its machine, its counter, its level, its line of the log.

use std::net::IpAddr;

use pxe_policy::MacAddr;
use tracing::Level;

/// The facts of one event.
pub(super) trait Facts {
    /// The machine that it is about; None for none, or for a part of a transfer whose start named
    /// it.
    fn mac(&self) -> Option<MacAddr> {
        None
    }

    /// The sender, when a stranger can cause it.
    fn peer(&self) -> Option<IpAddr> {
        None
    }

    /// The kind and the word that it is counted under.
    fn counter(&self) -> Option<(&'static str, &'static str)> {
        None
    }

    /// How much it matters to the log, when a stranger can cause it; None for what is written
    /// whatever comes.
    fn level(&self) -> Option<Level> {
        None
    }

    /// Writes its line of the log.
    fn write(&self) {}
}

/// An event that is neither counted nor written.
pub(super) struct Silent;

impl Facts for Silent {}
