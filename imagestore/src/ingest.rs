//! Taking images in: what lies at a path decides how.

mod boot_media;
mod container;
mod content;
mod disk;
mod folder;
mod medium;
mod roles;
mod windows_facts;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::media::MediumError;
use crate::store::{ImageRecord, MediaSecrets, Observer, Store, StoreError, Version, Writer};
use crate::wim::WimError;
use crate::{About, BootEntry, BootFile, BootPath, Digest, FileEntry, ImageKind, Manifest, PathError};

pub use content::{import_content, may_hold};
pub use disk::{DiskImage, DiskImageError};
pub use roles::{Role, roles_of};

/// The settings of one import.
#[derive(Debug, Clone, Default)]
pub struct Import {
    /// The image's name; None for the one that the source suggests.
    pub name: Option<String>,
    /// Words for the version.
    pub labels: BTreeMap<String, String>,
    /// When, in seconds since 1970.
    pub at: u64,
    /// Says whether a NetBoot set's `NBImageInfo.plist` can be read; None takes any. The store
    /// itself knows nothing of property lists.
    pub check_info: Option<InfoCheck>,
    /// Warns about the image's files. The store itself knows no boot programs.
    pub remarks: Option<Remarks>,
    /// How a package of a content library is used.
    pub package: PackageUse,
    /// Where it came from, if that is not the path that is read.
    pub source: Option<String>,
}

/// How a package of a content library is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PackageUse {
    /// Nobody says what it is: NetBoot sets, what is Windows PE for sure, and disk images.
    #[default]
    Unknown,
    /// A boot image, by the site's word or the operator's.
    BootImage,
    /// An operating system to install: NetBoot sets, and else files only.
    Files,
}

/// Reads an `NBImageInfo.plist`, or says what is wrong with it.
pub type InfoCheck = fn(list: &BootFile) -> Result<(), InfoProblem>;

/// Gives warnings about the files of an image.
pub type Remarks = fn(files: &[FileEntry]) -> Vec<String>;

/// The fault that an [`InfoCheck`] found in the property list of a NetBoot set.
pub type InfoProblem = Box<dyn std::error::Error + Send + Sync>;

/// An image that was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The image's name in the store.
    pub name: String,
    /// The record in the catalogue after the import.
    pub record: ImageRecord,
    /// Warnings for the operator: roles that no file fills, files that were not imported.
    pub findings: Vec<String>,
}

