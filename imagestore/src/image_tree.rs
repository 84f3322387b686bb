//! The images of a store as clients see them: each below its own name, and wherever else its label
//! `at` says.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::library::ContentId;
use crate::nearest::nearest;
use crate::{
    About, BootEntry, BootFile, BootPath, Cache, Catalogue, Digest, ImageKind, ImageRecord, Manifest,
    OpenError, Store, StoreError, Version,
};

/// The images of a catalogue as one tree. It stays as it is: another catalogue is another tree.
#[derive(Debug)]
pub struct ImageTree {
    store: Store,
    cache: Option<Arc<Cache>>,
    places: Vec<Place>,
    /// Places by the first component of their path, in lower case; those at the root under the
    /// empty one.
    by_first: HashMap<Vec<u8>, Vec<usize>>,
    manifests: Mutex<HashMap<Digest, Arc<Manifest>>>,
    images: Vec<(String, ImageKind)>,
    /// The current version of each announced image.
    versions: HashMap<String, Digest>,
    about: HashMap<String, About>,
}

#[derive(Debug)]
struct Place {
    prefix: Vec<Vec<u8>>,
    version: Digest,
    /// The package whose files these are, when the place is named after it.
    package: Option<String>,
    /// Whether new machines are sent here.
    is_announced: bool,
}

impl ImageTree {
    /// Of what a catalogue says is current.
    pub fn new(store: Store, catalogue: &Catalogue) -> Self {
        ImageTree::with_cache(store, None, catalogue)
    }

    /// The same; blobs that are not here come through a cache.
    pub fn with_cache(store: Store, cache: Option<Arc<Cache>>, catalogue: &Catalogue) -> Self {
        let mut tree = ImageTree {
            store,
            cache,
            places: Vec::new(),
            by_first: HashMap::new(),
            manifests: Mutex::default(),
            images: Vec::new(),
            versions: HashMap::new(),
            about: HashMap::new(),
        };
        // Names go before packages, and what is announced before what is not.
        let is_retired = |record: &ImageRecord| record.retired.is_some();
        for announced in [true, false] {
            let images = || catalogue.images.iter().filter(|(_, record)| is_retired(record) != announced);
            for (name, record) in images() {
                let Some(version) = record.current() else { continue };
                if announced {
                    tree.images.push((name.clone(), version.kind));
                    tree.versions.insert(name.clone(), version.manifest);
                    let about = version.about.as_deref().cloned();
                    tree.about.extend(about.map(|about| (name.to_ascii_lowercase(), about)));
                }
                tree.add_image(name, version, announced);
            }
            for (_, record) in images() {
                let Some(version) = record.current() else { continue };
                let Some(id) = ContentId::of_source(&version.source) else { continue };
                for at in [id.package.clone(), format!("{SMS_IMAGES}/{}", id.package)] {
                    tree.add(&at, version.manifest, Some(&id.package), announced);
                }
            }
        }
        tree
    }

    /// The names and kinds of all images that are announced.
    pub fn images(&self) -> &[(String, ImageKind)] {
        &self.images
    }

    /// How a boot loader starts the image of a name; None for images that it does not start.
    pub fn boot_entry(&self, name: &str) -> Option<BootEntry> {
        let version = self.versions.get(name)?;
        self.manifest(*version).ok()?.boot.clone()
    }

    /// The description of an announced image, as far as its import found out.
    pub fn about(&self, name: &str) -> Option<&About> {
        self.about.get(&name.to_ascii_lowercase())
    }

    /// Opens a client's path; a machine that boots keeps the image's version from being collected.
    pub fn open(&self, path: &BootPath) -> Result<BootFile, OpenError> {
        self.open_version(path, None).map(|(file, _)| file)
    }

    /// The same for what new machines may be sent to: not from an image that its source took back.
    pub fn open_announced(&self, path: &BootPath) -> Result<BootFile, OpenError> {
        self.open_from(path, None, true).map(|(file, _)| file)
    }

