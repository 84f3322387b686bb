//! A NetBoot image folder (`.nbi`): what its `NBImageInfo.plist` says, checked against the files
//! beside it.

mod boot_image;
mod info;
mod problem;

pub use boot_image::{BootImage, BootImageType, Place, RootPath};
pub use info::{MAX_PLIST, NbiInfo, PlistError};
pub use problem::Problem;

/// The name of the property list in an image folder.
pub const INFO_FILE: &str = "NBImageInfo.plist";
/// How an image folder's name ends, exactly so.
pub const SUFFIX: &str = ".nbi";
