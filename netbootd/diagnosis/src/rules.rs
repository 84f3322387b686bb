//! The rules: each looks at a boot and gives a finding, or none.

mod address;
mod decision;
mod files;
mod firmware;
mod identity;
mod mac;
mod program;
mod repetition;
mod report;
mod transfer;

use crate::diagnosis::Case;
use crate::finding::Finding;

pub(crate) use program::port_blocked;

type Rule = fn(&Case<'_>) -> Option<Finding>;

/// The rules that look at one boot.
const OF_BOOT: [Rule; 14] = [
    decision::find,
    mac::find,
    address::find,
    files::find,
    files::substituted,
    files::root,
    report::find,
    transfer::find,
    transfer::empty,
    transfer::slow,
    program::find,
    program::blocked_port,
    program::refused_kernel,
    firmware::not_a_program,
];
/// The rules that compare boots and machines.
const ACROSS: [Rule; 5] =
    [repetition::find, repetition::silent_system, repetition::stopped, identity::guid, identity::adapter];

/// Whatever fits, in no order.
pub(crate) fn find(case: &Case<'_>) -> Vec<Finding> {
    OF_BOOT.iter().chain(&ACROSS).filter_map(|rule| rule(case)).collect()
}

/// The same of one boot alone.
pub(crate) fn of_boot(case: &Case<'_>) -> Vec<Finding> {
    OF_BOOT.iter().filter_map(|rule| rule(case)).collect()
}

/// How special a finding is: a packet that proves it goes before a silence that suggests it.
pub(crate) mod specific {
    pub(crate) const REPORTED: u8 = 95;
    pub(crate) const PROVEN: u8 = 90;
    pub(crate) const REFUSED: u8 = 80;
    pub(crate) const PROGRAM: u8 = 70;
    pub(crate) const SILENCE: u8 = 60;
    pub(crate) const REPEATED: u8 = 50;
    pub(crate) const SLOW: u8 = 40;
    pub(crate) const IDENTITY: u8 = 30;
    pub(crate) const MENDED: u8 = 20;
}
