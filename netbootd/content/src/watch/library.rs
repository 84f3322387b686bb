//! Looking at ConfigMgr's content library.
//!
//! PkgLib is the claim: a look costs one listing of it, and reads what has changed there. DataLib
//! is looked at for packages that are new, and for those that images came from; the others are gone
//! through slowly, a few thousand files at a look. Most packages of a distribution point are
//! software: they are counted, and nothing of them is read.

mod retire;

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;

use imagestore::ingest::{Import, IngestError, PackageUse, import_content, may_hold};
use imagestore::library::{ContentId, ContentLibrary, LibraryError, Outline, Packages, Work};
use imagestore::{Digest, Store};
use netbootd_net::with_causes;
use tracing::info;

use super::outcome::{Look, Outcome};
use super::types::PackageTypes;
use super::{Notes, Watcher, begin, is_path};
use crate::settings;
use retire::Retiring;

/// The library, and where the looks are.
#[derive(Debug)]
pub(super) struct LibraryWatch {
    root: PathBuf,
    drives: Vec<PathBuf>,
    /// Packages that the operator wants as images.
    labelled: Vec<String>,
    types: Option<Arc<PackageTypes>>,
    types_version: u64,
    packages: Packages,
    /// Contents that are not settled: new, changed, refused, or taken back.
    pending: BTreeSet<ContentId>,
    /// Contents that images came from.
    images: Vec<ContentId>,
    /// The package at which the slow round goes on.
    next: String,
    next_image: usize,
    /// The files of versions, by their manifests.
    manifests: HashMap<Digest, Vec<Digest>>,
    retiring: Retiring,
    trouble: Option<String>,
    /// The reads of the last look.
    pub(super) work: Work,
}

impl LibraryWatch {
    /// Of a configuration; None when it names no library.
    pub(super) fn new(store: &settings::Store, types: Option<Arc<PackageTypes>>) -> Option<Self> {
        Some(LibraryWatch {
            root: store.content_library.clone()?,
            drives: store.content_library_drives.clone(),
            labelled: store.content_library_images.clone(),
            types,
            types_version: 0,
            packages: Packages::default(),
            pending: BTreeSet::new(),
            images: Vec::new(),
            next: String::new(),
            next_image: 0,
            manifests: HashMap::new(),
            retiring: Retiring::default(),
            trouble: None,
            work: Work::default(),
        })
    }

    /// Looks once, and takes in what is ready.
    pub(super) fn look(&mut self, watcher: &mut Watcher, notes: &Notes<'_>) {
        match self.look_through(watcher, notes) {
            Ok(()) => self.trouble = None,
            Err(error) => {
                // Logged once, not at every look.
                let trouble = with_causes(&error);
                if self.trouble.as_ref() != Some(&trouble) {
                    tracing::warn!("{trouble}");
                    self.trouble = Some(trouble);
                }
            }
        }
    }

    fn look_through(&mut self, watcher: &mut Watcher, notes: &Notes<'_>) -> Result<(), LibraryError> {
        let library = ContentLibrary::open(&self.root, &self.drives)?;
        let is_first = self.packages.contents().is_empty();
        let mut changed = self.packages.refresh(&library)?;
        let version = self.types.as_ref().map_or(0, |types| types.version());
        changed |= std::mem::replace(&mut self.types_version, version) != version || is_first;
        watcher.keep_unreadable(&self.root.join("PkgLib"), &self.packages, notes);
        if changed {
            self.begin_round(watcher, notes);
        }
        let before = watcher.changes;
        self.find_holes(&library, watcher, notes);
        for id in self.due(watcher) {
            let settled = self.look_at(&library, &id, watcher, notes);
            if settled {
                self.pending.remove(&id)
            } else {
                self.pending.insert(id)
            };
        }
        let acted = watcher.changes != before;
        if acted {
            self.images = images(&self.packages, watcher);
        }
        self.retiring.act(&self.packages, changed || acted, watcher);
        self.work = library.work();
        if watcher.changes != before {
            self.report(watcher);
        }
        Ok(())
    }

    /// Packages have come, gone or changed, or the site says something else of them.
    fn begin_round(&mut self, watcher: &mut Watcher, notes: &Notes<'_>) {
        let contents = self.packages.contents();
        watcher.forget_contents(notes, |key, known| {
            let id = ContentId::parse(key);
            match contents.get(&id.package) {
                Some(ids) => ids.contains(&id),
                // It says what became of an image that is still here for the machines that run from
                // it.
                None => known.withdrawn,
            }
        });
        let is_claimed = |id: ContentId| contents.get(&id.package).is_some_and(|ids| ids.contains(&id));
        watcher.seen.retain(|key, _| is_path(key) || is_claimed(ContentId::parse(key)));
        let newest = contents.values().filter_map(|ids| ids.last());
        let unsettled = newest.filter(|id| {
            let known = watcher.outcomes.get(id.as_str());
            known.is_none_or(|known| {
                known.failed || known.withdrawn || known.package != self.package_use(&id.package)
            })
        });
        self.pending = unsettled.cloned().collect();
        self.images = images(&self.packages, watcher);
    }

