//! The boot tree: folders under one root, as clients see them.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::thread;

use thiserror::Error;

use crate::file::TIMESTAMP_STEP;
use crate::nearest::nearest;
use crate::platform::Folder;
use crate::{BootFile, BootPath, PathError, RequestedPath};

/// Folders under one root.
#[derive(Debug)]
pub struct BootTree {
    /// The longest prefix first.
    mounts: Vec<Mounted>,
}

/// A folder and its place in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its place, such as `winpe`; empty for the root.
    pub at: String,
    /// The folder on the disk.
    pub folder: PathBuf,
}

#[derive(Debug)]
struct Mounted {
    at: Vec<Vec<u8>>,
    root: Folder,
}

/// Why a folder cannot be part of the tree.
#[derive(Debug, Error)]
#[error("cannot open the folder {}", folder.display())]
pub struct MountError {
    /// The folder that cannot be opened.
    pub folder: PathBuf,
    /// The system's error that stopped it.
    pub source: io::Error,
}

/// Why a path was not opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The path is none.
    #[error(transparent)]
    Path(#[from] PathError),
    /// There is no such file.
    #[error("no such file")]
    NotFound,
    /// A symbolic link leads out of the tree.
    #[error("the path leads out of the boot tree")]
    OutsideTree,
    /// The file may not be read.
    #[error("permission denied")]
    Permission,
    /// It is a folder, a device, a pipe or a socket.
    #[error("not a regular file")]
    NotAFile,
    /// Something writes to it all the time.
    #[error("the file is being written; replace files by renaming (netbootd file put)")]
    BeingWritten,
    /// A client that reads a file by ranges cannot go on: the version that it began with is gone.
    #[error(
        "the file is another one since this client read its first part; replace files by renaming (netbootd file put)"
    )]
    Replaced,
    /// Its bytes were found damaged, and nothing has repaired them yet.
    #[error("the file's bytes were found damaged and are withdrawn")]
    Withdrawn,
    /// Its image's source took it back, and its bytes are gone.
    #[error("withdrawn: removed by the site")]
    Removed,
    /// The system says no.
    #[error("cannot open the file")]
    Io(#[source] io::Error),
}

impl BootTree {
    /// Opens the folders, the ones mounted deepest first.
    pub fn new(mounts: &[Mount]) -> Result<Self, MountError> {
        let mut opened = Vec::with_capacity(mounts.len());
        for mount in mounts {
            let root = Folder::open(&mount.folder)
                .map_err(|source| MountError { folder: mount.folder.clone(), source })?;
            let at = mount.at.split('/').filter(|part| !part.is_empty());
            opened.push(Mounted { at: at.map(|part| part.as_bytes().to_vec()).collect(), root });
        }
        opened.sort_by_key(|mounted| std::cmp::Reverse(mounted.at.len()));
        Ok(BootTree { mounts: opened })
    }

    /// Opens the file that a client asks for.
    ///
    /// A name spelled exactly so wins over one that differs in case only; among several of those
    /// the first in byte order wins.
    pub fn open(&self, path: &BootPath) -> Result<BootFile, OpenError> {
        let components: Vec<&[u8]> = path.components().collect();
        for mounted in &self.mounts {
            let Some(inside) = strip_prefix(&components, &mounted.at) else { continue };
            match mounted.open(inside) {
                Err(OpenError::NotFound) => {}
                other => return other,
            }
        }
        Err(OpenError::NotFound)
    }

    /// Opens the file that a client asks for when its path is spelled as on disk and the kernel
    /// still knows every folder on it: without waiting for a disk or a server. None for any other,
    /// and for any doubt.
    pub fn open_at_once(&self, path: &BootPath) -> Option<BootFile> {
        let components: Vec<&[u8]> = path.components().collect();
        // A folder mounted deeper goes before this one, even for a name that differs in case.
        let mounted = self.mounts.iter().find(|mounted| strip_prefix(&components, &mounted.at).is_some())?;
        let inside = strip_prefix(&components, &mounted.at).filter(|inside| !inside.is_empty())?;
        let file = mounted.root.file_at_once(&inside.join(&b'/')).and_then(regular).ok()?;
        (!file.was_just_written()).then_some(file)
    }

    /// The path there that is most like one that is not: without folders before it, or with other
    /// spellings of one folder or name.
    pub fn nearest(&self, path: &BootPath) -> Option<String> {
        let components: Vec<&[u8]> = path.components().collect();
        let shorter = (1..components.len()).filter_map(|from| {
            let rest = BootPath::parse(&components[from..].join(&b'/')).ok()?;
            self.open(&rest).is_ok().then(|| rest.to_text())
        });
        shorter.chain(self.misspelled(&components)).next()
    }

