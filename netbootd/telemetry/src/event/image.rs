//! What is recorded about images.

use bsdp::BootImageId;

/// One image folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFolderRead {
    /// The share it is in.
    pub share: String,
    /// Its name.
    pub folder: String,
    /// The image's id and name, when it is one.
    pub image: Option<(BootImageId, String)>,
    /// What is wrong with it.
    pub problems: Vec<String>,
}
