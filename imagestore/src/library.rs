//! ConfigMgr's content library, read where it lies and never written to.
//!
//! ```text
//! PkgLib/PS100005.INI                      which contents a package has
//! DataLib/PS100005.9/boot.wim.INI          the files of a content: hash and size of each
//! FileLib/E8A1/E8A136…                     their bytes, by SHA-256; spread over several drives
//! ```

pub mod ini;
mod packages;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

pub use packages::{ContentId, Packages, source_of};

use crate::platform::MetadataExt;
use crate::{BootTree, Digest, FileEntry, Mount};

/// A content library of Configuration Manager.
#[derive(Debug)]
pub struct ContentLibrary {
    root: PathBuf,
    file_libs: Vec<PathBuf>,
    read: AtomicU64,
    looked_at: AtomicU64,
}

/// One content: a version of a package or an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Its id, such as `PS100005.9`.
    pub id: String,
    /// The files of the content, by path.
    pub files: Vec<FileEntry>,
    /// Files that are listed but cannot be had, each with why.
    pub missing: Vec<String>,
}

/// The outline of a content. Equal outlines mean that nobody has written to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outline {
    /// How many files DataLib lists.
    pub files: u64,
    /// The bytes of their INI files.
    pub bytes: u64,
    /// The latest change of a file or folder, in milliseconds since 1970.
    pub changed: i64,
    /// The paths of its files.
    pub paths: Vec<String>,
}

/// Counters of the reads in a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// INI files that were read.
    pub read: u64,
    /// Files and folders of DataLib that were looked at.
    pub looked_at: u64,
}

/// Why a library cannot be read.
#[derive(Debug, Error)]
pub enum LibraryError {
    /// The folder is not one.
    #[error("{} is no content library: it has no {part}", root.display())]
    NoLibrary {
        /// The folder that should be a library.
        root: PathBuf,
        /// The part of a library that is missing.
        part: &'static str,
    },
    /// The system says no.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file that the error is about.
        path: PathBuf,
        /// The system's error that stopped it.
        source: std::io::Error,
    },
}

impl ContentLibrary {
    /// Opens the library in a folder; `drives` are the `SCCMContentLib` folders of other drives,
    /// which hold files only.
    pub fn open(root: &Path, drives: &[PathBuf]) -> Result<Self, LibraryError> {
        for part in ["PkgLib", "DataLib", "FileLib"] {
            if !root.join(part).is_dir() {
                return Err(LibraryError::NoLibrary { root: root.to_owned(), part });
            }
        }
        let file_libs = std::iter::once(root)
            .chain(drives.iter().map(PathBuf::as_path))
            .map(|drive| drive.join("FileLib"));
        Ok(ContentLibrary {
            root: root.to_owned(),
            file_libs: file_libs.collect(),
            read: AtomicU64::new(0),
            looked_at: AtomicU64::new(0),
        })
    }

    /// The ids of all contents: by package, and by version as a number.
    pub fn ids(&self) -> Result<Vec<String>, LibraryError> {
        let mut packages = Packages::default();
        packages.refresh(self)?;
        Ok(packages.contents().values().flatten().map(ToString::to_string).collect())
    }

    /// The counters since the library was opened.
    pub fn work(&self) -> Work {
        Work { read: self.read.load(Ordering::Relaxed), looked_at: self.looked_at.load(Ordering::Relaxed) }
    }

    /// The outline of a content; None when DataLib has no folder of it. No file is read.
    pub fn outline(&self, id: &str) -> Result<Option<Outline>, LibraryError> {
        let Some(folder) = self.folder_of(id) else { return Ok(None) };
        let mut outline = Outline::default();
        let data = std::fs::metadata(&folder).map_err(io_error(&folder))?;
        outline.changed = changed(&data);
        self.outline_of(&folder, "", &mut outline)?;
        outline.paths.sort();
        Ok(Some(outline))
    }

    /// The files of a content. One whose bytes are on no drive is logged, and the others count.
    pub fn content(&self, id: &str) -> Result<Content, LibraryError> {
        let mut content = Content { id: id.to_owned(), files: Vec::new(), missing: Vec::new() };
        if let Some(folder) = self.folder_of(id) {
            self.walk(&folder, "", &mut content)?;
        }
        content.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(content)
    }

