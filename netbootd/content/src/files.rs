//! Every file that clients may have: the boot tree's, then the images of the store.

mod images;
mod pins;
mod recent;
mod running;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use imagestore::library::ContentId;
use imagestore::{
    About, BootEntry, BootFile, BootPath, BootTree, Cache, Catalogue, Digest, ImageKind, ImageRecord,
    ImageTree, Observer, OpenError, Quiet, RequestedPath, Scrubbed, Store, StoreError,
};
use parking_lot::Mutex;
use pxe_policy::{KernelBoot, MacAddr, Signers};
use serde::Serialize;
use tracing::{info, warn};

use crate::readers::Readers;
use crate::remote::Remote;
use crate::secure_boot;
use crate::winpe;
use pins::Pins;
use recent::Recent;
use running::Running;

/// Every file that clients may have.
#[derive(Debug, Clone)]
pub struct Files {
    tree: Arc<BootTree>,
    images: Option<Arc<Images>>,
    /// Whether a path is there.
    existence_cache: Arc<Recent<bool>>,
    /// The nearest name of a path that is not there.
    nearest: Arc<Recent<Option<String>>>,
    /// The signers of boot programs.
    signers: Arc<Recent<Option<Signers>>>,
}

/// The store's images, as the catalogue last said.
#[derive(Debug)]
pub struct Images {
    store: Store,
    cache: Option<Arc<Cache>>,
    others: Mutex<BTreeMap<String, ImageRecord>>,
    tree: ArcSwap<Tree>,
    readers: Readers,
    pins: Pins,
    running: Running,
    /// Blobs that could not be read to their end, and wait for a closer look.
    suspects: Mutex<HashSet<Digest>>,
    /// Held while blobs are read again, one reader at a time.
    pub verification: Arc<tokio::sync::Mutex<()>>,
}

/// An image of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageView {
    /// The image's name in the store.
    pub name: String,
    /// The kind of the image.
    pub kind: String,
}

#[derive(Debug)]
struct Tree {
    stamp: Stamp,
    images: ImageTree,
    packages: HashMap<String, String>,
    catalogue: Arc<Catalogue>,
}

type Stamp = [Option<SystemTime>; 3];

impl Tree {
    fn default_of(store: &Store) -> Self {
        let images = ImageTree::new(store.clone(), &Catalogue::default());
        Tree { stamp: Stamp::default(), images, packages: HashMap::new(), catalogue: Arc::default() }
    }

    /// The labels of an image's served version.
    fn labels(&self, image: &str) -> Option<&BTreeMap<String, String>> {
        Some(&self.catalogue.images.get(image)?.current()?.labels)
    }
}

impl Files {
    /// Of folders and, when there is a store, its images.
    pub fn new(tree: BootTree, images: Option<Arc<Images>>) -> Self {
        Files {
            tree: Arc::new(tree),
            images,
            existence_cache: Arc::new(Recent::new(EXISTENCE_COUNTS_FOR, MAX_EXISTENCES)),
            nearest: Arc::new(Recent::new(NEAREST_COUNTS_FOR, MAX_PATHS)),
            signers: Arc::new(Recent::new(SIGNERS_COUNT_FOR, MAX_PATHS)),
        }
    }

    /// Whether machines may be sent to a path: now, or as was seen a moment ago. Images that their
    /// source took back do not count.
    pub fn has(&self, path: &str) -> bool {
        let announced = |path: &str| {
            let Ok(path) = RequestedPath::parse(path.as_bytes()) else { return false };
            match (self.tree.open_requested(&path), &self.images) {
                (Err(OpenError::NotFound), Some(images)) => images.announces(&path),
                (result, _) => result.is_ok(),
            }
        };
        let look = || {
            announced(path)
                || winpe::other_architecture(path).is_some_and(|other| announced(&other))
                || self.boot_program(path).is_some()
        };
        self.existence_cache.or_look(path, Instant::now(), look)
    }

    /// The authorities behind the signatures of a boot program, as was seen a moment ago; None for
    /// what is not signed, and for what still comes from elsewhere.
    pub fn signers(&self, path: &str) -> Option<Signers> {
        self.signers.or_look(path, Instant::now(), || {
            let file = self.open_raw(path.as_bytes()).ok().filter(|file| !file.may_wait())?;
            secure_boot::signers_of(&file)
        })
    }

