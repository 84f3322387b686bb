//! A folder, or one file.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::{IngestError, Taken, check_names, entry, known_sizes, read_error, stem};
use crate::platform::{MetadataExt, slashed};
use crate::store::{Observer, Writer};
use crate::{Digest, ImageKind};

/// A file to take in: its path in the image, and where it is.
struct Found {
    path: String,
    place: PathBuf,
    size: u64,
}

pub(super) fn take(
    writer: &mut Writer,
    folder: &Path,
    observer: &mut dyn Observer,
) -> Result<Taken, IngestError> {
    let root = folder.canonicalize().map_err(read_error(folder))?;
    let mut found = Vec::new();
    walk(&root, &root, &mut found)?;
    if found.is_empty() {
        return Err(IngestError::Empty(folder.to_owned()));
    }
    check_names(found.iter().map(|found| found.path.as_str()))?;
    let total = found.iter().map(|found| found.size).sum();
    observer.total(total);
    let known = known_sizes(writer.store())?;
    let new: u64 = found.iter().map(|found| found.size).filter(|size| !known.contains(size)).sum();
    writer.reserve(new)?;
    let mut files = Vec::with_capacity(found.len());
    for Found { path, place, .. } in found {
        observer.file(&path);
        files.push(entry(path, take_whole(writer, &place, &known, observer)?));
    }
    let kind = ImageKind::of_paths(files.iter().map(|file| file.path.as_str()));
    Ok(Taken { name: stem(&root), kind, files, findings: Vec::new() })
}

pub(super) fn take_file(
    writer: &mut Writer,
    path: &Path,
    observer: &mut dyn Observer,
) -> Result<Taken, IngestError> {
    let metadata = fs::metadata(path).map_err(read_error(path))?;
    if !metadata.is_file() {
        return Err(IngestError::NotAFile(path.to_owned()));
    }
    if metadata.len() == 0 {
        return Err(IngestError::Empty(path.to_owned()));
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    check_names([name.as_str()].into_iter())?;
    observer.total(metadata.len());
    let known = known_sizes(writer.store())?;
    writer.reserve(if known.contains(&metadata.len()) { 0 } else { metadata.len() })?;
    observer.file(&name);
    let taken = take_whole(writer, path, &known, observer)?;
    let kind = ImageKind::of_paths([name.as_str()].into_iter());
    Ok(Taken { name: stem(path), kind, files: vec![entry(name, taken)], findings: Vec::new() })
}

/// Takes in a file that nobody may write to meanwhile.
fn take_whole(
    writer: &mut Writer,
    path: &Path,
    known: &std::collections::BTreeSet<u64>,
    observer: &mut dyn Observer,
) -> Result<(Digest, u64), IngestError> {
    let mut file = File::open(path).map_err(read_error(path))?;
    let before = state(&file, path)?;
    let taken = writer.put_file(path, &mut file, known, observer)?;
    if state(&file, path)? != before || taken.1 != before.0 {
        return Err(IngestError::Changed(path.to_owned()));
    }
    Ok(taken)
}

fn state(file: &File, path: &Path) -> Result<(u64, i64, i64), IngestError> {
    let metadata = file.metadata().map_err(read_error(path))?;
    Ok((metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}

/// Every file below, by name. Links count as what they lead to, as long as that is inside.
fn walk(root: &Path, folder: &Path, found: &mut Vec<Found>) -> Result<(), IngestError> {
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).map_err(read_error(folder))? {
        entries.push(entry.map_err(read_error(folder))?.path());
    }
    entries.sort();
    for place in entries {
        let kind = fs::symlink_metadata(&place).map_err(read_error(&place))?.file_type();
        if kind.is_dir() {
            walk(root, &place, found)?;
            continue;
        }
        let file = if kind.is_symlink() { inside(root, &place)? } else { place.clone() };
        let metadata = fs::metadata(&file).map_err(read_error(&file))?;
        if !metadata.is_file() {
            return Err(IngestError::NotAFile(place));
        }
        let path = slashed(place.strip_prefix(root).unwrap_or(&place));
        found.push(Found { path, place: file, size: metadata.len() });
    }
    Ok(())
}

fn inside(root: &Path, link: &Path) -> Result<PathBuf, IngestError> {
    let target = link.canonicalize().map_err(|_| IngestError::Link(link.to_owned()))?;
    if target.starts_with(root) { Ok(target) } else { Err(IngestError::Link(link.to_owned())) }
}
