//! Collecting blobs that nothing needs any more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::{Catalogue, Store, StoreError, Writer, catalogue, foreign, io_error, sizes};
use crate::{Digest, ImageRecord, Retired};

/// The counts of one garbage collection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blobs that were removed.
    pub blobs: usize,
    /// Bytes of the removed blobs.
    pub bytes: u64,
    /// Blobs that an image still needs.
    pub kept: usize,
}

impl Store {
    /// The digests of all blobs, with their sizes in bytes.
    pub fn blobs(&self) -> Result<Vec<(Digest, u64)>, StoreError> {
        let blobs = self.root.join("blobs");
        let mut found = Vec::new();
        for folder in fs::read_dir(&blobs).map_err(io_error("list", &blobs))?.flatten() {
            let folder = folder.path();
            for entry in fs::read_dir(&folder).map_err(io_error("list", &folder))?.flatten() {
                let size = entry.metadata().map_err(io_error("read", &entry.path()))?.len();
                if let Some(digest) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
                    found.push((digest, size));
                }
            }
        }
        Ok(found)
    }
}

impl Writer {
    /// Removes every blob that no image and no lease leads to. A file that is open is served to its
    /// end all the same.
    ///
    /// When a manifest cannot be read nothing is removed: its blobs could not be told from the
    /// others.
    pub fn collect(self) -> Result<Collected, StoreError> {
        let store = self.store();
        let mut reachable = BTreeSet::new();
        let mut catalogue = store.catalogue()?;
        let leased = store.leased()?;
        for name in catalogue.unused(&leased) {
            catalogue::change(&store.root, &name, |_| Ok(None))?;
            catalogue.images.remove(&name);
        }
        let versions = catalogue.images.values().flat_map(|record| &record.versions);
        let roots: BTreeSet<Digest> = versions.map(|version| version.manifest).chain(leased).collect();
        for root in roots {
            reachable.insert(root);
            match store.manifest(&root) {
                Ok(manifest) => reachable.extend(manifest.files.iter().map(|file| file.digest)),
                // A lease may outlive what it leased.
                Err(_) if !store.contains(&root) => {}
                Err(error) => return Err(error),
            }
        }
        let mut collected = Collected::default();
        let mut sizes = BTreeMap::new();
        for (digest, size) in store.blobs()? {
            let cached = store.cached_path(&digest).exists();
            if reachable.contains(&digest) || cached {
                collected.kept += 1;
                if !cached {
                    *sizes.entry(size).or_default() += 1;
                }
                continue;
            }
            let path = store.blob_path(&digest);
            fs::remove_file(&path).map_err(io_error("remove", &path))?;
            collected.blobs += 1;
            collected.bytes += size;
        }
        for digest in store.foreign_digests()?.iter().filter(|digest| !reachable.contains(digest)) {
            foreign::forget(store, digest)?;
        }
        sizes::replace(store.root(), &sizes)?;
        Ok(collected)
    }

    /// Removes an image with all its versions, or one version. Its blobs stay until they are
    /// collected.
    pub fn remove(self, name: &str, version: Option<Digest>) -> Result<(), StoreError> {
        catalogue::change(&self.store().root, name, |record| {
            let mut record = record.ok_or_else(|| StoreError::NoImage(name.to_owned()))?;
            let Some(version) = version else { return Ok(None) };
            let before = record.versions.len();
            record.versions.retain(|known| known.manifest != version);
            if record.versions.len() == before {
                return Err(no_version(name, &version));
            }
            if record.current == version
                && let Some(last) = record.versions.last()
            {
                record.current = last.manifest;
            }
            Ok(Some(record).filter(|record| !record.versions.is_empty()))
        })?;
        match self.store().catalogue()?.images.get(name) {
            Some(record) if !record.is_removed() => Ok(()),
            _ => self.store().remove_media_variables(name),
        }
    }

    /// Stops announcing images; they stay readable by their names. Gives how many that changes.
    pub fn retire(self, names: &[String], at: u64, why: &str) -> Result<usize, StoreError> {
        let mut retired = 0;
        for name in names {
            if why == ImageRecord::REMOVED {
                self.store().remove_media_variables(name)?;
            }
            catalogue::change(&self.store().root, name, |record| {
                Ok(record.map(|mut record| {
                    if record.retired.is_none() {
                        record.retired = Some(Retired { at, why: why.to_owned() });
                        retired += 1;
                    }
                    record
                }))
            })?;
        }
        Ok(retired)
    }

    /// Makes a version the current one, and gives it labels.
    pub fn tag(
        self,
        name: &str,
        version: Option<Digest>,
        labels: &[(String, String)],
    ) -> Result<ImageRecord, StoreError> {
        let changed = catalogue::change(&self.store().root, name, |record| {
            let mut record = record.ok_or_else(|| StoreError::NoImage(name.to_owned()))?;
            let version = version.unwrap_or(record.current);
            let Some(known) = record.versions.iter_mut().find(|known| known.manifest == version) else {
                return Err(no_version(name, &version));
            };
            known.labels.extend(labels.iter().cloned());
            known.labels.retain(|_, value| !value.is_empty());
            record.current = version;
            Ok(Some(record))
        })?;
        changed.ok_or_else(|| StoreError::NoImage(name.to_owned()))
    }
}

impl Catalogue {
    /// The images that an operator removed and that no machine runs from any more.
    fn unused(&self, leased: &[Digest]) -> Vec<String> {
        let is_leased =
            |record: &ImageRecord| record.versions.iter().any(|version| leased.contains(&version.manifest));
        let unused = self.images.iter().filter(|(_, record)| record.is_removed() && !is_leased(record));
        unused.map(|(name, _)| name.clone()).collect()
    }
}

impl Store {
    /// Whether a collection would remove an image that an operator removed while machines ran from
    /// it.
    pub fn has_unused(&self) -> Result<bool, StoreError> {
        Ok(!self.catalogue()?.unused(&self.leased()?).is_empty())
    }
}

fn no_version(name: &str, version: &Digest) -> StoreError {
    StoreError::NoVersion { name: name.to_owned(), version: version.to_string() }
}
