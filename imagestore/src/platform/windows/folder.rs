//! A folder that nothing opened below it leads out of.
//!
//! Windows has no way to open below a folder only, so a name is looked at before it is used, and
//! the path that it leads to is looked at before it is opened. A process that puts links into the
//! folder while it is served could win a race between the two: that takes the right to write there,
//! which is the operator's.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::OpenError;
use crate::platform::names::is_plain;

/// The folder, by its real path.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let root = folder.canonicalize()?;
        fs::read_dir(&root)?; // one that may be entered but not listed would only fail later
        Ok(Folder(root))
    }

    /// Opens a file of any kind below.
    pub(crate) fn file(&self, path: &[u8]) -> Result<File, OpenError> {
        let place = self.inside(path)?;
        if place.is_dir() {
            return Err(OpenError::NotAFile);
        }
        File::open(place).map_err(refused)
    }

    /// There is no asking without waiting here.
    pub(crate) fn file_at_once(&self, _path: &[u8]) -> Result<File, OpenError> {
        Err(OpenError::NotFound)
    }

    /// The names in a folder below that differ from this one in case only; none when it cannot be
    /// listed.
    pub(crate) fn names_like(&self, folder: &[u8], wanted: &[u8]) -> Vec<Vec<u8>> {
        let mut names = self.all_names(folder);
        names.retain(|name| name.eq_ignore_ascii_case(wanted));
        names
    }

    /// The names in a folder below, as many as are looked at; none when it cannot be listed.
    pub(crate) fn names(&self, folder: &[u8]) -> Vec<Vec<u8>> {
        let mut names = self.all_names(folder);
        names.truncate(MAX_NAMES);
        names
    }

    fn all_names(&self, folder: &[u8]) -> Vec<Vec<u8>> {
        let folder = if folder.is_empty() { Ok(self.0.clone()) } else { self.inside(folder) };
        let entries = folder.ok().and_then(|folder| fs::read_dir(folder).ok());
        let names = entries.into_iter().flatten().flatten().map(|entry| entry.file_name());
        names.filter_map(|name| Some(name.to_str()?.as_bytes().to_vec())).collect()
    }

    /// The real path of what a name leads to. Links that stay below are followed.
    fn inside(&self, path: &[u8]) -> Result<PathBuf, OpenError> {
        let path = std::str::from_utf8(path).map_err(|_| OpenError::NotFound)?;
        let mut place = self.0.clone();
        for component in path.split('/') {
            if !is_plain(component) {
                return Err(OpenError::NotFound);
            }
            place.push(component);
        }
        let real = place.canonicalize().map_err(refused)?;
        if real.starts_with(&self.0) { Ok(real) } else { Err(OpenError::OutsideTree) }
    }
}

fn refused(error: io::Error) -> OpenError {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename => OpenError::NotFound,
        ErrorKind::PermissionDenied => OpenError::Permission,
        _ => OpenError::Io(error),
    }
}

/// Names of one folder that are looked at.
const MAX_NAMES: usize = 16_384;
