//! A content of ConfigMgr's content library: files that are served where they lie, and images
//! inside Windows images.

use std::path::Path;

use super::container::{Inside, Kind, Proof};
use super::{Import, Imported, IngestError, PackageUse, Recognition, Taken, check_names, commit};
use crate::library::{Content, ContentId, ContentLibrary, source_of};
use crate::store::{Observer, Store, Writer};
use crate::{Catalogue, FileEntry, ImageKind};

/// Imports the images of a content; None when it has nothing to boot or to offer. Its plain files
/// are served in place.
pub fn import_content(
    store: &Store,
    library: &ContentLibrary,
    content: &Content,
    mut wanted: Import,
    observer: &mut dyn Observer,
) -> Result<Option<Imported>, IngestError> {
    let mut writer = store.write()?;
    let from = From { library, content, id: ContentId::parse(&content.id), package: wanted.package };
    let taken = match netboot_set(content) {
        Some(folder) => Some(from.take_set(&mut writer, &folder, observer)?),
        None => from.take_images(&mut writer, observer)?,
    };
    let Some(mut taken) = taken else { return Ok(None) };
    taken.findings.extend(content.missing.iter().cloned());
    if wanted.name.is_none() {
        wanted.name = Some(free_name(&store.catalogue()?, taken.name.clone(), &from.id.package));
    }
    let source = source_of(&from.id);
    commit(writer, taken, wanted, Path::new(&source), observer).map(Some)
}

/// Whether a content may hold something to boot or to offer, by the paths of its files alone.
pub fn may_hold<'a>(mut paths: impl Iterator<Item = &'a str>, package: PackageUse) -> bool {
    package == PackageUse::BootImage || paths.any(|path| is_info(path) || is_offered(path))
}

/// The name of an image, with the package's id behind it where the name alone is another's already.
fn free_name(catalogue: &Catalogue, name: String, package: &str) -> String {
    let named = |wanted: &str| {
        let mut images = catalogue.images.iter();
        images.find(|(name, _)| name.eq_ignore_ascii_case(wanted))
    };
    let is_ours = |record: &crate::ImageRecord| {
        let source = record.current().and_then(|version| ContentId::of_source(&version.source));
        source.is_some_and(|id| id.package == package)
    };
    let qualified = format!("{name}.{package}");
    if let Some((known, _)) = named(&qualified).filter(|(_, record)| is_ours(record)) {
        return known.clone();
    }
    match named(&name) {
        None => name,
        Some((known, record)) if is_ours(record) || record.retired.is_some() => known.clone(),
        Some(_) => qualified,
    }
}

/// The folder of a NetBoot set inside a content, with a slash behind it, or empty.
fn netboot_set(content: &Content) -> Option<String> {
    let info = content.files.iter().find(|file| is_info(&file.path))?;
    Some(info.path[..info.path.len() - INFO.len()].to_owned())
}

fn is_info(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.eq_ignore_ascii_case(INFO))
}

fn is_offered(path: &str) -> bool {
    let extension =
        path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, extension)| extension);
    extension.is_some_and(|extension| OFFERED.iter().any(|known| known.eq_ignore_ascii_case(extension)))
}

fn is_windows_image(file: &FileEntry) -> bool {
    file.path.to_ascii_lowercase().ends_with(".wim")
}

/// A content that is being taken in.
struct From<'a> {
    library: &'a ContentLibrary,
    content: &'a Content,
    id: ContentId,
    package: PackageUse,
}