    /// The same, and the version that the file is of: `held`, for a machine that runs from that
    /// one, for as long as it is here and has the file; else the current one.
    pub fn open_version(
        &self,
        path: &BootPath,
        held: Option<Digest>,
    ) -> Result<(BootFile, Digest), OpenError> {
        self.open_from(path, held, false)
    }

    /// The path there that is most like one that is not, in the image that it names.
    pub fn nearest(&self, path: &BootPath) -> Option<String> {
        let components: Vec<&[u8]> = path.components().collect();
        let first = components.first()?.to_ascii_lowercase();
        let places = self.by_first.get(&first).into_iter().flatten().map(|at| &self.places[*at]);
        places.filter(|place| place.is_announced).find_map(|place| {
            let wanted = strip(&components, &place.prefix)?.join(&b'/');
            let manifest = self.manifest(place.version).ok()?;
            let (folder, name) = parts(&wanted);
            let files = manifest.files.iter().map(|file| file.path.as_bytes());
            let beside = files.clone().filter(|file| parts(file).0.eq_ignore_ascii_case(folder));
            let named = nearest(name, beside.map(|file| parts(file).1));
            let found = match named {
                Some(named) => files
                    .clone()
                    .find(|file| parts(file).1 == named && parts(file).0.eq_ignore_ascii_case(folder))?,
                // The same name in another folder.
                None => files.clone().find(|file| parts(file).1.eq_ignore_ascii_case(name))?,
            };
            let prefix = place.prefix.iter().map(Vec::as_slice);
            let whole = prefix.chain([found]).collect::<Vec<_>>().join(&b'/');
            Some(String::from_utf8_lossy(&whole).into_owned())
        })
    }

    fn open_from(
        &self,
        path: &BootPath,
        held: Option<Digest>,
        only_announced: bool,
    ) -> Result<(BootFile, Digest), OpenError> {
        let components: Vec<&[u8]> = path.components().collect();
        let first = components.first().map(|first| first.to_ascii_lowercase()).unwrap_or_default();
        let named = self.by_first.get(&first).into_iter().flatten();
        let at_root = self.by_first.get(&b""[..]).into_iter().flatten();
        let mut failed = OpenError::NotFound;
        for place in named.chain(at_root).map(|at| &self.places[*at]) {
            if only_announced && !place.is_announced {
                continue;
            }
            let Some(inside) = strip(&components, &place.prefix) else { continue };
            let Ok(inside) = BootPath::parse(&inside.join(&b'/')) else { continue };
            if let Some(held) = held
                && let Some(Ok(file)) = self.file_of(held, &inside)
            {
                return Ok((file, held));
            }
            let other = || place.package.as_deref().and_then(|package| other_spelling(&inside, package));
            let opened = self.file_of(place.version, &inside);
            match opened.or_else(|| self.file_of(place.version, &other()?)) {
                Some(Ok(file)) => return Ok((file, place.version)),
                Some(Err(error)) if place.is_announced => return Err(error),
                // An image that is retired does not hide that another has the file.
                Some(Err(_)) => failed = OpenError::Removed,
                None => {}
            }
        }
        Err(failed)
    }

    /// A version's file; None when it has none of that name.
    fn file_of(&self, version: Digest, inside: &BootPath) -> Option<Result<BootFile, OpenError>> {
        let manifest = self.manifest(version).ok()?;
        let file = manifest.find(inside)?;
        let size = manifest.blob_size(file);
        let open = || match &self.cache {
            Some(cache) => cache.open(&file.digest, size),
            None => self.store.blob(&file.digest),
        };
        let opened = match open() {
            // A blob of another length is damaged, without a look at its bytes. It may be elsewhere
            // too.
            Ok(blob) if blob.len() != size => {
                drop(blob);
                self.store.withdraw(&file.digest).and_then(|()| open())
            }
            opened => opened,
        };
        Some(match opened {
            Ok(blob) => {
                // Nobody waits for a lease; without it only a collection in these minutes could
                // hurt.
                let _ = self.store.lease(&version);
                let blob = blob.of_version(version);
                match file.at {
                    Some(at) => blob.part(at, file.size).ok_or(OpenError::Withdrawn),
                    None => Ok(blob),
                }
            }
            Err(StoreError::Io { source, .. }) => Err(OpenError::Io(source)),
            Err(_) => Err(OpenError::Withdrawn),
        })
    }

