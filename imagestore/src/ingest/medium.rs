//! An ISO: the whole of it, the files on it, and how PCs boot it.
//!
//! A file on the medium is a stretch of the ISO's own blob, not a copy. Copied out are the Windows
//! PE of Windows' media, which its reader wants as a file, and files that lie in several pieces.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use super::container::Inside;
use super::folder::{state, take_file};
use super::{IngestError, Recognition, Taken, boot_media, disk, read_error};
use crate::media::{Medium, MediumError, MediumFile};
use crate::recognise::{Contents, Recognised, WimHeader, editions, recognise, url_encoded};
use crate::store::{Observer, Writer};
use crate::{About, BootMethod, BootPath, FileEntry, ImageKind, WindowsFacts, WindowsRole};

pub(super) fn import(
    writer: &mut Writer,
    path: &Path,
    observer: &mut dyn Observer,
) -> Result<Taken, IngestError> {
    let file = File::open(path).map_err(read_error(path))?;
    let before = state(&file, path)?;
    if before.0 == 0 {
        return Err(IngestError::Empty(path.to_owned()));
    }
    let medium = match Medium::open(&file, before.0) {
        Ok(medium) => medium,
        // Volumes of Macs come under this name, too.
        Err(MediumError::Unknown) => return disk::import(writer, path, observer),
        Err(source) => return Err(IngestError::Medium { path: path.to_owned(), source }),
    };
    if boot_media::is_one(&medium) {
        let taken = boot_media::import(writer, &medium, path, observer)?;
        if state(&file, path)? != before {
            return Err(IngestError::Changed(path.to_owned()));
        }
        return Ok(taken);
    }
    let iso_name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let recognised = recognise(&medium, Some(&url_encoded(iso_name)));
    let is_windows = medium.find(BOOT_WIM).is_some();
    let ways = ways(&medium, recognised.as_ref(), is_windows);
    if ways.is_empty() {
        return Err(IngestError::NothingBoots { path: path.to_owned(), what: nothing(recognised.as_ref()) });
    }
    let Recognised { mut about, boot, packed_as, note, .. } = recognised.unwrap_or_default();
    if is_windows {
        let header = |path| WimHeader::open(&medium, medium.find(path)?);
        editions(&mut about, crate::recognise::INSTALLS.into_iter().find_map(header), header(BOOT_WIM));
    }
    about.ways = ways;

    let mut taken = take_file(writer, path, observer)?;
    let whole = taken.files.first().cloned().ok_or_else(|| IngestError::Empty(path.to_owned()))?;
    about.iso = Some(whole.path.clone());
    taken.findings = vec![finding_of(&about)];
    taken.findings.extend(note);
    taken.findings.extend(medium.left_out().iter().cloned());
    if is_windows {
        about.windows = take_windows_pe(writer, &medium, &mut taken, observer)?;
        if let (Some(facts), Some(role)) = (&mut about.windows, role(&medium)) {
            facts.role = role;
        }
    }
    take_tree(writer, &medium, &whole, &mut taken, observer)?;
    if let Some(name) = packed_as {
        taken.files.push(pack(writer, path, &file, whole.size, name, observer)?);
    }
    if state(&file, path)? != before {
        return Err(IngestError::Changed(path.to_owned()));
    }
    taken.kind = match (&boot, is_windows, &about.efi) {
        (_, true, _) => ImageKind::WinPe,
        (Some(_), ..) => ImageKind::Linux,
        (None, _, Some(_)) => ImageKind::Efi,
        (None, ..) => ImageKind::Raw,
    };
    Ok(Taken { found: Recognition { about: Some(about), boot, media: None }, ..taken })
}

/// The purpose that the medium gives its Windows PE.
fn role(medium: &Medium<'_>) -> Option<WindowsRole> {
    let installs = crate::recognise::INSTALLS.iter().any(|path| medium.find(path).is_some());
    installs.then_some(WindowsRole::Setup)
}

/// The ways in which PCs boot it.
fn ways(medium: &Medium<'_>, recognised: Option<&Recognised>, is_windows: bool) -> Vec<BootMethod> {
    let boots = medium.boots();
    let has_kernel = recognised.is_some_and(|found| found.boot.is_some());
    let is_program = recognised.is_some_and(|found| found.about.efi.is_some());
    // A system that goes on from the disc by drivers of its own does not find what `sanboot` lent.
    let goes_on = recognised.is_some_and(|found| found.needs_disc || (has_kernel && !is_program));
    let table = [
        (BootMethod::Kernel, has_kernel),
        (BootMethod::Wimboot, is_windows),
        (BootMethod::Uefi, is_program),
        (BootMethod::UefiHttpRamdisk, boots.uefi),
        (BootMethod::IpxeSanboot, boots.bios && !goes_on),
    ];
    table.into_iter().filter(|(_, is)| *is).map(|(way, _)| way).collect()
}

/// Why nothing boots it.
fn nothing(recognised: Option<&Recognised>) -> String {
    let what = match recognised {
        Some(found) => format!("it is {}, which boots from a drive only", found.about.title()),
        None => "no kernel that netbootd knows is on it".to_owned(),
    };
    format!("{what}, and it has no boot image (El Torito) for BIOS or UEFI")
}