impl From<'_> {
    fn take_set(
        &self,
        writer: &mut Writer,
        folder: &str,
        observer: &mut dyn Observer,
    ) -> Result<Taken, IngestError> {
        let inside = self.content.files.iter().filter(|file| file.path.starts_with(folder));
        let files =
            inside.map(|file| FileEntry { path: file.path[folder.len()..].to_owned(), ..file.clone() });
        let files = self.adopt_all(writer, files.collect(), observer)?;
        let folder = folder.trim_end_matches('/');
        let name = match folder.rsplit('/').next().unwrap_or_default().trim_end_matches(".nbi") {
            "" => self.content.id.clone(),
            name => name.to_owned(),
        };
        Ok(Taken { name, kind: ImageKind::Nbi, files, findings: Vec::new(), found: Recognition::default() })
    }

    /// The first Windows image that has something to boot; else the files that the package offers.
    fn take_images(
        &self,
        writer: &mut Writer,
        observer: &mut dyn Observer,
    ) -> Result<Option<Taken>, IngestError> {
        let mut offered = Vec::new();
        let mut findings = Vec::new();
        for file in &self.content.files {
            if !is_windows_image(file) {
                if self.package == PackageUse::BootImage || is_offered(&file.path) {
                    offered.push(Offered::AsItIs(file.clone()));
                }
                continue;
            }
            let Some(place) = self.library.locate(&file.digest) else { continue };
            let inside = Inside::open(&place)?;
            let proof = if self.package == PackageUse::BootImage { Proof::Boots } else { Proof::Marked };
            match inside.kind(proof) {
                Kind::NetbootSet => {
                    let taken = inside.take_netboot_set(writer, observer)?;
                    let nameless = taken.name.eq_ignore_ascii_case(&file.digest.to_string());
                    let name = if nameless { stem(file) } else { taken.name };
                    return Ok(Some(Taken { name, ..taken }));
                }
                Kind::WindowsPe if self.package != PackageUse::Files => {
                    self.adopt(writer, file, observer)?;
                    let mut taken = inside.take_windows_pe(writer, file.clone(), observer)?;
                    taken.files.push(FileEntry { path: file_name(file).to_owned(), ..file.clone() });
                    return Ok(Some(Taken { name: stem(file), ..taken }));
                }
                Kind::DiskImages => offered.push(Offered::Inside(inside)),
                Kind::Windows(words) => {
                    findings.push(format!("{words} is not Windows PE: {} is served as it is", file.path));
                    offered.push(Offered::AsItIs(file.clone()));
                }
                Kind::WindowsPe | Kind::Other => offered.push(Offered::AsItIs(file.clone())),
            }
        }
        if offered.is_empty() {
            return Ok(None);
        }
        let mut files = Vec::new();
        let mut as_they_are = Vec::new();
        for one in offered {
            match one {
                Offered::AsItIs(file) => as_they_are.push(file),
                Offered::Inside(inside) => files.extend(inside.take_disk_images(writer, observer)?.files),
            }
        }
        files.extend(self.adopt_all(writer, as_they_are, observer)?);
        check_names(files.iter().map(|file| file.path.as_str()))?;
        Ok(Some(Taken {
            name: self.id.package.clone(),
            kind: ImageKind::Raw,
            files,
            findings,
            found: Recognition::default(),
        }))
    }

    fn adopt_all(
        &self,
        writer: &mut Writer,
        files: Vec<FileEntry>,
        observer: &mut dyn Observer,
    ) -> Result<Vec<FileEntry>, IngestError> {
        check_names(files.iter().map(|file| file.path.as_str()))?;
        observer.total(files.iter().map(|file| file.size).sum());
        for file in &files {
            observer.file(&file.path);
            self.adopt(writer, file, observer)?;
        }
        Ok(files)
    }

    fn adopt(
        &self,
        writer: &mut Writer,
        file: &FileEntry,
        observer: &mut dyn Observer,
    ) -> Result<(), IngestError> {
        let gone =
            || crate::StoreError::Blob { digest: file.digest, what: "on no drive of the content library" };
        let place = self.library.locate(&file.digest).ok_or_else(gone)?;
        writer.adopt(&file.digest, &place, observer)?;
        Ok(())
    }
}

/// An image in a package.
enum Offered {
    /// A file of the library.
    AsItIs(FileEntry),
    /// The disk images in a Windows image.
    Inside(Inside),
}

fn file_name(file: &FileEntry) -> &str {
    file.path.rsplit('/').next().unwrap_or(&file.path)
}

fn stem(file: &FileEntry) -> String {
    let name = file_name(file);
    name[..name.len() - ".wim".len()].to_owned()
}

const INFO: &str = "NBImageInfo.plist";
/// Files that are offered without anybody's word: disk images, and what machines boot.
const OFFERED: &[&str] =
    &["dmg", "iso", "img", "wim", "esd", "swm", "vhd", "vhdx", "ffu", "sparseimage", "efi"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Digest, ImageRecord, Retired, Version};

    fn record(source: &str) -> ImageRecord {
        let version = Version {
            manifest: Digest::compute(source.as_bytes()),
            kind: ImageKind::Nbi,
            files: 1,
            size: 1,
            labels: Default::default(),
            source: source.into(),
            at: 0,
            about: None,
        };
        ImageRecord { versions: vec![version.clone()], ..ImageRecord::new(version.manifest) }
    }

    #[test]
    fn a_name_that_is_anothers_gets_the_package_behind_it_and_keeps_it() {
        let mut catalogue = Catalogue::default();
        let mut free = |name: &str, package: &str, kept: Option<ImageRecord>| {
            let found = free_name(&catalogue, name.into(), package);
            kept.map(|record| catalogue.images.insert(found.clone(), record));
            found
        };
        assert_eq!(free("NetBoot", "PS100005", Some(record("content library/PS100005.1"))), "NetBoot");
        assert_eq!(
            free("netboot", "PS100006", Some(record("content library/PS100006.4"))),
            "netboot.PS100006"
        );
        assert_eq!(free("NetBoot", "PS100005", None), "NetBoot");
        assert_eq!(free("NetBoot", "PS100006", None), "netboot.PS100006");
        let gone = Retired { at: 0, why: "removed".into() };
        free(
            "Old",
            "PS100007",
            Some(ImageRecord { retired: Some(gone), ..record("content library\\PS100007.1") }),
        );
        assert_eq!(free("Old", "PS100008", None), "Old", "the name of a retired image is free");
        free("Mine", "", Some(record("/srv/incoming/Mine.nbi")));
        assert_eq!(free("Mine", "PS100009", None), "Mine.PS100009", "an operator's image is not replaced");
    }

    #[test]
    fn ordinary_packages_are_told_by_their_paths() {
        let holds = |path: &str, package| may_hold([path].into_iter(), package);
        assert!(holds("a/NBImageInfo.PLIST", PackageUse::Unknown));
        assert!(holds("images/install.WIM", PackageUse::Unknown));
        assert!(holds("Mac.dmg", PackageUse::Files));
        assert!(!holds("setup.exe", PackageUse::Unknown));
        assert!(!holds("dmg", PackageUse::Unknown));
        assert!(holds("setup.exe", PackageUse::BootImage));
    }
}