    /// The contents to look at in DataLib this time: the pending ones, those that images came from,
    /// and a part of the others.
    fn due(&mut self, watcher: &Watcher) -> Vec<ContentId> {
        let files =
            |id: &ContentId| watcher.outcomes.get(id.as_str()).map_or(0, |known| known.look.files + 1);
        let mut due = self.pending.clone();
        let mut budget = ROUND;
        for id in &self.images {
            budget = budget.saturating_sub(files(id));
            if budget > 0 {
                due.insert(id.clone());
            }
        }
        let mut budget = ROUND;
        let contents = self.packages.contents();
        let from = (Bound::Excluded(self.next.clone()), Bound::Unbounded);
        let mut at = String::new();
        for (package, ids) in contents.range::<String, _>(from) {
            let Some(newest) = ids.last() else { continue };
            due.insert(newest.clone());
            budget = budget.saturating_sub(files(newest));
            if budget == 0 {
                at.clone_from(package);
                break;
            }
        }
        self.next = at;
        due.into_iter().collect()
    }

    /// Looks at one content. Gives whether there is nothing more to do about it.
    fn look_at(
        &mut self,
        library: &ContentLibrary,
        id: &ContentId,
        watcher: &mut Watcher,
        notes: &Notes<'_>,
    ) -> bool {
        let Some(package) = self.package_use(&id.package) else { return false };
        let key = id.as_str();
        let (outline, unreadable) = match library.outline(key) {
            Ok(outline) => (outline, None),
            Err(error) => (Some(Outline::default()), Some(error)),
        };
        let known = watcher.outcomes.get(key);
        let image = known.filter(|known| !known.withdrawn).and_then(|known| known.image.clone());
        let files = known.map_or(0, |known| known.look.files);
        let is_less = outline.as_ref().is_none_or(|outline| outline.files < files);
        // A content never changes; one that has become less is being removed.
        if unreadable.is_none() && is_less && known.is_some_and(|known| known.image.is_some()) {
            if let Some(image) = image {
                self.withdraw(id, &image, "its folder in DataLib is no longer whole", watcher);
            }
            return false;
        }
        let Some(outline) = outline else {
            let missing = ["its folder in DataLib is missing".to_owned()];
            return known.is_none() && self.keep_incomplete(id, &missing, package, watcher, notes);
        };
        let is_withdrawn = known.is_some_and(|known| known.withdrawn);
        let is_judged = known.is_some_and(|known| !known.withdrawn && known.package == Some(package));
        let look = Look { files: outline.files, bytes: outline.bytes, changed: outline.changed };
        let is_ready = if is_judged { watcher.is_ready(key, look) } else { watcher.is_stable(key, look) };
        if !is_ready {
            let known = watcher.outcomes.get(key);
            return is_judged && known.is_some_and(|known| known.look == look && !known.failed);
        }
        if unreadable.is_none() && !may_hold(outline.paths.iter().map(String::as_str), package) {
            watcher.keep_outcome(
                key,
                Outcome { look, ordinary: true, package: Some(package), ..Outcome::default() },
            );
            notes.ingests.ended(key, None);
            return true;
        }
        let content = match unreadable {
            Some(error) => Err(error),
            None => library.content(key),
        };
        let taken = match content {
            Ok(content) if content.missing.is_empty() => {
                let mut watched = begin(notes, key);
                let wanted = Import { package, ..watcher.wanted() };
                import_content(&watcher.store, library, &content, wanted, &mut watched)
            }
            Ok(_) if is_withdrawn => return false,
            Ok(content) => return self.keep_incomplete(id, &content.missing, package, watcher, notes),
            Err(error) => Err(IngestError::Library(error)),
        };
        if matches!(taken, Ok(None)) {
            watcher.keep_outcome(
                key,
                Outcome { look, ordinary: true, package: Some(package), ..Outcome::default() },
            );
            notes.ingests.ended(key, None);
            return true;
        }
        let is_taken = taken.is_ok();
        watcher.keep(key.to_owned(), look, Some(package), taken, notes);
        is_taken
    }

    /// A content whose files are not all here: still on its way, or half removed. An older version
    /// is served meanwhile.
    fn keep_incomplete(
        &self,
        id: &ContentId,
        missing: &[String],
        package: PackageUse,
        watcher: &mut Watcher,
        notes: &Notes<'_>,
    ) -> bool {
        let more = missing.len().saturating_sub(1);
        let more = if more == 0 { String::new() } else { format!(", and {more} more") };
        let first = missing.first().map(String::as_str).unwrap_or_default();
        let detail = format!("incomplete, on its way here or being removed by the site: {first}{more}");
        let known = watcher.outcomes.get(id.as_str());
        if known.is_none_or(|known| known.detail.as_ref() != Some(&detail)) {
            info!(content = %id, detail, "content not complete");
            notes.ingests.ended(id.as_str(), Some(detail.clone()));
            // Without a look: the files come to another folder than the one that is looked at.
            let outcome =
                Outcome { detail: Some(detail), failed: true, package: Some(package), ..Outcome::default() };
            watcher.keep_outcome(id.as_str(), outcome);
        }
        false
    }

