//! Why a deployment is not given.

use std::fmt;

use crate::ImageArch;

/// Why a deployment was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotTaken {
    /// It is not made available to PXE.
    NotForPxe,
    /// It is hidden, and no rule names it.
    Hidden,
    /// Its task sequence has no boot image.
    NoBootImage,
    /// Its boot image is for another architecture.
    WrongArchitecture(ImageArch),
    /// Its boot image, or the file in it that this machine needs, is not here.
    BootImageMissing {
        /// The package of the boot image.
        image: String,
        /// The files that were looked for.
        files: Vec<String>,
    },
    /// The machine was given it before.
    AlreadyRun {
        /// The source of this: this server's ledger, or the site.
        told_by: String,
        /// When, as they write it.
        at: String,
    },
    /// Another one goes before it.
    Outranked,
}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotTaken::NotForPxe => f.write_str("it is not made available to media and PXE"),
            NotTaken::Hidden => f.write_str("it is hidden, and policy.hidden-deployments does not name it"),
            NotTaken::NoBootImage => f.write_str("its task sequence names no boot image"),
            NotTaken::WrongArchitecture(arch) => write!(f, "its boot image is {}", arch.folder()),
            NotTaken::BootImageMissing { image, files } => {
                write!(f, "boot image {image} has none of these here: {}", files.join(", "))
            }
            NotTaken::AlreadyRun { told_by, at } => {
                write!(f, "it is Required and was given to this machine before: {told_by} says {at}")
            }
            NotTaken::Outranked => f.write_str("another one goes before it"),
        }
    }
}