    /// The path there that is most like one that is not, as was seen a moment ago.
    pub fn nearest(&self, raw: &str) -> Option<String> {
        self.nearest.or_look(raw, Instant::now(), || {
            let path = BootPath::parse(raw.as_bytes()).ok()?;
            let of_images = || self.images.as_ref()?.tree.load().images.nearest(&path);
            self.tree.nearest(&path).or_else(of_images)
        })
    }

    /// Opens a path as a client sent it. A file in a folder goes before one of an image.
    pub fn open(&self, path: &RequestedPath) -> Result<BootFile, OpenError> {
        match (self.tree.open_requested(path), &self.images) {
            (Err(OpenError::NotFound), Some(images)) => images.open_path(path),
            (result, _) => result,
        }
    }

    /// Opens a path that no request names: of a template, an image or the configuration.
    pub fn open_raw(&self, raw: &[u8]) -> Result<BootFile, OpenError> {
        self.open(&RequestedPath::parse(raw)?)
    }

    /// Opens a part of a file: of the version that this client reads already.
    pub fn open_part(&self, path: &RequestedPath, client: IpAddr) -> Result<BootFile, OpenError> {
        let Some(images) = &self.images else { return self.tree.open_requested(path) };
        let current = match self.tree.open_requested(path) {
            Ok(file) => Some(file),
            Err(OpenError::NotFound) => None,
            Err(error) => return Err(error),
        };
        let name = path.as_sent().to_string();
        let pinned = images.pins.choose(client, &name, current, Instant::now());
        pinned.unwrap_or_else(|| images.open_part(path.as_sent(), &name, client))
    }

    /// A file for every machine that an image of Windows PE holds, by the path that WDS serves it
    /// at: `boot/x86/wdsnbp.com`. Of several images the first by name that has it.
    pub fn boot_program(&self, path: &str) -> Option<BootFile> {
        if !winpe::is_program_at_root(path) {
            return None;
        }
        let path = path.trim_start_matches('/');
        let names = self.image_names(ImageKind::WinPe);
        let mut paths = std::iter::once(path.to_owned()).chain(winpe::other_architecture(path));
        paths.find_map(|path| {
            names.iter().find_map(|name| self.open_raw(format!("{name}/{path}").as_bytes()).ok())
        })
    }

    /// Opens a file of a folder that is spelled as there, if that needs no waiting for the disk.
    pub fn open_at_once(&self, path: &BootPath) -> Option<BootFile> {
        self.tree.open_at_once(path)
    }

    /// The same for a part of it. None too when this client cannot go on with the version that it
    /// reads.
    pub fn open_part_at_once(&self, path: &BootPath, client: IpAddr) -> Option<BootFile> {
        let file = self.tree.open_at_once(path)?;
        let Some(images) = &self.images else { return Some(file) };
        images.pins.choose(client, &path.to_string(), Some(file), Instant::now())?.ok()
    }

    /// A client fetches all of a file.
    pub fn reads_whole(&self, path: &BootPath, client: IpAddr) {
        if let Some(images) = &self.images {
            images.pins.reads_whole(client, &path.to_string());
        }
    }

    /// A client opened a file of a version of an image.
    pub fn opened(&self, client: IpAddr, version: Digest) {
        if let Some(images) = &self.images {
            images.running.opened(client, version);
        }
    }

    /// A client has fetched a boot file, so it boots again: from now on it reads the versions that
    /// are current.
    pub fn boots_again(&self, client: IpAddr) {
        if let Some(images) = &self.images {
            images.readers.forget(client);
            images.pins.forget(client);
        }
    }

    /// Where a boot image package is in the boot tree: the store's image of it, or else a folder of
    /// its name.
    pub fn image_folder(&self, package: &str) -> String {
        let known = self.images.as_ref().and_then(|images| images.of_package(package));
        known.unwrap_or_else(|| package.to_owned())
    }

    /// The image store, when there is one.
    pub fn store(&self) -> Option<&Arc<Images>> {
        self.images.as_ref()
    }

    /// The store's images, by name, with their kinds.
    pub fn images(&self) -> Vec<ImageView> {
        let Some(images) = &self.images else { return Vec::new() };
        let tree = images.tree.load();
        let known = tree.images.images().iter();
        known.map(|(name, kind)| ImageView { name: name.clone(), kind: kind.to_string() }).collect()
    }

