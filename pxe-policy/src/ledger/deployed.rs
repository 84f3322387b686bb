//! A deployment that a machine gets.

use super::entry::{SiteMemory, Stage};
use super::machine::MachineId;
use crate::Purpose;

/// The deployment that a machine gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deployed {
    /// The id of the deployment.
    pub id: String,
    /// The run of it; empty when none is named.
    pub run: String,
    /// Whether it runs without being asked for.
    pub purpose: Purpose,
    /// The machine, as the ledger knows it.
    pub machine: MachineId,
    /// The machine's name, for people.
    pub name: String,
    /// How far the boot has come that it asks in.
    pub stage: Stage,
    /// The site's memory of it, when the site gives it itself.
    pub site: Option<SiteMemory>,
}

impl Deployed {
    /// The id in the ledger of what an operator wanted a machine to boot once.
    pub const BOOT_NEXT: &'static str = "boot-next";

    /// Whether it is what an operator wanted the machine to boot once.
    pub fn is_boot_next(&self) -> bool {
        self.id == Self::BOOT_NEXT
    }
}
