//! A content of ConfigMgr's content library: files that are served where they lie, and images inside Windows images.

use std::path::Path;

use super::{Import, Imported, IngestError, Taken, check_names, commit, container};
use crate::library::{Content, ContentLibrary};
use crate::store::{Observer, Store, Writer};
use crate::{FileEntry, ImageKind};

/// Takes in what a content has to boot; None when that is nothing. A NetBoot set that lies there as files is served in place.
pub fn import_content(
    store: &Store,
    library: &ContentLibrary,
    content: &Content,
    wanted: Import,
    observer: &mut dyn Observer,
) -> Result<Option<Imported>, IngestError> {
    let mut writer = store.write()?;
    let taken = match netboot_set(content) {
        Some(folder) => Some(take_set(&mut writer, library, content, &folder, observer)?),
        None => take_windows_image(&mut writer, library, content, observer)?,
    };
    let Some(mut taken) = taken else { return Ok(None) };
    taken.findings.extend(content.missing.iter().cloned());
    let source = Path::new("content library").join(&content.id);
    commit(writer, taken, wanted, &source, observer).map(Some)
}

/// The folder of a NetBoot set inside a content, with a slash behind it, or empty.
fn netboot_set(content: &Content) -> Option<String> {
    let info = content.files.iter().find(|file| {
        file.path.rsplit('/').next().is_some_and(|name| name.eq_ignore_ascii_case("NBImageInfo.plist"))
    })?;
    Some(info.path[..info.path.len() - "NBImageInfo.plist".len()].to_owned())
}

fn take_set(
    writer: &mut Writer,
    library: &ContentLibrary,
    content: &Content,
    folder: &str,
    observer: &mut dyn Observer,
) -> Result<Taken, IngestError> {
    let inside = content.files.iter().filter(|file| file.path.starts_with(folder));
    let files: Vec<FileEntry> =
        inside.map(|file| FileEntry { path: file.path[folder.len()..].to_owned(), ..file.clone() }).collect();
    check_names(files.iter().map(|file| file.path.as_str()))?;
    observer.total(files.iter().map(|file| file.size).sum());
    for file in &files {
        observer.file(&file.path);
        adopt(writer, library, file, observer)?;
    }
    let folder = folder.trim_end_matches('/');
    let name = match folder.rsplit('/').next().unwrap_or_default().trim_end_matches(".nbi") {
        "" => content.id.clone(),
        name => name.to_owned(),
    };
    Ok(Taken { name, kind: ImageKind::Nbi, files, findings: Vec::new() })
}

/// The first Windows image that has something to boot.
fn take_windows_image(
    writer: &mut Writer,
    library: &ContentLibrary,
    content: &Content,
    observer: &mut dyn Observer,
) -> Result<Option<Taken>, IngestError> {
    for file in content.files.iter().filter(|file| file.path.to_ascii_lowercase().ends_with(".wim")) {
        let Some(place) = library.locate(&file.digest) else { continue };
        let whole = |writer: &mut Writer, observer: &mut dyn Observer| {
            adopt(writer, library, file, observer)?;
            Ok(FileEntry { path: "sources/boot.wim".into(), ..file.clone() })
        };
        match container::take_from(writer, &place, whole, observer) {
            Ok(taken) => {
                let file_name = file.path.rsplit('/').next().unwrap_or(&file.path);
                let name = match taken.kind {
                    ImageKind::Nbi if !taken.name.eq_ignore_ascii_case(&file.digest.to_string()) => {
                        taken.name
                    }
                    _ => file_name[..file_name.len() - ".wim".len()].to_owned(),
                };
                return Ok(Some(Taken { name, ..taken }));
            }
            Err(IngestError::NothingToBoot(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn adopt(
    writer: &mut Writer,
    library: &ContentLibrary,
    file: &FileEntry,
    observer: &mut dyn Observer,
) -> Result<(), IngestError> {
    let gone = || crate::StoreError::Blob { digest: file.digest, what: "on no drive of the content library" };
    let place = library.locate(&file.digest).ok_or_else(gone)?;
    writer.adopt(&file.digest, &place, observer)?;
    Ok(())
}
