//! A Windows image: a NetBoot set that was packed into one on its way to a distribution point, or
//! Windows PE itself.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use super::folder::take_file;
use super::roles::{FONTS, ROLES, STL_2023, font_name};
use super::windows_facts;
use super::{IngestError, Recognition, Taken, check_names, read_error, stem};
use crate::store::{Observer, Prepared, StoreError, Writer};
use crate::wim::{Archive, ArchiveEntry, Wim, WimError, WimImage, Writing};
use crate::{Digest, FileEntry, ImageKind};

pub(super) fn import(
    writer: &mut Writer,
    path: &Path,
    observer: &mut dyn Observer,
) -> Result<Taken, IngestError> {
    let inside = Inside::open(path)?;
    match inside.kind(Proof::Boots) {
        Kind::NetbootSet => inside.take_netboot_set(writer, observer),
        Kind::WindowsPe => {
            let whole = take_file(writer, path, observer)?;
            let file = whole.files.into_iter().next().ok_or_else(|| IngestError::Empty(path.to_owned()))?;
            inside.take_windows_pe(writer, file, observer)
        }
        Kind::DiskImages => inside.take_disk_images(writer, observer),
        Kind::Windows(words) => {
            let taken = take_file(writer, path, observer)?;
            let finding = format!("{words} is not Windows PE: the file is served as it is");
            let about = inside.wim.images().first().map(|image| windows_facts::of_full(&inside.wim, image));
            let found = Recognition { about, boot: None, media: None };
            Ok(Taken { kind: ImageKind::Raw, findings: vec![finding], found, ..taken })
        }
        Kind::Other => Err(IngestError::NothingToBoot(path.to_owned())),
    }
}

/// The contents of a Windows image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A set of NetBoot files for Macs.
    NetbootSet,
    WindowsPe,
    /// Disk images: the system image that a Mac's task sequence applies.
    DiskImages,
    /// A Windows to install, in its own words.
    Windows(String),
    /// None of the kinds above.
    Other,
}

/// The evidence by which an image counts as Windows PE when it names no `INSTALLATIONTYPE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// Boot files, and nothing that only an installed Windows has: somebody said that it is a boot
    /// image.
    Boots,
    /// A program that only Windows PE has.
    Marked,
}

/// A Windows image file that is open.
pub(super) struct Inside {
    wim: Wim,
}

impl Inside {
    pub(super) fn open(path: &Path) -> Result<Self, IngestError> {
        // The reader's own words for a file that it may not open do not say that the permission is
        // missing.
        let file = fs::File::open(path).map_err(read_error(path))?;
        if file.metadata().map_err(read_error(path))?.len() == 0 {
            return Err(IngestError::Empty(path.to_owned()));
        }
        Ok(Inside { wim: Wim::open(path)? })
    }

    /// The contents of the Windows image, as far as `proof` shows.
    pub(super) fn kind(&self, proof: Proof) -> Kind {
        if self.wim.entries().iter().any(|entry| is_nbi_info(&entry.path)) {
            return Kind::NetbootSet;
        }
        if self.windows_pe(proof).is_some() {
            return Kind::WindowsPe;
        }
        if self.disk_images().next().is_some() {
            return Kind::DiskImages;
        }
        let full = self.wim.images().iter().find(|image| self.has_windows(image.index));
        match full {
            Some(image) => Kind::Windows(words_of(image)),
            None => Kind::Other,
        }
    }

    /// The image that boots: the one marked for it if that is Windows PE, else the first that is.
    fn windows_pe(&self, proof: Proof) -> Option<&WimImage> {
        let is_pe = |image: &&WimImage| match image.installation.as_deref() {
            Some(words) => words.eq_ignore_ascii_case("WindowsPE"),
            None if self.has(image.index, PE_MARKS) => true,
            None => {
                proof == Proof::Boots
                    && self.has_boot_files(image.index)
                    && !self.has(image.index, FULL_MARKS)
            }
        };
        let images = self.wim.images();
        images.iter().filter(|image| image.boot).find(is_pe).or_else(|| images.iter().find(is_pe))
    }

    fn has_boot_files(&self, image: u32) -> bool {
        let mut roles = ROLES.iter().filter(|role| role.name != "boot.sdi");
        roles.any(|role| self.has(image, role.inside))
    }

    fn has_windows(&self, image: u32) -> bool {
        self.has_boot_files(image) || self.has(image, FULL_MARKS)
    }

    fn has(&self, image: u32, paths: &[&str]) -> bool {
        let mut entries = self.wim.entries().iter().filter(|entry| entry.image == image && !entry.link);
        entries.any(|entry| paths.iter().any(|path| entry.path.eq_ignore_ascii_case(path)))
    }

    fn disk_images(&self) -> impl Iterator<Item = &ArchiveEntry> {
        let first = self.wim.images().first().map_or(1, |image| image.index);
        self.wim.entries().iter().filter(move |entry| {
            let name = entry.path.to_ascii_lowercase();
            entry.image == first && !entry.link && name.ends_with(".dmg")
        })
    }

