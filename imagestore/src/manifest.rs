//! Manifests: an image's kind, and its files by path and digest. Immutable; another content is
//! another manifest.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{BootPath, Digest};

/// The contents of an image. The digest over its JSON is the image's version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The kind of machine or loader that it boots.
    pub kind: ImageKind,
    /// Its files, by path in byte order.
    pub files: Vec<FileEntry>,
    /// How a boot loader starts it; None for what starts by a program of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<BootEntry>,
}

/// How a boot loader starts an image: iPXE, GRUB and PXELINUX load the kernel and its RAM disks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootEntry {
    /// The kernel's path in the image.
    pub kernel: String,
    /// Paths of the initial RAM disks in the image, in the order in which they are loaded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub initrds: Vec<String>,
    /// The kernel's arguments. `{image-url}` stands for the image's URL on this server without a
    /// slash at its end, `{http-url}` for this server's, `{server}` for its address, and `{mac}`
    /// for the machine's hardware address.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cmdline: String,
}

/// One file of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its path in the image, with `/`.
    pub path: String,
    /// Its bytes, or the blob that they are part of.
    pub digest: Digest,
    /// How many, in bytes.
    pub size: u64,
    /// Where they begin in the blob, when they are a part of it: a file inside an ISO.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
}

impl FileEntry {
    /// A file that is a blob of its own.
    pub fn whole(path: impl Into<String>, digest: Digest, size: u64) -> Self {
        FileEntry { path: path.into(), digest, size, at: None }
    }
}

/// The clients that an image boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageKind {
    /// A Mac, by BSDP.
    Nbi,
    /// Windows PE: a WIM with its boot files.
    WinPe,
    /// An EFI program, which firmware starts.
    Efi,
    /// A Linux kernel with its initial RAM disks.
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

impl BootEntry {
    /// Of an image whose files are a kernel and its RAM disks; None for every other kind.
    pub fn of_manifest(manifest: &Manifest) -> Option<Self> {
        if manifest.kind != ImageKind::Linux {
            return None;
        }
        let paths = || manifest.files.iter().map(|file| file.path.as_str());
        let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
        let kernel = paths().find(|path| name(path).starts_with("vmlinuz"))?;
        let folder = kernel.rfind('/').map_or("", |slash| &kernel[..=slash]);
        let beside = |path: &&str| path.strip_prefix(folder).is_some_and(|rest| !rest.contains('/'));
        let is_initrd = |path: &&str| ["initrd", "initramfs"].iter().any(|stem| name(path).starts_with(stem));
        let initrds = paths().filter(beside).filter(is_initrd).map(str::to_owned).collect();
        Some(BootEntry { kernel: kernel.to_owned(), initrds, cmdline: String::new() })
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

    /// The version: the digest of the manifest's bytes.
    pub fn digest(&self) -> Digest {
        Digest::compute(&self.to_json())
    }

    /// The file that a client's path means: spelled exactly so, or else the first that differs in
    /// case only.
    pub fn find(&self, path: &BootPath) -> Option<&FileEntry> {
        let wanted = path.as_bytes();
        let exact = self.files.binary_search_by(|file| file.path.as_bytes().cmp(wanted));
        // Manifests of earlier versions may be in another order.
        let exact = exact.ok().or_else(|| self.files.iter().position(|file| file.path.as_bytes() == wanted));
        exact
            .map(|at| &self.files[at])
            .or_else(|| self.files.iter().find(|file| file.path.as_bytes().eq_ignore_ascii_case(wanted)))
    }

    /// Its size in bytes. A file with two names counts once, and a file inside another not at all.
    pub fn size(&self) -> u64 {
        self.blobs().values().sum()
    }

    /// The blobs that it needs, with their sizes in bytes.
    pub fn blobs(&self) -> BTreeMap<Digest, u64> {
        self.files.iter().filter(|file| file.at.is_none()).map(|file| (file.digest, file.size)).collect()
    }

    /// The size of the blob that holds a file.
    pub fn blob_size(&self, file: &FileEntry) -> u64 {
        let whole = || self.files.iter().find(|other| other.at.is_none() && other.digest == file.digest);
        file.at.and_then(|_| whole()).map_or(file.size, |whole| whole.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(kind: ImageKind, paths: &[&str]) -> Manifest {
        let file = |path: &&str| FileEntry::whole(*path, Digest::compute(b""), 0);
        Manifest { kind, files: paths.iter().map(file).collect(), boot: None }
    }

    #[test]
    fn a_kernel_starts_with_the_ram_disks_beside_it() {
        let files = ["boot/initramfs.img", "boot/initrd.gz", "boot/vmlinuz-6.1", "initrd.img", "readme"];
        let entry = BootEntry::of_manifest(&manifest(ImageKind::Linux, &files)).unwrap();
        assert_eq!((entry.kernel.as_str(), entry.initrds.len()), ("boot/vmlinuz-6.1", 2));
        assert_eq!(BootEntry::of_manifest(&manifest(ImageKind::Raw, &files)), None);
        assert_eq!(BootEntry::of_manifest(&manifest(ImageKind::Linux, &["readme"])), None);
    }

    #[test]
    fn a_manifest_without_an_entry_keeps_its_version() {
        let mut manifest = manifest(ImageKind::Linux, &["vmlinuz"]);
        let json = String::from_utf8(manifest.to_json()).unwrap();
        assert!(!json.contains("boot"), "{json}");
        manifest.boot = BootEntry::of_manifest(&manifest);
        assert_eq!(Manifest::from_json(&manifest.to_json()).unwrap(), manifest);
    }
}