    /// Every image with its versions, as the catalogue was read last.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.images.as_ref().map(|images| Arc::clone(&images.tree.load().catalogue)).unwrap_or_default()
    }

    /// The kernel of an image of the store that boot loaders start. The label `cmdline` replaces
    /// its arguments.
    pub fn kernel_of(&self, name: &str) -> Option<KernelBoot> {
        let tree = self.images.as_ref()?.tree.load();
        let BootEntry { kernel, initrds, cmdline } = tree.images.boot_entry(name)?;
        let inside = |path: String| format!("{name}/{path}");
        let label = tree.labels(name).and_then(|labels| labels.get(CMDLINE));
        Some(KernelBoot {
            kernel: inside(kernel),
            initrds: initrds.into_iter().map(inside).collect(),
            cmdline: label.cloned().unwrap_or(cmdline),
            folder: name.to_owned(),
        })
    }

    /// The description of an image of the store, as far as its import found out.
    pub fn about(&self, image: &str) -> Option<About> {
        self.images.as_ref()?.tree.load().images.about(image).cloned()
    }

    /// The text of an image's file that is rendered for the machine that asks, with the image's
    /// name.
    pub fn rendered(&self, path: &str) -> Option<(String, String)> {
        let (image, inside) = path.trim_start_matches('/').split_once('/')?;
        let tree = self.images.as_ref()?.tree.load();
        let files = &tree.images.about(image)?.rendered;
        let file = files.iter().find(|file| file.path.eq_ignore_ascii_case(inside))?;
        Some((image.to_owned(), file.template.clone()))
    }

    /// The labels of an image of the store.
    pub fn image_labels(&self, name: &str) -> BTreeMap<String, String> {
        let labels = |images: &Arc<Images>| images.tree.load().labels(name).cloned();
        self.images.as_ref().and_then(labels).unwrap_or_default()
    }

    /// The names of the store's images of one kind.
    pub fn image_names(&self, kind: ImageKind) -> Vec<String> {
        let Some(images) = &self.images else { return Vec::new() };
        let tree = images.tree.load();
        tree.images
            .images()
            .iter()
            .filter(|(_, known)| *known == kind)
            .map(|(name, _)| name.clone())
            .collect()
    }
}

/// Packages, in lower case, to image names. A name goes before a label, and a label before the
/// source.
fn packages(catalogue: &Catalogue) -> HashMap<String, String> {
    let mut packages = HashMap::new();
    let of_source = |record: &ImageRecord| {
        let id = ContentId::of_source(&record.current()?.source)?;
        id.version.is_some().then_some(id.package)
    };
    let of_label = |record: &ImageRecord| record.current()?.labels.get("package").cloned();
    let announced = || catalogue.images.iter().filter(|(_, record)| record.retired.is_none());
    for (name, record) in announced() {
        packages.extend(of_source(record).map(|package| (package.to_ascii_lowercase(), name.clone())));
    }
    for (name, record) in announced() {
        packages.extend(of_label(record).map(|package| (package.to_ascii_lowercase(), name.clone())));
    }
    packages.extend(announced().map(|(name, _)| (name.to_ascii_lowercase(), name.clone())));
    packages
}

/// When the catalogue changed, and when a blob was withdrawn or adopted: any of these changes what
/// is announced.
fn changed(store: &Store) -> Stamp {
    ["catalogue.redb", "quarantine", "foreign"]
        .map(|name| store.root().join(name).metadata().and_then(|metadata| metadata.modified()).ok())
}

/// The label of an image with the arguments of its kernel.
const CMDLINE: &str = "cmdline";
/// Far less than a machine takes from its offer to its first block, in which a file can come or go
/// however often one looks.
const EXISTENCE_COUNTS_FOR: Duration = Duration::from_millis(250);
/// An operator who corrects a name looks again after this time.
const NEAREST_COUNTS_FOR: Duration = Duration::from_secs(10);
/// A program that is replaced by one of another signer counts after so long.
const SIGNERS_COUNT_FOR: Duration = Duration::from_secs(5);
/// Boot files are a handful for each kind of machine; names made from a machine's own address are
/// one each.
const MAX_EXISTENCES: NonZeroUsize = NonZeroUsize::new(1024).unwrap();
const MAX_PATHS: NonZeroUsize = NonZeroUsize::new(256).unwrap();
