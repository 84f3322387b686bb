//! Apple's Boot Service Discovery Protocol as pure code.
//!
//! BSDP rides on DHCP: a Mac's DHCPINFORM with the vendor class `AAPLBSDPC` carries its own options
//! inside option 43. Here is what is BSDP about it, and no DHCP: the sub-options ([`option43`]),
//! the image folders that are offered ([`nbi`]), and the answer to one packet as a function
//! ([`respond`]).
#![warn(missing_docs)]

mod allowed;
mod bindings;
mod eligible;
mod image_id;
mod images;
mod list;
mod message;
pub mod nbi;
pub mod option43;
mod reason;
mod respond;
mod vendor_class;

pub use allowed::Allowed;
pub use bindings::{Binding, Bindings, Change};
pub use eligible::{DisabledModels, Mac, eligible, wanted};
pub use image_id::{BootImageId, ImageKind};
pub use images::{BootImages, DefaultRule};
pub use list::{ListEntry, ListError};
pub use message::BsdpMessageType;
pub use nbi::{BootImage, BootImageType, NbiInfo, Place, PlistError, Problem, RootPath};
pub use option43::{Option43Error, SubOption};
pub use reason::{LeftOut, Reason};
pub use respond::{Answer, DhcpMessage, Reply, ReplyKind, Request, Server, respond};
pub use vendor_class::{VendorClass, VendorClassError, cannot_netboot};
