//! The images of the store: their catalogue, and the machines that run from them.

use super::*;

impl Images {
    /// The image of a package: of its name, of the label `package`, or taken from the content
    /// library under its id.
    pub(super) fn of_package(&self, package: &str) -> Option<String> {
        self.tree.load().packages.get(&package.to_ascii_lowercase()).cloned()
    }

    /// Reads the catalogue. Images of object storage come through a cache that keeps `cache_limit`
    /// bytes.
    pub fn open(store: Store, remote: Option<(Remote, u64)>) -> Result<Self, StoreError> {
        let cache =
            remote.map(|(remote, limit)| Arc::new(Cache::new(store.clone(), Arc::new(remote), limit)));
        let images = Images {
            tree: ArcSwap::from_pointee(Tree::default_of(&store)),
            others: Mutex::default(),
            readers: Readers::default(),
            pins: Pins::default(),
            running: Running::open(&store),
            suspects: Mutex::default(),
            verification: Arc::default(),
            store,
            cache,
        };
        images.read()?;
        Ok(images)
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Reads the catalogue again if it has changed. Gives whether it has.
    pub fn refresh(&self) -> bool {
        self.running.write(&self.store, Instant::now());
        if changed(&self.store) == self.tree.load().stamp {
            return false;
        }
        match self.read() {
            Ok(images) => {
                info!(images, "image catalogue read");
                true
            }
            Err(error) => {
                warn!(%error, "the image catalogue stays as it was");
                false
            }
        }
    }

    /// Replaces the list of the object storage's images; whether it has changed.
    pub fn replace_remote(&self, records: BTreeMap<String, ImageRecord>) -> bool {
        let mut others = self.others.lock();
        if *others == records {
            return false;
        }
        info!(images = records.len(), "images of the object storage read");
        *others = records;
        drop(others);
        match self.read() {
            Ok(_) => true,
            Err(error) => {
                warn!(%error, "the image catalogue stays as it was");
                false
            }
        }
    }

    /// Reads an image's blobs anew, and withdraws what is damaged.
    pub fn verify(&self, name: &str) -> Result<Scrubbed, StoreError> {
        let catalogue = self.store.catalogue()?;
        let image = catalogue.images.get(name).ok_or_else(|| StoreError::NoImage(name.to_owned()))?;
        self.store.verify(&image.current, &mut Quiet)
    }

    /// A client has all of what it asked for: it runs from the version that this was of, if it was
    /// of one.
    pub fn completed(&self, client: IpAddr, mac: Option<MacAddr>) {
        self.running.completed(client, mac, SystemTime::now());
    }

    /// Removes for good what operators removed and no machine runs from any more.
    pub fn collect_unused(&self) -> Result<(), StoreError> {
        if self.store.has_unused()? {
            let collected = self.store.write()?.collect()?;
            info!(blobs = collected.blobs, bytes = collected.bytes, "removed images collected");
        }
        Ok(())
    }

    /// Notes that a blob could not be read; gives whether that is new.
    pub fn suspect(&self, blob: Digest) -> bool {
        self.suspects.lock().insert(blob)
    }

    /// Reads a blob again and withdraws it when it is damaged: the next request gets it from the
    /// object storage, or is refused.
    pub fn examine(&self, blob: Digest) {
        match self.store.contains(&blob).then(|| self.store.examine(&blob, &mut Quiet)).transpose() {
            Ok(None) => {} // it has gone already
            Ok(Some(true)) => info!(%blob, "a blob that could not be read is whole"),
            Ok(Some(false)) => warn!(%blob, "a damaged blob is withdrawn"),
            Err(error) => warn!(%blob, %error, "a damaged blob cannot be withdrawn"),
        }
        self.suspects.lock().remove(&blob);
    }

    /// The digests of all blobs that are here, in their order.
    pub fn digests(&self) -> Result<Vec<Digest>, StoreError> {
        self.store.digests()
    }

    /// Reads a blob, and withdraws it when it is damaged. Gives whether it is whole; None when it
    /// has gone.
    pub fn scrub(&self, blob: &Digest, observer: &mut dyn Observer) -> Result<Option<bool>, StoreError> {
        match self.store.examine(blob, observer) {
            Ok(whole) => Ok(Some(whole)),
            // Collected since it was listed.
            Err(_) if !self.store.contains(blob) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An image of this store goes before one of the same name elsewhere. Gives how many there are.
    fn read(&self) -> Result<usize, StoreError> {
        let stamp = changed(&self.store);
        let mut catalogue = self.store.catalogue()?;
        for (name, record) in self.others.lock().iter() {
            catalogue.images.entry(name.clone()).or_insert_with(|| record.clone());
        }
        let images = ImageTree::with_cache(self.store.clone(), self.cache.clone(), &catalogue);
        let packages = packages(&catalogue);
        let count = catalogue.images.len();
        let catalogue = Arc::new(catalogue);
        self.tree.store(Arc::new(Tree { stamp, images, packages, catalogue }));
        Ok(count)
    }

    pub(super) fn announces(&self, path: &RequestedPath) -> bool {
        let tree = self.tree.load();
        let opens = |path: &BootPath| tree.images.open_announced(path).is_ok();
        opens(path.as_sent()) || path.cleaned().is_some_and(opens)
    }

    /// Opens a part of the file at `path`, whose name is `name` for readers.
    pub(super) fn open_part(
        &self,
        path: &BootPath,
        name: &str,
        client: IpAddr,
    ) -> Result<BootFile, OpenError> {
        let now = Instant::now();
        let held = self.readers.version(client, name, now);
        let (file, version) = self.tree.load().images.open_version(path, held)?;
        self.readers.reads(client, name, version, now);
        self.store.keep_open(&file);
        Ok(file)
    }

    pub(super) fn open_path(&self, path: &RequestedPath) -> Result<BootFile, OpenError> {
        let tree = self.tree.load();
        match (tree.images.open(path.as_sent()), path.cleaned()) {
            (Err(OpenError::NotFound), Some(cleaned)) => tree.images.open(cleaned),
            (result, _) => result,
        }
    }
}
