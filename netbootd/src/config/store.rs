//! Where images are kept.

use std::path::PathBuf;
use std::time::Duration;

/// The image store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Its folder; None for `images` in the state folder.
    pub folder: Option<PathBuf>,
    /// How much it may hold.
    pub limits: imagestore::Limits,
    /// A folder whose content is taken in by itself.
    pub drop_folder: Option<PathBuf>,
    /// ConfigMgr's content library.
    pub content_library: Option<PathBuf>,
    /// Its folders on other drives.
    pub content_library_drives: Vec<PathBuf>,
    /// Packages of it that are taken as images, whatever the site says that they are.
    pub content_library_images: Vec<String>,
    /// How often these are looked at.
    pub watch: Duration,
    /// How often everything in the store is read again; zero for never.
    pub scrub: Duration,
    /// Object storage that several servers share.
    pub remote: Option<Remote>,
}

/// Object storage with images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// `s3://bucket/prefix`.
    pub url: String,
    /// The server, when it is not Amazon's.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// Whether it may be spoken to without TLS.
    pub allow_http: bool,
    /// Certificates (PEM) of the authority that signed its own, when the system does not know it.
    pub ca: Option<PathBuf>,
    /// Bytes of its blobs that are kept here.
    pub cache_limit: u64,
}
