//! The policy: the boot of each machine, with its reason.
//!
//! A [`BootRequest`] says what one packet told about a machine, [`Rules`] say what the operator
//! wants, and [`decide`] joins them into a [`Verdict`]: one [`Decision`], one [`Reason`] and the
//! evidence for it. The crate is pure: it takes values and returns values, and knows neither
//! sockets nor clocks.
#![warn(missing_docs)]

mod arch;
mod assignment;
mod bans;
mod boot_files;
mod causes;
mod decide;
mod deployment;
mod devices;
mod directory;
mod evidence;
mod explain;
mod firmware_menu;
mod image_arch;
mod image_offer;
mod ledger;
mod loader;
mod mac;
mod not_taken;
mod range;
mod reason;
mod request;
mod rules;
mod served_path;
mod shared_error;
mod trust;
mod uuid;

pub use arch::{ArchType, UnknownArch};
pub use assignment::{
    Assignment, AssignmentChange, Assignments, BootNext, InvalidAssignment, InvalidMoment, Target, moment,
};
pub use bans::{Bans, SUGGESTED_BANS, Screened, is_shared};
pub use boot_files::{WIMBOOT_SCRIPT, boot_files, is_boot_program};
pub use causes::with_causes;
pub use decide::{Approval, Boot, Decision, Known, Prompt, Settings, Site, UnknownMachines, Verdict, decide};
pub use deployment::{BootImage, Deployment, Purpose};
pub use devices::{BadLine, Device, DeviceFault, Table};
pub use directory::{Answer, DirectoryAnswer, Identifier, Record, Trouble, TroubleKind};
pub use evidence::{Evidence, GenerationReason};
pub use explain::explain;
pub use firmware_menu::{FirmwareMenu, MenuImage, MenuLine, MenuSource, item_of};
pub use image_arch::ImageArch;
pub use image_offer::{ImageOffer, ImageSelector, InvalidSelector};
pub use ledger::{
    Brake, Claimed, Deployed, Entry, Key, Ledger, LedgerChange, MachineId, Ran, Seconds, SiteMemory, Stage,
    Timestamp,
};
pub use loader::{KernelBoot, LOADER_SCRIPT, LoaderConfig, is_loader};
pub use mac::{InvalidMac, InvalidMacPattern, MacAddr, MacPattern};
pub use not_taken::NotTaken;
pub use range::{AddressRange, InvalidRange};
pub use reason::Reason;
pub use request::{BootRequest, Class, Identity, MAX_ARCH_TYPES, UnknownClass};
pub use rules::{Action, BootAction, Match, Rule, Rules, Via, is_grub_or_shim, is_ipxe_binary};
pub use served_path::{ServedPath, ServedPathError};
pub use shared_error::SharedError;
pub use trust::{
    Generation, InvalidGeneration, MachineTrust, Observation, Observed, SaidBy, Signers, TrustSource, Trusts,
};
pub use uuid::{InvalidUuid, SystemUuid};
