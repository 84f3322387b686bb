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
mod script;
pub(crate) mod specific;
mod tls;
mod transfer;

use crate::case::Case;
use crate::finding::Finding;

pub(crate) use program::port_blocked;

type Rule = fn(&Case<'_>) -> Option<Finding>;

/// The rules that look at one boot.
const OF_BOOT: [Rule; 25] = [
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
    transfer::lossy,
    transfer::round_trips,
    transfer::stands_still,
    program::find,
    program::wrong_kernel,
    program::blocked_port,
    program::refused_kernel,
    firmware::not_a_program,
    firmware::size_alone,
    tls::find,
    program::no_driver,
    script::without_magic,
    script::without_initrd,
    script::elsewhere,
    repetition::script_loop,
];
/// The rules that compare boots and machines.
const ACROSS: [Rule; 6] = [
    repetition::find,
    repetition::silent_system,
    repetition::stopped,
    identity::guid,
    identity::record,
    identity::adapter,
];

/// Whatever fits, in no order.
pub(crate) fn find(case: &Case<'_>) -> Vec<Finding> {
    OF_BOOT.iter().chain(&ACROSS).filter_map(|rule| rule(case)).collect()
}

/// The same of one boot alone.
pub(crate) fn of_boot(case: &Case<'_>) -> Vec<Finding> {
    OF_BOOT.iter().filter_map(|rule| rule(case)).collect()
}
