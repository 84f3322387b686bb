//! Who gets what, and why.
//!
//! A [`BootRequest`] says what one packet told about a machine, [`Rules`] say what the operator wants, and
//! [`decide`] joins them into a [`Verdict`]: one [`Decision`], one [`Reason`] and the evidence for it. The
//! crate is pure: it takes values and returns values, and knows neither sockets nor clocks.
//!
//! [`option43`] holds the codec of the PXE vendor options (PXE 2.1 specification, section 2); [`option250`] and [`option243`] those of
//! the boot programs of Windows and ConfigMgr.

mod arch;
mod bans;
mod decide;
mod mac;
pub mod option243;
pub mod option250;
pub mod option43;
mod reason;
mod request;
mod rules;
mod uuid;

pub use arch::{ArchType, UnknownArch};
pub use bans::{Bans, Screened};
pub use decide::{Boot, Decision, Evidence, Verdict, decide};
pub use mac::{InvalidMac, MacAddr};
pub use reason::Reason;
pub use request::{BootRequest, Class, MAX_ARCH_TYPES};
pub use rules::{Action, BootAction, Match, Rule, Rules, Via, is_grub_or_shim, is_ipxe_binary};
pub use uuid::{InvalidUuid, SystemUuid};
