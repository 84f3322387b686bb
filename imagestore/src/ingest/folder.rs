//! A folder, or one file.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{IngestError, Recognition, Taken, check_names, entry, read_error, stem};
use crate::platform::{MetadataExt, allocated, slashed, special_kind};
use crate::recognise::{Contents, Recognised, recognise};
use crate::store::{Observer, Writer};
use crate::{BootMethod, Digest, FileEntry, ImageKind};

/// A file to take in: its path in the image, and where it is.
struct Found {
    path: String,
    place: PathBuf,
    size: u64,
    /// Bytes on the disk: without its holes.
    allocated: u64,
}

pub(super) fn import(
    writer: &mut Writer,
    folder: &Path,
    observer: &mut dyn Observer,
) -> Result<Taken, IngestError> {
    let root = folder.canonicalize().map_err(read_error(folder))?;
    let (mut found, mut findings) = (Vec::new(), Vec::new());
    walk(&root, &root, &mut found, &mut findings)?;
    if found.is_empty() {
        return Err(IngestError::Empty(folder.to_owned()));
    }
    check_names(found.iter().map(|found| found.path.as_str()))?;
    let total = found.iter().map(|found| found.size).sum();
    observer.total(total);
    let known = writer.store().known_sizes(&found.iter().map(|found| found.size).collect())?;
    let new = found.iter().filter(|found| !known.contains(&found.size));
    writer.reserve(new.map(|found| found.allocated).sum())?;
    let mut files = Vec::with_capacity(found.len());
    for Found { path, place, .. } in found {
        observer.file(&path);
        files.push(entry(path, take_whole(writer, &place, &known, observer)?));
    }
    let (found, note) = recognition(&files, |path| root.join(path));
    findings.extend(note);
    let kind = kind_of(&files, &found);
    Ok(Taken { name: stem(&root), kind, files, findings, found })
}

/// The recognised system of a folder's files, and a note for the operator.
fn recognition(files: &[FileEntry], place: impl Fn(&str) -> PathBuf) -> (Recognition, Option<String>) {
    let folder = Listed { files, place: &place };
    let found = recognise(&folder, None);
    let found = found.filter(|found| found.boot.is_some() || found.about.efi.is_some());
    let Some(Recognised { mut about, boot, note, .. }) = found else { return Default::default() };
    let ways = [(BootMethod::Kernel, boot.is_some()), (BootMethod::Uefi, about.efi.is_some())];
    about.ways = ways.into_iter().filter(|(_, is)| *is).map(|(way, _)| way).collect();
    (Recognition { about: Some(about), boot, media: None }, note)
}

fn kind_of(files: &[FileEntry], found: &Recognition) -> ImageKind {
    match ImageKind::of_paths(files.iter().map(|file| file.path.as_str())) {
        ImageKind::Raw if found.boot.is_some() => ImageKind::Linux,
        kind => kind,
    }
}

/// Files of a folder, or one file, as recognisers look at them.
struct Listed<'a> {
    files: &'a [FileEntry],
    place: &'a dyn Fn(&str) -> PathBuf,
}

impl Contents for Listed<'_> {
    fn paths(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.files.iter().map(|file| file.path.as_str()))
    }

    fn text(&self, path: &str) -> Option<String> {
        let file = File::open((self.place)(&self.find(path)?)).ok()?;
        let mut bytes = Vec::new();
        file.take(MAX_TEXT).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn label(&self) -> &str {
        ""
    }
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
    let name = path.file_name().unwrap_or_default();
    let name = name.to_str().ok_or_else(|| IngestError::NotUtf8(path.to_owned()))?.to_owned();
    check_names([name.as_str()].into_iter())?;
    observer.total(metadata.len());
    let known = writer.store().known_sizes(&[metadata.len()].into())?;
    writer.reserve(if known.is_empty() { allocated(path, &metadata) } else { 0 })?;
    observer.file(&name);
    let taken = take_whole(writer, path, &known, observer)?;
    let files = vec![entry(name, taken)];
    let (found, note) = recognition(&files, |_| path.to_owned());
    let kind = kind_of(&files, &found);
    Ok(Taken { name: stem(path), kind, files, findings: note.into_iter().collect(), found })
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

pub(super) fn state(file: &File, path: &Path) -> Result<(u64, i64, i64), IngestError> {
    let metadata = file.metadata().map_err(read_error(path))?;
    Ok((metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}

/// Every file below, by name. Links to files count as what they lead to, as long as that is inside.
/// Links to folders are left out with a note, and so is what has no bytes to serve.
fn walk(
    root: &Path,
    folder: &Path,
    found: &mut Vec<Found>,
    findings: &mut Vec<String>,
) -> Result<(), IngestError> {
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).map_err(read_error(folder))? {
        entries.push(entry.map_err(read_error(folder))?.path());
    }
    entries.sort();
    for place in entries {
        let kind = fs::symlink_metadata(&place).map_err(read_error(&place))?.file_type();
        if kind.is_dir() {
            walk(root, &place, found, findings)?;
            continue;
        }
        let file = if kind.is_symlink() { inside(root, &place)? } else { place.clone() };
        let metadata = fs::metadata(&file).map_err(read_error(&file))?;
        let inside = place.strip_prefix(root).unwrap_or(&place);
        if metadata.is_dir() {
            // It could lead round in a circle.
            findings.push(format!("{} is a link to a folder and is left out", inside.display()));
            continue;
        }
        if !metadata.is_file() {
            let kind = special_kind(metadata.file_type());
            findings.push(format!("{} is {kind} and is left out", inside.display()));
            continue;
        }
        let path = slashed(inside).ok_or_else(|| IngestError::NotUtf8(place.clone()))?;
        found.push(Found { path, size: metadata.len(), allocated: allocated(&file, &metadata), place: file });
    }
    Ok(())
}

fn inside(root: &Path, link: &Path) -> Result<PathBuf, IngestError> {
    let target = link.canonicalize().map_err(|_| IngestError::Link(link.to_owned()))?;
    if target.starts_with(root) { Ok(target) } else { Err(IngestError::Link(link.to_owned())) }
}

/// Bytes of a text that a recogniser looks at.
const MAX_TEXT: u64 = 64 << 10;