    /// Looks for files of images that have gone from where they lay. They may be on another drive
    /// by now.
    fn find_holes(&mut self, library: &ContentLibrary, watcher: &mut Watcher, notes: &Notes<'_>) {
        if self.images.is_empty() {
            return;
        }
        let Ok(catalogue) = watcher.store.catalogue() else { return };
        let mut budget = HOLES;
        for _ in 0..self.images.len() {
            self.next_image = (self.next_image + 1) % self.images.len();
            let id = self.images[self.next_image].clone();
            let Some(known) = watcher.outcomes.get(id.as_str()).filter(|known| !known.withdrawn) else {
                continue;
            };
            let Some(name) = known.image.clone() else { continue };
            let (look, package) = (known.look, known.package);
            let Some(record) = catalogue.images.get(&name) else { continue };
            let files = self.files_of(&watcher.store, record.current);
            budget = budget.saturating_sub(files.len() + 1);
            if files.iter().all(|file| watcher.store.contains(file)) {
                if budget == 0 { break } else { continue }
            }
            let content = library.content(id.as_str());
            let whole =
                content.ok().filter(|content| content.missing.is_empty() && !content.files.is_empty());
            let Some(content) = whole else {
                self.withdraw(&id, &name, "its files are on no drive of the content library", watcher);
                self.pending.insert(id);
                continue;
            };
            let mut watched = begin(notes, id.as_str());
            let wanted = Import { package: package.unwrap_or_default(), ..watcher.wanted() };
            let taken = import_content(&watcher.store, library, &content, wanted, &mut watched);
            drop(watched);
            if taken.is_ok() {
                watcher.keep(id.to_string(), look, package, taken, notes);
            }
        }
    }

    fn files_of(&mut self, store: &Store, version: Digest) -> Vec<Digest> {
        if let Some(files) = self.manifests.get(&version) {
            return files.clone();
        }
        let Ok(manifest) = store.manifest(&version) else { return Vec::new() };
        let files: Vec<Digest> = manifest.files.iter().map(|file| file.digest).collect();
        self.manifests.insert(version, files.clone());
        files
    }

    /// Takes an image back whose content the site is removing.
    fn withdraw(&mut self, id: &ContentId, image: &str, evidence: &str, watcher: &mut Watcher) {
        let Some(known) = watcher.outcomes.get(id.as_str()) else { return };
        info!(content = %id, image, evidence, "image withdrawn: {REMOVED}");
        let detail = Some(format!("withdrawn: {REMOVED}: {evidence}"));
        watcher.keep_outcome(id.as_str(), Outcome { withdrawn: true, detail, ..known.clone() });
        self.retiring.take_back(image.to_owned());
    }

    /// How a package is used; None until it is known.
    fn package_use(&self, package: &str) -> Option<PackageUse> {
        if self.labelled.iter().any(|labelled| labelled.eq_ignore_ascii_case(package)) {
            return Some(PackageUse::BootImage);
        }
        match &self.types {
            Some(types) => types.package_use(package),
            None => Some(PackageUse::Unknown),
        }
    }

    /// One line for all packages, whatever became of them.
    fn report(&self, watcher: &Watcher) {
        let (mut images, mut ordinary, mut refused, mut withdrawn) = (0, 0, 0, 0);
        let newest = self.packages.contents().values().filter_map(|ids| ids.last());
        for known in newest.filter_map(|id| watcher.outcomes.get(id.as_str())) {
            match known {
                known if known.withdrawn => withdrawn += 1,
                known if known.image.is_some() => images += 1,
                known if known.ordinary => ordinary += 1,
                _ => refused += 1,
            }
        }
        let packages = self.packages.contents().len();
        let waiting = packages - images - ordinary - refused - withdrawn;
        info!(
            packages,
            images,
            ordinary,
            refused,
            withdrawn,
            waiting,
            ini_files_read = self.work.read,
            looked_at = self.work.looked_at,
            "content library looked through"
        );
    }
}

fn images(packages: &Packages, watcher: &Watcher) -> Vec<ContentId> {
    let newest = packages.contents().values().flatten();
    let is_image =
        |id: &&ContentId| watcher.outcomes.get(id.as_str()).is_some_and(|known| known.image.is_some());
    newest.filter(is_image).cloned().collect()
}

/// Why an image is taken back, in the words of `image sources`.
const REMOVED: &str = "removed by the site";
/// Files of DataLib that are looked at in one look, beside those of packages that are pending.
const ROUND: u64 = 2000;
/// Files of images that are looked for in one look.
const HOLES: usize = 500;
