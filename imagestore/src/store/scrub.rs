//! Reading blobs again, to find those that are not what their names say.

use std::fs::{self, File};
use std::path::Path;

use super::copying::digest_of;
use super::{Observer, Store, StoreError, Version, foreign, io_error};
use crate::Digest;
use crate::library::ContentId;

/// The counts of one scrub.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// Blobs that were read.
    pub blobs: usize,
    /// Bytes of the blobs that were read.
    pub bytes: u64,
    /// Those that are not what their names say, or cannot be read. They are in quarantine now.
    pub bad: Vec<Digest>,
    /// Those that images need and that are not there.
    pub missing: Vec<Digest>,
    /// Whether the observer ended it before everything was read.
    pub cancelled: bool,
}

impl Store {
    /// Reads every blob. Bad ones are moved away, so nothing serves them, and come back with the
    /// next ingest of their image.
    pub fn scrub(&self, observer: &mut dyn Observer) -> Result<Scrubbed, StoreError> {
        let blobs = self.blobs()?;
        observer.total(blobs.iter().map(|(_, size)| size).sum());
        let mut scrubbed = Scrubbed::default();
        for (digest, size) in blobs {
            observer.file(&digest.to_string());
            let Some(whole) = self.is_whole(&digest, observer)? else { return Ok(scrubbed.cancelled()) };
            scrubbed.blobs += 1;
            scrubbed.bytes += size;
            if !whole {
                self.withdraw(&digest)?;
                scrubbed.bad.push(digest);
            }
        }
        for digest in self.foreign_digests()? {
            observer.file(&digest.to_string());
            scrubbed.blobs += 1;
            if !self.contains(&digest) {
                continue;
            }
            let Some(whole) = self.is_whole(&digest, observer)? else { return Ok(scrubbed.cancelled()) };
            if !whole {
                self.withdraw(&digest)?;
                scrubbed.bad.push(digest);
            }
        }
        scrubbed.missing = self.missing()?;
        Ok(scrubbed)
    }

    /// Reads the blobs of one version.
    pub fn verify(&self, version: &Digest, observer: &mut dyn Observer) -> Result<Scrubbed, StoreError> {
        let manifest = self.manifest(version)?;
        observer.total(manifest.size());
        let mut scrubbed = Scrubbed::default();
        for file in manifest.files.iter().filter(|file| file.at.is_none()) {
            observer.file(&file.path);
            if !self.contains(&file.digest) {
                scrubbed.missing.push(file.digest);
                continue;
            }
            let whole = self.is_whole(&file.digest, observer)?;
            let Some(whole) = whole else { return Ok(scrubbed.cancelled()) };
            scrubbed.blobs += 1;
            scrubbed.bytes += file.size;
            if !whole {
                self.withdraw(&file.digest)?;
                scrubbed.bad.push(file.digest);
            }
        }
        Ok(scrubbed)
    }

    /// The digests of everything that is here, those of files that are served in place too, in
    /// their order.
    pub fn digests(&self) -> Result<Vec<Digest>, StoreError> {
        let mut digests: Vec<Digest> = self.blobs()?.into_iter().map(|(digest, _)| digest).collect();
        digests.extend(self.foreign_digests()?);
        digests.sort_unstable();
        digests.dedup();
        Ok(digests)
    }

    /// Reads one blob, and moves it away when it is bad. Gives whether it is whole.
    pub fn examine(&self, digest: &Digest, observer: &mut dyn Observer) -> Result<bool, StoreError> {
        let whole = self.is_whole(digest, observer)?.ok_or(StoreError::Cancelled)?;
        if !whole {
            self.withdraw(digest)?;
        }
        Ok(whole)
    }

    /// Moves a bad blob away. Nothing is announced that needs it from then on.
    pub fn withdraw(&self, digest: &Digest) -> Result<(), StoreError> {
        if !self.blob_path(digest).exists() {
            return foreign::forget(self, digest);
        }
        let (from, to) = (self.blob_path(digest), self.root.join("quarantine").join(digest.to_string()));
        fs::rename(&from, &to).map_err(io_error("move", &from))
    }

    /// The blobs that images need and that are not there.
    fn missing(&self) -> Result<Vec<Digest>, StoreError> {
        let mut missing = Vec::new();
        // Files that a site removed from its content library are gone on purpose.
        let catalogue = self.catalogue()?;
        for record in catalogue.images.values().filter(|record| record.retired.is_none()) {
            let is_replaced = |version: &&Version| {
                version.manifest != record.current && ContentId::of_source(&version.source).is_some()
            };
            for version in record.versions.iter().filter(|version| !is_replaced(version)) {
                match self.manifest(&version.manifest) {
                    Ok(manifest) => {
                        let files = manifest.files.iter().map(|file| file.digest);
                        missing.extend(files.filter(|digest| !self.contains(digest)));
                    }
                    Err(_) => missing.push(version.manifest),
                }
            }
        }
        missing.sort();
        missing.dedup();
        Ok(missing)
    }

    /// Whether a blob's bytes have its digest; None when the observer ended it before. A read error
    /// means that they have not.
    fn is_whole(&self, digest: &Digest, observer: &mut dyn Observer) -> Result<Option<bool>, StoreError> {
        let path = self.blob_path(digest);
        if !path.exists() {
            let read = self.blob(digest).ok().and_then(|blob| blob.digest(observer).ok());
            return Ok((!observer.is_cancelled()).then_some(read == Some(*digest)));
        }
        let mut file = File::open(&path).map_err(io_error("open", &path))?;
        match digest_of(Path::new(&path), &mut file, observer) {
            Err(StoreError::Cancelled) => Ok(None),
            read => Ok(Some(read.is_ok_and(|(found, _)| found == *digest))),
        }
    }
}

impl Scrubbed {
    fn cancelled(self) -> Self {
        Scrubbed { cancelled: true, ..self }
    }
}
