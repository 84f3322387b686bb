//! What an image is: a kind, and files by path and digest. Immutable; another content is another manifest.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{BootPath, Digest};

/// What an image is. Its own digest, over its JSON, is its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What it boots.
    pub kind: ImageKind,
    /// Its files, by path in byte order.
    pub files: Vec<FileEntry>,
}

/// One file of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its path in the image, with `/`.
    pub path: String,
    /// Its bytes.
    pub digest: Digest,
    /// How many, in bytes.
    pub size: u64,
}

/// What an image boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageKind {
    /// A Mac, by BSDP.
    Nbi,
    /// Windows PE.
    WinPe,
    /// An EFI program.
    Efi,
    /// A Linux kernel.
    Linux,
    /// Anything else: boot media, disk images, plain files.
    Raw,
}

impl ImageKind {
    /// The word for tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            ImageKind::Nbi => "nbi",
            ImageKind::WinPe => "winpe",
            ImageKind::Efi => "efi",
            ImageKind::Linux => "linux",
            ImageKind::Raw => "raw",
        }
    }

    /// Of the paths that an image holds.
    pub fn of_paths<'a>(paths: impl Iterator<Item = &'a str> + Clone) -> Self {
        let has = |test: fn(&str) -> bool| paths.clone().any(|path| test(&path.to_ascii_lowercase()));
        if has(|path| path == "nbimageinfo.plist") {
            ImageKind::Nbi
        } else if has(|path| path.ends_with("boot.wim")) {
            ImageKind::WinPe
        } else if has(|path| path.rsplit('/').next().is_some_and(|name| name.starts_with("vmlinuz"))) {
            ImageKind::Linux
        } else if has(|path| path.ends_with(".efi")) {
            ImageKind::Efi
        } else {
            ImageKind::Raw
        }
    }
}

impl fmt::Display for ImageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Manifest {
    /// The JSON whose digest names this version.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default() // strings and numbers always have a JSON form
    }

    /// Reads what [`Manifest::to_json`] wrote.
    pub fn from_json(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// Its version.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_json())
    }

    /// The file that a client's path means: spelled exactly so, or else the first that differs in case only.
    pub fn find(&self, path: &BootPath) -> Option<&FileEntry> {
        let wanted = path.as_bytes();
        let exact = self.files.iter().find(|file| file.path.as_bytes() == wanted);
        exact.or_else(|| self.files.iter().find(|file| file.path.as_bytes().eq_ignore_ascii_case(wanted)))
    }

    /// Its size in bytes. A file with two names counts once.
    pub fn size(&self) -> u64 {
        let sizes: HashMap<Digest, u64> = self.files.iter().map(|file| (file.digest, file.size)).collect();
        sizes.values().sum()
    }
}