    /// The disk images as files of the store.
    pub(super) fn take_disk_images(
        &self,
        writer: &mut Writer,
        observer: &mut dyn Observer,
    ) -> Result<Taken, IngestError> {
        let path = self.wim.path();
        let entries: Vec<&ArchiveEntry> = self.disk_images().collect();
        let place = |entry: &ArchiveEntry| entry.path.trim_start_matches('/').to_owned();
        let files = read(writer, &self.wim, entries, place, observer)?;
        Ok(Taken {
            name: stem(path),
            kind: ImageKind::Raw,
            files,
            findings: Vec::new(),
            found: Recognition::default(),
        })
    }

    /// The set's files, not the Windows image: nothing turns the one into the other.
    pub(super) fn take_netboot_set(
        &self,
        writer: &mut Writer,
        observer: &mut dyn Observer,
    ) -> Result<Taken, IngestError> {
        let (wim, path) = (&self.wim, self.wim.path());
        let info = wim.entries().iter().find(|entry| is_nbi_info(&entry.path));
        let info = info.ok_or_else(|| IngestError::NothingToBoot(path.to_owned()))?;
        let image = info.image;
        let (folder, _) = info.path.rsplit_once('/').unwrap_or_default();
        let inside = format!("{folder}/");
        let set =
            wim.entries().iter().filter(|entry| entry.image == image && entry.path.starts_with(&inside));
        let (links, files): (Vec<&ArchiveEntry>, Vec<&ArchiveEntry>) = set.partition(|entry| entry.link);
        let mut findings: Vec<String> =
            links.iter().map(|link| format!("{} is a link and is left out", link.path)).collect();
        for file in &files {
            let streams = file.streams.iter().map(|stream| &stream.name);
            findings.extend(streams.map(|name| format!("{}:{name} is a stream and is left out", file.path)));
        }
        let files = read(writer, wim, files, |entry| entry.path[inside.len()..].to_owned(), observer)?;
        let folder_name = folder.rsplit('/').next().unwrap_or_default().trim_end_matches(".nbi");
        let image_name =
            wim.images().iter().find(|known| known.index == image).map(|known| known.name.clone());
        let name = match (folder_name, image_name) {
            ("", Some(name)) if !name.is_empty() => name,
            ("", _) => stem(path),
            (name, _) => name.to_owned(),
        };
        Ok(Taken { name, kind: ImageKind::Nbi, files, findings, found: Recognition::default() })
    }

    /// The image as it is (`whole`), and beside it what a PC fetches before it.
    pub(super) fn take_windows_pe(
        &self,
        writer: &mut Writer,
        whole: FileEntry,
        observer: &mut dyn Observer,
    ) -> Result<Taken, IngestError> {
        let (wim, path) = (&self.wim, self.wim.path());
        let image = self.windows_pe(Proof::Boots);
        let image = image.ok_or_else(|| IngestError::NothingToBoot(path.to_owned()))?;
        let architecture = match image.architecture.as_deref() {
            Some("x86") => "x86",
            Some("ARM64" | "arm64") => "arm64",
            _ => "x64",
        };
        let find = |wanted: &str| {
            let mut entries = wim.entries().iter().filter(|entry| entry.image == image.index && !entry.link);
            entries.find(|entry| entry.path.eq_ignore_ascii_case(wanted))
        };
        let mut wanted: Vec<(&ArchiveEntry, String)> = Vec::new();
        let mut findings = Vec::new();
        for role in ROLES {
            match role.inside.iter().find_map(|inside| find(inside)) {
                Some(entry) if role.by_architecture => {
                    wanted.push((entry, format!("boot/{architecture}/{}", role.name)));
                }
                Some(entry) => wanted.push((entry, format!("boot/{}", role.name))),
                None => findings.push(format!("{} is missing: {}", role.name, role.needed_for)),
            }
        }
        if wanted.iter().all(|(_, at)| at == "boot/boot.sdi") {
            return Err(IngestError::NothingToBoot(path.to_owned()));
        }
        let (inside, at) = STL_2023;
        let list = inside.iter().find_map(|inside| find(inside));
        wanted.extend(list.map(|list| (list, at.to_owned())));
        for (inside, at) in FONTS {
            let name = |entry: &ArchiveEntry| {
                let (folder, name) = entry.path.split_at_checked(inside.len())?;
                (folder.eq_ignore_ascii_case(inside) && !entry.link).then(|| font_name(name))
            };
            let fonts = wim.entries().iter().filter(|entry| entry.image == image.index);
            wanted.extend(fonts.filter_map(|font| Some((font, format!("{at}{}", name(font)?)))));
        }
        let places: Vec<&ArchiveEntry> = wanted.iter().map(|(entry, _)| *entry).collect();
        let place = |entry: &ArchiveEntry| {
            wanted.iter().find(|(known, _)| *known == entry).map(|(_, at)| at.clone()).unwrap_or_default()
        };
        let mut files = read(writer, wim, places, place, observer)?;
        files.push(FileEntry { path: "sources/boot.wim".into(), ..whole });
        let about = windows_facts::about(wim, image, &mut findings)?;
        let found = Recognition { about: Some(about), boot: None, media: None };
        Ok(Taken { name: stem(path), kind: ImageKind::WinPe, files, findings, found })
    }
}

