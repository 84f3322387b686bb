//! A boot as a model: what a machine did, how far it came, what should come next, and why it did
//! not.
//!
//! Pure. [`step`] holds the typed steps of a boot, which the daemon records anyway.
//! [`Machine::observe`] and [`Fleet::observe`] take them one by one, with their time; [`diagnose`]
//! looks at a machine beside the fleet and gives a [`Diagnosis`]: a [`Finding`] with its cause,
//! evidence and cure, a second possible one, and the [`Expectation`] of what comes next. No clock,
//! no sockets, no log.
//!
//! A new cause is a row in `cause/table/` and a function in `rules/` that finds it.
#![warn(missing_docs)]

mod boot;
mod case;
mod cause;
mod configuration;
mod diagnosis;
mod expectation;
mod file;
mod finding;
mod fleet;
pub mod ipxe;
mod machine;
pub mod report;
mod rules;
mod server;
pub mod shim;
pub mod step;
pub mod syslog;
#[cfg(test)]
mod tests;

pub use boot::{Boot, Fetched, Missed, Phase, Probed, Running, Substituted, Transport};
pub use cause::{Cause, Severity};
pub use configuration::{Configuration, Load, Loaded};
pub use diagnosis::{Diagnosis, diagnose, observe, port_blocks};
pub use expectation::{Expectation, Patience};
pub use file::FileKind;
pub use finding::{Addition, Finding, Seen};
pub use fleet::Fleet;
pub use machine::{Machine, Past};
pub use server::{Outage, ServerPart, ServerTrouble};
