//! Every file that clients may have: the boot tree's, then the images of the store.

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use imagestore::{BootFile, BootPath, BootTree, ImageKind, ImageTree, OpenError, Store, StoreError};
use tracing::{info, warn};

/// Every file that clients may have.
#[derive(Debug, Clone)]
pub struct Files {
    tree: Arc<BootTree>,
    images: Option<Arc<Images>>,
}

/// The store's images, as the catalogue last said.
#[derive(Debug)]
pub struct Images {
    store: Store,
    tree: ArcSwap<(Option<SystemTime>, ImageTree)>,
}

impl Files {
    /// Of folders and, when there is a store, its images.
    pub fn new(tree: BootTree, images: Option<Arc<Images>>) -> Self {
        Files { tree: Arc::new(tree), images }
    }

    /// Opens a path as a client sent it. A file in a folder goes before one of an image.
    pub fn open_raw(&self, raw: &[u8]) -> Result<BootFile, OpenError> {
        match (self.tree.open_raw(raw), &self.images) {
            (Err(OpenError::NotFound), Some(images)) => images.open_raw(raw),
            (result, _) => result,
        }
    }

    /// The names of the store's images of one kind.
    pub fn image_names(&self, kind: ImageKind) -> Vec<String> {
        let Some(images) = &self.images else { return Vec::new() };
        let tree = images.tree.load();
        tree.1.images().iter().filter(|(_, known)| *known == kind).map(|(name, _)| name.clone()).collect()
    }
}

impl Images {
    /// Reads the catalogue.
    pub fn open(store: Store) -> Result<Self, StoreError> {
        let tree = (changed(&store), ImageTree::new(store.clone(), &store.catalogue()?));
        Ok(Images { store, tree: ArcSwap::from_pointee(tree) })
    }

    /// Reads the catalogue again if it has changed. Gives whether it has.
    pub fn refresh(&self) -> bool {
        let now = changed(&self.store);
        if now == self.tree.load().0 {
            return false;
        }
        match self.store.catalogue() {
            Ok(catalogue) => {
                info!(images = catalogue.images.len(), "image catalogue read");
                self.tree.store(Arc::new((now, ImageTree::new(self.store.clone(), &catalogue))));
                true
            }
            Err(error) => {
                warn!(%error, "the image catalogue stays as it was");
                false
            }
        }
    }

    fn open_raw(&self, raw: &[u8]) -> Result<BootFile, OpenError> {
        let tree = self.tree.load();
        match (tree.1.open(&BootPath::parse(raw)?), BootPath::without_trailing_rubbish(raw)) {
            (Err(OpenError::NotFound), Some(cleaned)) => tree.1.open(&cleaned),
            (result, _) => result,
        }
    }
}

fn changed(store: &Store) -> Option<SystemTime> {
    store.root().join("catalogue.redb").metadata().and_then(|metadata| metadata.modified()).ok()
}