    /// Where the bytes with a digest are.
    pub fn locate(&self, digest: &Digest) -> Option<PathBuf> {
        let name = digest.to_string().to_ascii_uppercase();
        let inside = format!("{}/{name}", &name[..4]);
        self.file_libs.iter().find_map(|file_lib| {
            // A library that was copied may have lost its capitals; the boot tree does not mind.
            let place = file_lib.join(&inside);
            let mount = Mount { at: String::new(), folder: file_lib.clone() };
            let there = place.is_file() || BootTree::new(&[mount]).ok()?.open_raw(inside.as_bytes()).is_ok();
            there.then(|| if place.is_file() { place } else { file_lib.join(inside.to_ascii_lowercase()) })
        })
    }

    fn folder_of(&self, id: &str) -> Option<PathBuf> {
        let folder = self.root.join("DataLib").join(id);
        (!id.contains(['/', '\\']) && !matches!(id, "" | "." | "..") && folder.is_dir()).then_some(folder)
    }

    fn count_read(&self) {
        self.read.fetch_add(1, Ordering::Relaxed);
    }

    fn outline_of(&self, folder: &Path, inside: &str, outline: &mut Outline) -> Result<(), LibraryError> {
        for entry in std::fs::read_dir(folder).map_err(io_error(folder))? {
            let entry = entry.map_err(io_error(folder))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            // A file that goes between the listing and the look is no longer part of it.
            let Ok(data) = entry.metadata() else { continue };
            self.looked_at.fetch_add(1, Ordering::Relaxed);
            outline.changed = outline.changed.max(changed(&data));
            if data.is_dir() {
                self.outline_of(&entry.path(), &format!("{inside}{name}/"), outline)?;
            } else if let Some(name) = without_ini(&name) {
                outline.files += 1;
                outline.bytes += data.len();
                outline.paths.push(format!("{inside}{name}"));
            }
        }
        Ok(())
    }

    fn walk(&self, folder: &Path, inside: &str, content: &mut Content) -> Result<(), LibraryError> {
        for (name, path) in listed(folder)? {
            if path.is_dir() {
                self.walk(&path, &format!("{inside}{name}/"), content)?;
                continue;
            }
            let Some(name) = without_ini(&name) else { continue };
            let file_path = format!("{inside}{name}");
            self.count_read();
            let text = match ini::read(&path) {
                Ok(text) => text,
                Err(error) => {
                    content.missing.push(format!("{file_path}: cannot read its INI file: {error}"));
                    continue;
                }
            };
            let digest = ini::value(&text, "File", "Hash").and_then(|hash| hash.parse::<Digest>().ok());
            let size = ini::value(&text, "File", "Size").and_then(|size| size.parse::<u64>().ok());
            match digest.zip(size) {
                None => content.missing.push(format!("{file_path}: its INI file gives no hash and size")),
                Some((digest, _)) if self.locate(&digest).is_none() => {
                    content.missing.push(format!("{file_path}: no drive has {digest}"));
                }
                Some((digest, size)) => content.files.push(FileEntry::whole(file_path, digest, size)),
            }
        }
        Ok(())
    }
}

/// The name of the file that an INI file of DataLib stands for.
fn without_ini(name: &str) -> Option<&str> {
    let at = name.len().checked_sub(4).filter(|at| name.is_char_boundary(*at))?;
    let (name, suffix) = name.split_at(at);
    suffix.eq_ignore_ascii_case(".ini").then_some(name)
}

fn changed(data: &std::fs::Metadata) -> i64 {
    data.mtime().saturating_mul(1000) + data.mtime_nsec() / 1_000_000
}

/// A folder's entries by name. Names that are not UTF-8 are no names of Windows.
fn listed(folder: &Path) -> Result<Vec<(String, PathBuf)>, LibraryError> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io_error(folder))? {
        let entry = entry.map_err(io_error(folder))?;
        if let Ok(name) = entry.file_name().into_string() {
            entries.push((name, entry.path()));
        }
    }
    entries.sort();
    Ok(entries)
}

fn io_error(path: &Path) -> impl FnOnce(std::io::Error) -> LibraryError {
    let path = path.to_owned();
    move |source| LibraryError::Io { path, source }
}
