//! Which images the operator lets a Mac have.

use crate::BootImageId;

/// The images an operator permits a Mac, in addition to the images' own lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// No answer. A choice at another server still ends the one that the Mac made here.
    Silence,
    /// These images; a choice of any other gets FAILED.
    Images {
        /// Their ids; None for every image.
        only: Option<Vec<BootImageId>>,
        /// The first of the list, and what a Mac gets that does not choose. Ignored when the image
        /// is not for the Mac.
        default: Option<BootImageId>,
    },
}

impl Allowed {
    /// The decision lets the Mac have every image.
    pub const ALL: Allowed = Allowed::Images { only: None, default: None };
    /// No image: a list is answered with silence, a choice with FAILED.
    pub const NONE: Allowed = Allowed::Images { only: Some(Vec::new()), default: None };

    /// Whether an image is among them.
    pub fn permits(&self, id: BootImageId) -> bool {
        match self {
            Allowed::Silence => false,
            Allowed::Images { only, .. } => only.as_ref().is_none_or(|only| only.contains(&id)),
        }
    }

    /// The image that goes first.
    pub fn default_image(&self) -> Option<BootImageId> {
        match self {
            Allowed::Silence => None,
            Allowed::Images { default, .. } => *default,
        }
    }
}
