//! `netbootd image export`: an image's files in a folder. The files inside an ISO come with the
//! ISO.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use imagestore::{BootPath, Manifest, Observer, Store, StoreError};

use super::super::Failure;
use super::failure;
use super::interrupt::Interrupt;
use super::progress::Progress;

/// Writes the files. An export that fails removes its files again.
pub(super) fn export(store: &Store, manifest: &Manifest, folder: &Path) -> Result<(), Failure> {
    let mut progress = Progress::new("export");
    progress.total(manifest.size());
    let mut made = Vec::new();
    let written = write(store, manifest, folder, &mut progress, &mut made);
    progress.done();
    if written.is_err() {
        for path in made.iter().rev() {
            // A folder in which somebody else has put something stays.
            let _ = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
        }
    }
    match written {
        Err(_) if progress.is_cancelled() => {
            Err(Interrupt::ended(format!("what was written to {} is removed again", folder.display())))
        }
        written => written,
    }
}

fn write(
    store: &Store,
    manifest: &Manifest,
    folder: &Path,
    progress: &mut Progress,
    made: &mut Vec<PathBuf>,
) -> Result<(), Failure> {
    let cannot = |path: &Path, error: &dyn std::fmt::Display| {
        Failure::Unusable(format!("cannot write {}: {error}", path.display()))
    };
    make_folder(folder, made).map_err(|error| cannot(folder, &error))?;
    for file in manifest.files.iter().filter(|file| file.at.is_none()) {
        // Every path was checked when it came in, and is once more.
        BootPath::parse(file.path.as_bytes()).map_err(|error| cannot(folder, &error))?;
        let place = folder.join(&file.path);
        if let Some(parent) = place.parent() {
            make_folder(parent, made).map_err(|error| cannot(parent, &error))?;
        }
        let blob = store.blob(&file.digest).map_err(failure)?;
        if !place.exists() {
            made.push(place.clone());
        }
        let mut out = File::create(&place).map_err(|error| cannot(&place, &error))?;
        progress.file(&file.path);
        blob.copy_to_file(&mut out, progress).map_err(|error| match error {
            StoreError::Io { source, .. } => cannot(&place, &source),
            error => failure(error),
        })?;
    }
    Ok(())
}

/// Makes a folder and what is missing above it.
fn make_folder(folder: &Path, made: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if folder.is_dir() || folder.as_os_str().is_empty() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_folder(parent, made)?;
    }
    fs::create_dir(folder)?;
    made.push(folder.to_owned());
    Ok(())
}
