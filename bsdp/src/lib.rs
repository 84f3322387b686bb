//! Apple's Boot Service Discovery Protocol as pure code.
//!
//! BSDP rides on DHCPINFORM with the vendor class `AAPLBSDPC`, its own options inside option 43. Here are its small values: the
//! message types, boot image ids and the vendor class.

mod image_id;
mod message;
mod vendor_class;

pub use image_id::{BootImageId, ImageKind};
pub use message::BsdpMessageType;
pub use vendor_class::{VendorClass, VendorClassError};