    fn manifest(&self, version: Digest) -> Result<Arc<Manifest>, StoreError> {
        let mut manifests = self.manifests.lock();
        if let Some(manifest) = manifests.get(&version) {
            return Ok(Arc::clone(manifest));
        }
        let manifest = match (self.store.manifest(&version), &self.cache) {
            (Err(_), Some(cache)) => Manifest::from_json(&cache.whole(&version)?)
                .map_err(|_| StoreError::Blob { digest: version, what: "no manifest" })?,
            (manifest, _) => manifest?,
        };
        let manifest = Arc::new(manifest);
        if manifests.len() >= MAX_MANIFESTS {
            manifests.clear();
        }
        manifests.insert(version, Arc::clone(&manifest));
        Ok(manifest)
    }

    fn add_image(&mut self, name: &str, version: &Version, announced: bool) {
        self.add(name, version.manifest, None, announced);
        if version.kind == ImageKind::Nbi {
            self.add(&netboot_folder(name), version.manifest, None, announced);
        }
        for at in version.labels.get(AT).into_iter().flat_map(|at| at.split(',')) {
            self.add(at.trim(), version.manifest, None, announced);
        }
    }

    fn add(&mut self, at: &str, version: Digest, package: Option<&str>, is_announced: bool) {
        let prefix: Vec<Vec<u8>> = at
            .split(['/', '\\'])
            .filter(|part| !matches!(*part, "" | "."))
            .map(|part| part.as_bytes().to_vec())
            .collect();
        let first = prefix.first().map(|first| first.to_ascii_lowercase()).unwrap_or_default();
        self.by_first.entry(first).or_default().push(self.places.len());
        self.places.push(Place { prefix, version, package: package.map(str::to_owned), is_announced });
    }
}

/// A path's folder and name.
fn parts(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

/// A distribution point spells `boot.wim` of the package PS100005 as `boot.PS100005.wim`, and
/// packages may hold it in either form.
fn other_spelling(path: &BootPath, package: &str) -> Option<BootPath> {
    let path = std::str::from_utf8(path.as_bytes()).ok()?;
    let (stem, extension) = path.rsplit_once('.')?;
    let end = stem.len().checked_sub(package.len() + 1).filter(|end| stem.is_char_boundary(*end));
    let short = end.map(|end| stem.split_at(end)).filter(|(_, suffix)| {
        suffix.strip_prefix('.').is_some_and(|suffix| suffix.eq_ignore_ascii_case(package))
    });
    let other = match short {
        Some((short, _)) => format!("{short}.{extension}"),
        None => format!("{stem}.{package}.{extension}"),
    };
    BootPath::parse(other.as_bytes()).ok()
}

/// Where Macs find an image of a store.
pub fn netboot_folder(name: &str) -> String {
    format!("NetBoot/{NETBOOT_SHARE}/{name}.nbi")
}

fn strip<'a>(components: &'a [&'a [u8]], prefix: &[Vec<u8>]) -> Option<&'a [&'a [u8]]> {
    let (head, rest) = components.split_at_checked(prefix.len())?;
    let same = head.iter().zip(prefix).all(|(have, want)| have.eq_ignore_ascii_case(want));
    same.then_some(rest)
}

/// The share of the store's own NetBoot images.
pub const NETBOOT_SHARE: &str = "Images";
/// The label that puts an image at further paths, with commas between them; `.` is the root.
pub const AT: &str = "at";
/// Where a distribution point has its boot images, each below its package.
const SMS_IMAGES: &str = "SMSImages";
/// Manifests that are kept in memory; a few kilobytes each.
const MAX_MANIFESTS: usize = 1024;

#[cfg(test)]
mod tests;