fn is_nbi_info(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.eq_ignore_ascii_case("NBImageInfo.plist"))
}

/// `Windows 11 Enterprise (Client)`.
fn words_of(image: &WimImage) -> String {
    let name = if image.name.is_empty() { "a Windows installation" } else { &image.name };
    match &image.installation {
        Some(installation) => format!("{name} ({installation})"),
        None => name.to_owned(),
    }
}

/// Takes files out, hashing them as they come.
fn read(
    writer: &mut Writer,
    wim: &Wim,
    mut entries: Vec<&ArchiveEntry>,
    place: impl Fn(&ArchiveEntry) -> String,
    observer: &mut dyn Observer,
) -> Result<Vec<FileEntry>, IngestError> {
    wim.check(&entries)?;
    let places: Vec<String> = entries.iter().map(|entry| place(entry)).collect();
    check_names(places.iter().map(String::as_str))?;
    let total = entries.iter().map(|entry| entry.size).sum();
    observer.total(total);
    writer.reserve(total)?;
    // In the order in which their bytes lie: a solid image is unpacked once, not once a file.
    entries.sort_by_key(|entry| entry.offset);
    let mut files = Vec::with_capacity(entries.len());
    // A few large files go straight to the disk; of many the reader would begin anew for each.
    let (large, entries): (Vec<&ArchiveEntry>, Vec<&ArchiveEntry>) =
        entries.into_iter().partition(|entry| entry.size >= LARGE);
    let (large, entries) =
        if large.len() <= MAX_LARGE { (large, entries) } else { (Vec::new(), [large, entries].concat()) };
    // The first of them comes while the small ones are taken in.
    let mut large = large.into_iter();
    let begun = large.next().map(|entry| begin(writer, wim, entry)).transpose()?;
    let mut refused: Option<StoreError> = None;
    let done = wim.read(&entries, &mut |entry: &ArchiveEntry, stream: &mut dyn Read| {
        let at = place(entry);
        observer.file(&at);
        match writer.put(Path::new(&entry.path), stream, observer) {
            Ok(taken) => {
                files.push(super::entry(at, taken));
                Ok(())
            }
            Err(error) => {
                refused = Some(error);
                Err(io::ErrorKind::Other.into())
            }
        }
    });
    match (done, refused) {
        (_, Some(error)) => return Err(error.into()),
        (Err(error), None) => return Err(error.into()),
        (Ok(()), None) => {}
    }
    let mut next = begun;
    while let Some((entry, prepared, writing)) = next {
        let at = place(entry);
        observer.file(&at);
        files.push(super::entry(at, end(writer, wim, entry, prepared, writing, observer)?));
        next = large.next().map(|entry| begin(writer, wim, entry)).transpose()?;
    }
    Ok(files)
}

/// A large file on its way from the image to the store.
type Begun<'a> = (&'a ArchiveEntry, Prepared, Writing<'a>);

fn begin<'a>(writer: &mut Writer, wim: &'a Wim, entry: &'a ArchiveEntry) -> Result<Begun<'a>, IngestError> {
    let prepared = writer.prepare()?;
    let file = prepared.file().map_err(read_error(wim.path()))?;
    Ok((entry, prepared, wim.start_writing(entry, file)?))
}

fn end(
    writer: &mut Writer,
    wim: &Wim,
    entry: &ArchiveEntry,
    prepared: Prepared,
    mut writing: Writing<'_>,
    observer: &mut dyn Observer,
) -> Result<(Digest, u64), IngestError> {
    let taken = writer.put_prepared(Path::new(&entry.path), prepared, || writing.has_ended(), observer)?;
    writing.finish()?;
    if taken.1 != entry.size {
        let (path, name) = (wim.path().to_owned(), entry.path.clone());
        return Err(WimError::Truncated { path, entry: name, have: taken.1, need: entry.size }.into());
    }
    Ok(taken)
}

/// Programs that only Windows PE has.
const PE_MARKS: &[&str] = &[
    "/Windows/System32/winpeshl.exe",
    "/Windows/System32/wpeinit.exe",
    "/Windows/System32/wpeutil.exe",
    "/Windows/System32/winpe.jpg",
];
/// Files of an installed Windows that Windows PE does not have.
const FULL_MARKS: &[&str] =
    &["/Windows/explorer.exe", "/Windows/System32/LogonUI.exe", "/Windows/System32/oobe/setup.exe"];
/// From here on a process of its own for a file costs nothing that shows, in bytes.
const LARGE: u64 = 8 << 20;
const MAX_LARGE: usize = 8;