pub(super) fn finding_of(about: &About) -> String {
    let title = about.title();
    let title = if title.is_empty() { "no distribution that netbootd knows" } else { &title };
    let ways = about.ways.iter().map(|way| way.as_str()).collect::<Vec<_>>().join(", ");
    let editions = match about.editions.as_slice() {
        [] | [_] => String::new(),
        editions => format!(" with {}", editions.join(", ")),
    };
    format!("{title}{editions}; boots by {ways}")
}

/// Every file on it that clients can ask for.
fn take_tree(
    writer: &mut Writer,
    medium: &Medium<'_>,
    whole: &FileEntry,
    taken: &mut Taken,
    observer: &mut dyn Observer,
) -> Result<(), IngestError> {
    let own: Vec<String> = taken.files.iter().map(|file| file.path.to_ascii_lowercase()).collect();
    for file in medium.files() {
        if own.contains(&file.path.to_ascii_lowercase()) {
            continue;
        }
        match BootPath::parse(file.path.as_bytes()) {
            Ok(path) if path.as_bytes() == file.path.as_bytes() => {}
            refused => {
                let why = refused.err().map(|error| format!(": {error}")).unwrap_or_default();
                taken.findings.push(format!("{} cannot be served and is left out{why}", file.path));
                continue;
            }
        }
        let entry = match file.begins() {
            Some(at) => {
                FileEntry { path: file.path.clone(), digest: whole.digest, size: file.size, at: Some(at) }
            }
            None => copy(writer, medium, file, observer)?,
        };
        taken.files.push(entry);
    }
    Ok(())
}

pub(super) fn copy(
    writer: &mut Writer,
    medium: &Medium<'_>,
    file: &MediumFile,
    observer: &mut dyn Observer,
) -> Result<FileEntry, IngestError> {
    observer.total(file.size);
    writer.reserve(file.size)?;
    observer.file(&file.path);
    let (digest, size) = writer.put(Path::new(&file.path), &mut medium.reader(file), observer)?;
    Ok(FileEntry::whole(file.path.clone(), digest, size))
}

/// Imports the Windows PE of `sources/boot.wim` as a file, with the boot files that PCs fetch
/// before it; returns its facts. Boot files that the WIM lacks may be on the medium.
pub(super) fn take_windows_pe(
    writer: &mut Writer,
    medium: &Medium<'_>,
    taken: &mut Taken,
    observer: &mut dyn Observer,
) -> Result<Option<WindowsFacts>, IngestError> {
    let Some(file) = medium.find(BOOT_WIM) else { return Ok(None) };
    let wim = copy(writer, medium, file, observer)?;
    let inside = Inside::open(&writer.place_of(&wim.digest))?;
    let pe = inside.take_windows_pe(writer, wim, observer)?;
    let on_medium = |finding: &String| {
        finding
            .split_once(" is missing")
            .is_some_and(|(name, _)| medium.find(&format!("boot/{name}")).is_some())
    };
    taken.findings.extend(pe.findings.into_iter().filter(|finding| !on_medium(finding)));
    taken.files.extend(pe.files);
    Ok(pe.found.about.and_then(|about| about.windows))
}

/// The whole ISO as a file of an initial RAM disk (cpio, "newc"), for the kernel to unpack.
fn pack(
    writer: &mut Writer,
    path: &Path,
    iso: &File,
    size: u64,
    name: &str,
    observer: &mut dyn Observer,
) -> Result<FileEntry, IngestError> {
    let length = u32::try_from(size).map_err(|_| IngestError::NothingBoots {
        path: path.to_owned(),
        what: "its installer wants the ISO in an initial RAM disk, which holds files of up to 4 GB".into(),
    })?;
    observer.total(size);
    writer.reserve(size)?;
    observer.file(crate::recognise::PACKED);
    let padding = vec![0; (4 - size % 4) as usize % 4];
    let end = [padding, cpio_header("TRAILER!!!", 0, 0)].concat();
    let whole = MediumFile::whole(size);
    let reader = Medium::reader_of(iso, &whole);
    let mut packed = Cursor::new(cpio_header(name, 0o100_644, length)).chain(reader).chain(Cursor::new(end));
    let (digest, size) = writer.put(Path::new(crate::recognise::PACKED), &mut packed, observer)?;
    Ok(FileEntry::whole(crate::recognise::PACKED, digest, size))
}

/// A header with its name, padded to four bytes.
fn cpio_header(name: &str, mode: u32, size: u32) -> Vec<u8> {
    let fields = [1, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name.len() as u32 + 1, 0];
    let mut header = b"070701".to_vec();
    header.extend(fields.iter().flat_map(|field| format!("{field:08X}").into_bytes()));
    header.extend(name.bytes());
    header.push(0);
    header.resize(header.len().next_multiple_of(4), 0);
    header
}

impl Contents for Medium<'_> {
    fn paths(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.files().iter().map(|file| file.path.as_str()))
    }

    fn text(&self, path: &str) -> Option<String> {
        Medium::text(self, path)
    }

    fn label(&self) -> &str {
        Medium::label(self)
    }
}

impl WimHeader {
    pub(super) fn open(medium: &Medium<'_>, file: &MediumFile) -> Option<Self> {
        WimHeader::read(file.size, |from, length| medium.read(file, from, length))
    }
}

const BOOT_WIM: &str = "sources/boot.wim";
