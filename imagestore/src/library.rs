//! ConfigMgr's content library, read where it lies and never written to.
//!
//! ```text
//! PkgLib/PS100005.INI                      which contents a package has
//! DataLib/PS100005.9/boot.wim.INI          the files of a content: hash and size of each
//! FileLib/E8A1/E8A136…                     their bytes, by SHA-256; spread over several drives
//! ```

pub mod ini;

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::{BootTree, Digest, FileEntry, Mount};

/// A content library.
#[derive(Debug)]
pub struct ContentLibrary {
    root: PathBuf,
    file_libs: Vec<PathBuf>,
}

/// One content: a version of a package or an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Its id, such as `PS100005.9`.
    pub id: String,
    /// Its files.
    pub files: Vec<FileEntry>,
    /// Files that are listed but cannot be had, each with why.
    pub missing: Vec<String>,
}

/// Why a library cannot be read.
#[derive(Debug, Error)]
pub enum LibraryError {
    /// The folder is not one.
    #[error("{} is no content library: it has no {part}", root.display())]
    NoLibrary {
        /// The folder.
        root: PathBuf,
        /// What is missing.
        part: &'static str,
    },
    /// The system says no.
    #[error("cannot read {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl ContentLibrary {
    /// Opens the library in a folder; `drives` are the `SCCMContentLib` folders of other drives, which hold files only.
    pub fn open(root: &Path, drives: &[PathBuf]) -> Result<Self, LibraryError> {
        for part in ["PkgLib", "DataLib", "FileLib"] {
            if !root.join(part).is_dir() {
                return Err(LibraryError::NoLibrary { root: root.to_owned(), part });
            }
        }
        let file_libs = std::iter::once(root)
            .chain(drives.iter().map(PathBuf::as_path))
            .map(|drive| drive.join("FileLib"));
        Ok(ContentLibrary { root: root.to_owned(), file_libs: file_libs.collect() })
    }

    /// The ids of all contents, in order.
    pub fn ids(&self) -> Result<Vec<String>, LibraryError> {
        let mut ids = Vec::new();
        for (name, path) in listed(&self.root.join("PkgLib"))? {
            if name.to_ascii_lowercase().ends_with(".ini") {
                let text = ini::read(&path).map_err(io_error(&path))?;
                ids.extend(ini::keys(&text, "Packages"));
            }
        }
        ids.sort();
        ids.dedup();
        Ok(ids)
    }

    /// The files of a content. One whose bytes are on no drive is told of, and the others count.
    pub fn content(&self, id: &str) -> Result<Content, LibraryError> {
        let mut content = Content { id: id.to_owned(), files: Vec::new(), missing: Vec::new() };
        let folder = self.root.join("DataLib").join(id);
        if folder.is_dir() && !id.contains(['/', '\\']) {
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

    fn walk(&self, folder: &Path, inside: &str, content: &mut Content) -> Result<(), LibraryError> {
        for (name, path) in listed(folder)? {
            if path.is_dir() {
                self.walk(&path, &format!("{inside}{name}/"), content)?;
                continue;
            }
            let Some(file) =
                name.len().checked_sub(4).filter(|at| name.is_char_boundary(*at)).map(|at| name.split_at(at))
            else {
                continue;
            };
            if !file.1.eq_ignore_ascii_case(".ini") {
                continue;
            }
            let file_path = format!("{inside}{}", file.0);
            let text = ini::read(&path).map_err(io_error(&path))?;
            let digest = ini::value(&text, "File", "Hash").and_then(|hash| hash.parse::<Digest>().ok());
            let size = ini::value(&text, "File", "Size").and_then(|size| size.parse::<u64>().ok());
            match digest.zip(size) {
                None => content.missing.push(format!("{file_path}: its INI file gives no hash and size")),
                Some((digest, _)) if self.locate(&digest).is_none() => {
                    content.missing.push(format!("{file_path}: no drive has {digest}"));
                }
                Some((digest, size)) => content.files.push(FileEntry { path: file_path, digest, size }),
            }
        }
        Ok(())
    }
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