    fn misspelled(&self, components: &[&[u8]]) -> Option<String> {
        self.mounts.iter().find_map(|mounted| {
            let inside = strip_prefix(components, &mounted.at)?;
            let found = mounted.nearest(inside)?;
            let parts = mounted.at.iter().map(Vec::as_slice).chain([found.as_slice()]);
            Some(String::from_utf8_lossy(&parts.collect::<Vec<_>>().join(&b'/')).into_owned())
        })
    }

    /// Opens a path as it was sent, and without the rubbish at its end if it is not there as sent.
    pub fn open_requested(&self, path: &RequestedPath) -> Result<BootFile, OpenError> {
        match (self.open(path.as_sent()), path.cleaned()) {
            (Err(OpenError::NotFound), Some(cleaned)) => self.open(cleaned),
            (result, _) => result,
        }
    }

    /// Opens a path of bytes that nobody has parsed yet.
    pub fn open_raw(&self, raw: &[u8]) -> Result<BootFile, OpenError> {
        self.open_requested(&RequestedPath::parse(raw)?)
    }
}

impl Mounted {
    fn open(&self, components: &[&[u8]]) -> Result<BootFile, OpenError> {
        if components.is_empty() {
            return Err(OpenError::NotAFile);
        }
        match self.open_settled(&components.join(&b'/')) {
            Err(OpenError::NotFound) => {}
            other => return other,
        }
        let mut folders_read = 0;
        match self.find(Vec::new(), components, &mut folders_read) {
            Some(spelled) => self.open_settled(&spelled),
            None => Err(OpenError::NotFound),
        }
    }

    /// The path below that is most like this one, folder by folder.
    fn nearest(&self, components: &[&[u8]]) -> Option<Vec<u8>> {
        let mut above = Vec::new();
        for wanted in components {
            let names = self.root.names(&above);
            let visible = names.iter().map(Vec::as_slice).filter(|name| !name.starts_with(b"."));
            let name = nearest(wanted, visible)?;
            above = if above.is_empty() { name.to_vec() } else { [above.as_slice(), name].join(&b'/') };
        }
        self.open_settled(&above).is_ok().then_some(above)
    }

    /// Opens a file at a time when any later write shows in its time of modification.
    fn open_settled(&self, path: &[u8]) -> Result<BootFile, OpenError> {
        for _ in 0..OPENED_AT_MOST {
            let file = self.root.file(path).and_then(regular)?;
            if !file.was_just_written() {
                return Ok(file);
            }
            thread::sleep(TIMESTAMP_STEP);
        }
        Err(OpenError::BeingWritten)
    }

    /// The path as the folders spell it, found component by component.
    fn find(&self, above: Vec<u8>, components: &[&[u8]], folders_read: &mut usize) -> Option<Vec<u8>> {
        let [wanted, below @ ..] = components else { return Some(above) };
        *folders_read += 1;
        if *folders_read > MAX_FOLDERS_READ {
            return None;
        }
        let mut names = self.root.names_like(&above, wanted);
        // The exact spelling first, then by bytes.
        names.sort_by_key(|name| (name != wanted, name.clone()));
        names.into_iter().find_map(|name| {
            let path = if above.is_empty() { name } else { [above.as_slice(), &name].join(&b'/') };
            self.find(path, below, folders_read)
        })
    }
}

fn strip_prefix<'a, 'b>(components: &'a [&'b [u8]], prefix: &[Vec<u8>]) -> Option<&'a [&'b [u8]]> {
    let (head, tail) = components.split_at_checked(prefix.len())?;
    let same = head.iter().zip(prefix).all(|(component, part)| component.eq_ignore_ascii_case(part));
    same.then_some(tail)
}

fn regular(file: File) -> Result<BootFile, OpenError> {
    let metadata = file.metadata().map_err(OpenError::Io)?;
    if !metadata.is_file() {
        return Err(OpenError::NotAFile);
    }
    Ok(BootFile::new(file, &metadata))
}

/// Times that a file which was just written is looked at again.
const OPENED_AT_MOST: usize = 5;
/// A path of 32 components, each spelled in two ways on disk, is already unheard of.
const MAX_FOLDERS_READ: usize = 64;

#[cfg(test)]
mod tests;