/// Why an image was not taken in. Nothing of it is visible then.
#[derive(Debug, Error)]
pub enum IngestError {
    /// The store says no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The source cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file that the error is about.
        path: PathBuf,
        /// The system's error that stopped it.
        source: io::Error,
    },
    /// A name that no client could ask for.
    #[error("{name:?} cannot be served")]
    Name {
        /// The name that was refused.
        name: String,
        /// The fault of the name.
        source: PathError,
    },
    /// A name that no text can hold.
    #[error("the name of {} is not UTF-8; rename it", .0.display())]
    NotUtf8(PathBuf),
    /// Clients do not tell cases apart.
    #[error("{first:?} and {second:?} differ in case only")]
    SameName {
        /// The file that is read first.
        first: String,
        /// The file whose name differs in case alone.
        second: String,
    },
    /// A link that leads out of the folder, or to nothing.
    #[error("{} leads out of the folder or to nothing", .0.display())]
    Link(PathBuf),
    /// Neither a file nor a folder.
    #[error("{} is neither a file nor a folder", .0.display())]
    NotAFile(PathBuf),
    /// A file that was written to while it was read.
    #[error("{} changed while it was read", .0.display())]
    Changed(PathBuf),
    /// Nothing to take in.
    #[error("{} holds no file", .0.display())]
    Empty(PathBuf),
    /// A Windows image that cannot be read.
    #[error(transparent)]
    Wim(#[from] WimError),
    /// A content library that cannot be read.
    #[error(transparent)]
    Library(#[from] crate::library::LibraryError),
    /// A Windows image that boots nothing.
    #[error("{} holds neither a NetBoot set nor Windows' boot files", .0.display())]
    NothingToBoot(PathBuf),
    /// A NetBoot set whose description says nothing.
    #[error("{}: {source}", path.display())]
    Info {
        /// The source that was to be imported.
        path: PathBuf,
        /// The fault of the property list in it.
        source: InfoProblem,
    },
    /// An optical medium that cannot be read.
    #[error("{}: {source}", path.display())]
    Medium {
        /// The ISO that cannot be read.
        path: PathBuf,
        /// The fault of the ISO.
        source: MediumError,
    },
    /// An optical medium that no PC boots from the network.
    #[error("nothing boots {}: {what}; to serve it as a file, copy it into the boot folder", path.display())]
    NothingBoots {
        /// The ISO that nothing boots from.
        path: PathBuf,
        /// The reason, as a sentence.
        what: String,
    },
    /// Boot media of Configuration Manager that lacks a part.
    #[error("{} is boot media of Configuration Manager, and its {file} {what}", path.display())]
    BootMedia {
        /// The path of the ISO.
        path: PathBuf,
        /// The file on it.
        file: &'static str,
        /// The fault, as the end of a sentence.
        what: &'static str,
    },
    /// A disk image that is damaged.
    #[error("{}: {source}", path.display())]
    Disk {
        /// The disk image that cannot be used.
        path: PathBuf,
        /// The fault of the disk image.
        source: DiskImageError,
    },
}

impl IngestError {
    /// Whether the same source may well be imported later: what failed is the disk, a permission or
    /// a missing program, not the source's content.
    pub fn is_passing(&self) -> bool {
        match self {
            IngestError::Store(error) => error.is_passing(),
            IngestError::Wim(error) => error.is_passing(),
            IngestError::Read { .. } | IngestError::Changed(_) | IngestError::Library(_) => true,
            IngestError::Disk { source, .. } => matches!(source, DiskImageError::Io(_)),
            IngestError::Medium { source, .. } => matches!(source, MediumError::Io(_)),
            IngestError::Name { .. }
            | IngestError::NotUtf8(_)
            | IngestError::SameName { .. }
            | IngestError::Link(_)
            | IngestError::NotAFile(_)
            | IngestError::Empty(_)
            | IngestError::NothingToBoot(_)
            | IngestError::NothingBoots { .. }
            | IngestError::BootMedia { .. }
            | IngestError::Info { .. } => false,
        }
    }
}

/// A source after its files were imported.
struct Taken {
    name: String,
    kind: ImageKind,
    files: Vec<FileEntry>,
    findings: Vec<String>,
    found: Recognition,
}

/// The recognised system of a source.
#[derive(Debug, Clone, Default)]
struct Recognition {
    about: Option<About>,
    boot: Option<BootEntry>,
    /// The secret part of boot media, which is no file of the image.
    media: Option<MediaSecrets>,
}

/// Takes in what lies at a path: a folder, an `.nbi` folder, a `.wim` with a NetBoot set or with
/// Windows PE inside, an `.iso`, a `.dmg`, or any one file.
pub fn import(
    store: &Store,
    path: &Path,
    import: Import,
    observer: &mut dyn Observer,
) -> Result<Imported, IngestError> {
    let mut writer = store.write()?;
    observer.step(crate::store::Step::Begun);
    let metadata = fs::metadata(path).map_err(read_error(path))?;
    // Opening a FIFO would wait for its writer.
    if !metadata.is_dir() && !metadata.is_file() {
        return Err(IngestError::NotAFile(path.to_owned()));
    }
    let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
    let taken = match extension.as_ref().and_then(|extension| extension.to_str()) {
        _ if metadata.is_dir() => folder::import(&mut writer, path, observer)?,
        Some("wim" | "esd" | "swm") => container::import(&mut writer, path, observer)?,
        Some("iso") => medium::import(&mut writer, path, observer)?,
        Some("dmg") => disk::import(&mut writer, path, observer)?,
        _ => folder::take_file(&mut writer, path, observer)?,
    };
    commit(writer, taken, import, path, observer)
}

fn commit(
    writer: Writer,
    taken: Taken,
    wanted: Import,
    source: &Path,
    observer: &mut dyn Observer,
) -> Result<Imported, IngestError> {
    let Taken { name, kind, mut files, mut findings, found } = taken;
    let name = wanted.name.unwrap_or(name);
    if name.is_empty() && source.file_name().is_some_and(|name| name.to_str().is_none()) {
        return Err(IngestError::NotUtf8(source.to_owned()));
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut manifest = Manifest { kind, files, boot: found.boot };
    manifest.boot = manifest.boot.take().or_else(|| BootEntry::of_manifest(&manifest));
    if let (ImageKind::Nbi, Some(check)) = (kind, wanted.check_info) {
        check_info(&writer, &manifest, check, source)?;
    }
    findings.extend(wanted.remarks.iter().flat_map(|remarks| remarks(&manifest.files)));
    let version = Version {
        manifest: manifest.digest(),
        kind,
        files: manifest.files.len(),
        size: manifest.size(),
        labels: wanted.labels,
        source: wanted.source.unwrap_or_else(|| source.display().to_string()),
        at: wanted.at,
        about: found.about.map(Box::new),
    };
    if let Some(secrets) = &found.media {
        writer.store().put_media(&name, secrets)?;
    }
    let record = writer.commit(&name, &manifest, version, observer)?;
    Ok(Imported { name, record, findings })
}

/// Checks that the set can be offered at all, before anything of it can be seen.
fn check_info(
    writer: &Writer,
    manifest: &Manifest,
    check: InfoCheck,
    source: &Path,
) -> Result<(), IngestError> {
    for file in manifest.files.iter().filter(|file| file.path.eq_ignore_ascii_case("NBImageInfo.plist")) {
        let refused = |problem| IngestError::Info { path: source.to_owned(), source: problem };
        check(&writer.blob(&file.digest)?).map_err(refused)?;
    }
    Ok(())
}

/// Checks that clients can ask for every name and mean one file by it.
fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), IngestError> {
    let mut folded: BTreeMap<String, &str> = BTreeMap::new();
    for name in names {
        let refused = |source| IngestError::Name { name: name.to_owned(), source };
        let path = BootPath::parse(name.as_bytes()).map_err(refused)?;
        // A request for a name must find that same name.
        if path.as_bytes() != name.as_bytes() {
            let leads_up = name.split(['/', '\\']).any(|part| part == "..");
            let why = if leads_up { PathError::ParentComponent } else { PathError::DeviceOrStream };
            return Err(refused(why));
        }
        if let Some(first) = folded.insert(name.to_ascii_lowercase(), name) {
            return Err(IngestError::SameName { first: first.to_owned(), second: name.to_owned() });
        }
    }
    Ok(())
}

fn entry(path: String, (digest, size): (Digest, u64)) -> FileEntry {
    FileEntry::whole(path, digest, size)
}

/// The name that a source suggests; none when clients could not ask for it.
fn stem(path: &Path) -> String {
    path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned).unwrap_or_default()
}

fn read_error(path: &Path) -> impl FnOnce(io::Error) -> IngestError {
    let path = path.to_owned();
    move |source| IngestError::Read { path, source }
}
