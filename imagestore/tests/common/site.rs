//! A store, and a folder with what is imported into it.

use std::fs;
use std::path::PathBuf;

use imagestore::ingest::{Import, Imported, IngestError, import};
use imagestore::{Manifest, Quiet, Store, StoreLimits};

pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Store,
}

impl Site {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store"), StoreLimits::default()).unwrap();
        Site { folder, store }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn import(&self, name: &str) -> Result<Imported, IngestError> {
        import(&self.store, &self.path(name), Import::default(), &mut Quiet)
    }

    pub(crate) fn manifest(&self, imported: &Imported) -> Manifest {
        self.store.manifest(&imported.record.current).unwrap()
    }

    /// Nothing half-visible: no image, no leftover.
    pub(crate) fn is_untouched(&self) -> bool {
        self.store.catalogue().unwrap().images.is_empty()
            && self.store.blobs().unwrap().is_empty()
            && fs::read_dir(self.store.root().join("incoming")).unwrap().count() == 0
    }

    /// Imports each of these in vain: the error holds the words beside it, and nothing stays.
    pub(crate) fn refuses(&self, table: &[(&str, &str)]) {
        for (name, part) in table {
            let error = self.import(name).unwrap_err().to_string();
            assert!(error.contains(part), "{name}: {error}");
            assert!(self.is_untouched(), "{name}");
        }
    }
}
