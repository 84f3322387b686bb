//! What is told about Macs.

use std::net::SocketAddr;

use bsdp::{BootImageId, BsdpMessageType, LeftOut, Reason};
use pxe_policy::MacAddr;

use super::Answered;

/// One packet of a Mac.
#[derive(Debug, Clone, PartialEq)]
pub struct MacAnswered {
    /// The receiving interface.
    pub iface: String,
    /// The sender of the packet.
    pub peer: SocketAddr,
    /// The transaction.
    pub xid: u32,
    /// The Mac.
    pub mac: MacAddr,
    /// Its model identifier.
    pub model: Option<String>,
    /// Its architecture.
    pub architecture: Option<String>,
    /// What it asked for; None at its start, and when that could not be read.
    pub asked: Option<BsdpMessageType>,
    /// What left.
    pub decision: Answered,
    /// Why.
    pub reason: Reason,
    /// More about the reason.
    pub detail: Option<String>,
    /// The image that was confirmed or offered, or a list's default.
    pub image: Option<BootImageId>,
    /// The booter as the Mac is told.
    pub boot_file: Option<String>,
    /// How many images are for it.
    pub offered: usize,
    /// How many of those did not fit into the list.
    pub cut: usize,
    /// The images that are not for it, by folder, each with why.
    pub left_out: Vec<(String, LeftOut)>,
}

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
