//! Deployments, in Configuration Manager's words.

use std::fmt;

use crate::ImageArch;

/// A task sequence deployed to a collection that the machine is in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deployment {
    /// Its id, such as `PS120083`.
    pub id: String,
    /// The task sequence's name.
    pub name: String,
    /// The collection it is deployed to.
    pub collection: String,
    /// Whether it runs without being asked for.
    pub purpose: Purpose,
    /// Whether it is made available to media and PXE (0x00040000 in `AdvertFlags`).
    pub for_pxe: bool,
    /// Whether it is hidden (0x20000000): given only to who names it.
    pub hidden: bool,
    /// The boot image that its task sequence names.
    pub boot_image: Option<BootImage>,
    /// A boot file, instead of the image's own.
    pub file: Option<String>,
    /// The run that is asked for; empty when none is named.
    pub run: String,
    /// When the site says that the machine was given it already (`SMS_LastPXEAdvertisement`).
    pub last_pxe: Option<String>,
}

/// Whether a deployment runs without being asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// It runs without being asked for, once.
    Required,
    /// Only when somebody at the machine asks for it.
    #[default]
    Available,
}

/// A boot image package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootImage {
    /// Its package id, such as `PS100005`.
    pub id: String,
    /// The architecture inside; None when the site does not say.
    pub arch: Option<ImageArch>,
}

impl Deployment {
    /// Id and task sequence, for people.
    pub fn label(&self) -> String {
        if self.name.is_empty() { self.id.clone() } else { format!("{} ({})", self.id, self.name) }
    }
}

impl Purpose {
    /// The site's own word.
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::Required => "Required",
            Purpose::Available => "Available",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
