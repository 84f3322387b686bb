//! Events of images.

use bsdp::{BootImageId, Problem};

/// One folder of a Mac's image, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFolderRead {
    /// The share it is in.
    pub share: String,
    /// The folder's name in the share.
    pub folder: String,
    /// The image's id and name, when it is one.
    pub image: Option<(BootImageId, String)>,
    /// The faults of the folder.
    pub problems: Vec<Problem>,
}

impl ImageFolderRead {
    /// The faults in one line.
    pub fn problems_text(&self) -> String {
        let problems: Vec<String> = self.problems.iter().map(ToString::to_string).collect();
        problems.join("; ")
    }
}

/// A source of images that begins to be imported: a path, or a content id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageBegun(pub String);

/// A source of images that was dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageTaken {
    /// Where it is: a path, or a content id.
    pub source: String,
    /// The image's name, when it was taken in.
    pub image: Option<String>,
    /// Why it was not, or what is to know about it.
    pub detail: Option<String>,
}
