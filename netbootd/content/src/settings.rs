//! Where boot files come from: the image store, object storage, the folders of Macs, the responder,
//! templates.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::Ipv4Net;
use pxe_policy::Match;

/// The settings of the image store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Its folder; None for `images` in the state folder.
    pub folder: Option<PathBuf>,
    /// How much it may hold.
    pub limits: imagestore::StoreLimits,
    /// A folder whose content is taken in by itself.
    pub drop_folder: Option<PathBuf>,
    /// The folder of ConfigMgr's content library.
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
    /// The bucket and its prefix: `s3://bucket/prefix`.
    pub url: String,
    /// The server, when it is not Amazon's.
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    pub region: Option<String>,
    /// Whether it may be spoken to without TLS.
    pub allow_http: bool,
    /// Certificates (PEM) of the authority that signed its own, when the system does not know it.
    pub ca: Option<PathBuf>,
    /// Bytes of its blobs that are kept here.
    pub cache_limit: u64,
}

/// The distribution point's own PXE responder, which machines are handed on to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// Its name or address.
    pub responder: String,
    /// How long a machine's question waits for its answer.
    pub timeout: Duration,
    /// Segments whose machines are handed on, besides those of the own interfaces.
    pub segments: Vec<Ipv4Net>,
    /// How many bytes of its files are kept here.
    pub cache_limit: u64,
}

/// Macs: BSDP and the shares of their images.
#[derive(Debug, Clone)]
pub struct Netboot {
    /// Whether they are answered.
    pub enabled: bool,
    /// The folders of image folders; empty for every folder in `NetBoot` of the boot root.
    pub shares: Vec<Share>,
    /// The boot root's folder of shares.
    pub default_folder: PathBuf,
    /// The host name in the root paths of Macs; None for the host's own.
    pub server_name: Option<String>,
    /// The prefix before `/NetBoot` in TFTP paths.
    pub tftp_prefix: String,
    /// The largest TFTP block that a Mac is granted, in bytes.
    pub max_block_size: u16,
    /// Which image is the default.
    pub default_rule: bsdp::DefaultRule,
    /// How `DisabledSystemIdentifiers` is applied.
    pub disabled_models: bsdp::DisabledModels,
    /// The priority of a server that nobody has chosen yet.
    pub priority: u16,
    /// Where diskless Macs write, as an `afp:` or `nfs:` URL.
    pub shadow: Option<String>,
    /// Whether firmware of 1998 and 1999 is served.
    pub netboot_1: bool,
    /// How long a Mac's choice is remembered; None for ever.
    pub binding_lifetime: Option<Duration>,
    /// How often the folders are looked through; zero for at the start and at a reload only.
    pub rescan: Duration,
}

/// A folder of image folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Its name in paths: `/NetBoot/<name>`.
    pub name: String,
    /// The folder on the disk.
    pub folder: PathBuf,
    /// The folder as the NFS server exports it.
    pub nfs_export: String,
}

/// A file that is rendered for the machine that asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedFile {
    /// Its path; one `*` stands for anything.
    pub path: String,
    /// The machines it is for.
    pub matches: Match,
    /// Its text, before rendering.
    pub template: String,
    /// Whether a stored file of that path wins.
    pub fallback: bool,
    /// Its type for HTTP.
    pub content_type: Option<String>,
}
