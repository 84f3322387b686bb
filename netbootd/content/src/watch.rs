//! Images that come in by themselves: from the drop folder and from the content library.
//!
//! A source is taken in once it has stayed the same from one look to the next: a file that is still
//! being copied waits. The outcome of each is kept in the store, so a restart imports
//! nothing again and an operator can see why a source was refused.

mod library;
mod outcome;
mod types;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{fs, io};

use imagestore::ingest::{Import, Imported, IngestError, PackageUse, import};
use imagestore::library::Packages;
use imagestore::platform::MetadataExt;
use imagestore::{Store, StoreError};
use netbootd_telemetry::event::{Event, ImageBegun, ImageTaken, Recorder};

use crate::ingests::{Ingests, Watched};
use crate::secure_boot::missing_pairs;
use crate::settings;
use crate::shares::check_info;
use library::LibraryWatch;
use outcome::Look;
pub use outcome::{Outcome, Outcomes, outcomes};
pub use types::{PackageTypes, Types};

/// Looks at the sources.
#[derive(Debug)]
pub struct Watcher {
    store: Store,
    drop_folder: Option<PathBuf>,
    library: Option<Box<LibraryWatch>>,
    seen: BTreeMap<String, Look>,
    outcomes: Outcomes,
    /// Counts the changes of outcomes, of which the last that is written is `saved`.
    changes: u64,
    saved: u64,
    saved_at: Instant,
    /// An operator asked for another try of everything that was refused.
    asked: bool,
}

/// Where it is noted what is taken in.
#[derive(Debug, Clone, Copy)]
pub struct Notes<'a> {
    /// The imports under way, and the refused ones.
    pub ingests: &'a Ingests,
    /// The recorder that events go to.
    pub recorder: &'a Recorder,
}

impl Watcher {
    /// Of the sources in a configuration; `types` are what the site says of its packages, if there
    /// is a site.
    pub fn new(store: Store, config: &settings::Store, types: Option<Arc<PackageTypes>>) -> Self {
        Watcher {
            outcomes: outcome::retried_at_start(outcomes(&store)),
            store,
            drop_folder: config.drop_folder.clone(),
            library: LibraryWatch::new(config, types).map(Box::new),
            seen: BTreeMap::new(),
            changes: 0,
            saved: 0,
            saved_at: Instant::now(),
            asked: false,
        }
    }

    /// Says what could not be taken in before.
    pub fn recall(&self, notes: &Notes<'_>) {
        for (source, outcome) in self.outcomes.iter().filter(|(_, outcome)| outcome.failed) {
            notes.ingests.ended(source, outcome.detail.clone());
        }
    }

    /// Whether there is anything to look at.
    pub fn is_idle(&self) -> bool {
        self.drop_folder.is_none() && self.library.is_none()
    }

    /// Looks once, and takes in what is ready. Blocks for as long as that takes.
    pub fn look(&mut self, notes: &Notes<'_>) {
        self.asked = notes.ingests.take_retries();
        if let Some(folder) = self.drop_folder.clone() {
            for path in children(&folder) {
                self.look_at_dropped(&path, notes);
            }
        }
        if let Some(mut library) = self.library.take() {
            library.look(self, notes);
            self.library = Some(library);
        }
        self.save();
    }

    fn look_at_dropped(&mut self, path: &Path, notes: &Notes<'_>) {
        let key = path.display().to_string();
        let (look, unreadable) = match look_at(path) {
            Ok(look) => (look, None),
            Err((at, error)) if at == *path && error.kind() == io::ErrorKind::NotFound => return, // moved away meanwhile
            Err((path, source)) => (Look::default(), Some(IngestError::Read { path, source })),
        };
        if !self.is_ready(&key, look) {
            return;
        }
        let taken = match unreadable {
            Some(error) => Err(error),
            None => {
                let mut watched = begin(notes, &key);
                import(&self.store, path, self.wanted(), &mut watched).map(Some)
            }
        };
        self.keep(key, look, None, taken, notes);
    }

    /// The same as at the last look.
    fn is_stable(&mut self, key: &str, look: Look) -> bool {
        self.seen.insert(key.to_owned(), look) == Some(look)
    }

    /// The same as at the last look, and not dealt with yet or due for another try.
    fn is_ready(&mut self, key: &str, look: Look) -> bool {
        let stable = self.is_stable(key, look);
        match self.outcomes.get(key) {
            Some(outcome) if outcome.look == look => {
                outcome.failed && (self.asked || outcome.is_due(seconds_now()))
            }
            _ => stable,
        }
    }

    fn keep(
        &mut self,
        key: String,
        look: Look,
        package: Option<PackageUse>,
        taken: Result<Option<Imported>, IngestError>,
        notes: &Notes<'_>,
    ) {
        let failed = taken.is_err();
        let passing = matches!(&taken, Err(error) if error.is_passing());
        let before = self.outcomes.get(&key).map_or(0, |known| known.attempts);
        let attempts = if passing { before.saturating_add(1) } else { 0 };
        let retry_at = passing.then(|| seconds_now().saturating_add(outcome::back_off(attempts).as_secs()));
        let (image, detail) = match taken {
            // Another writer is at work; the next look tries again.
            Err(IngestError::Store(StoreError::Busy)) => return,
            Ok(Some(imported)) => {
                (Some(imported.name), Some(imported.findings.join("; ")).filter(|text| !text.is_empty()))
            }
            Ok(None) => (None, Some("nothing in it boots".to_owned())),
            Err(error) => (None, Some(netbootd_net::with_causes(&error))),
        };
        notes.ingests.ended(&key, detail.clone().filter(|_| failed));
        notes.recorder.record(Event::ImageTaken(ImageTaken {
            source: key.clone(),
            image: image.clone(),
            detail: detail.clone(),
        }));
        let outcome =
            Outcome { look, image, detail, failed, package, retry_at, attempts, ..Outcome::default() };
        self.keep_outcome(&key, outcome);
    }

    fn keep_outcome(&mut self, key: &str, outcome: Outcome) {
        self.outcomes.insert(key.to_owned(), outcome);
        self.changes += 1;
        // Long work is not done again after a crash.
        if self.saved_at.elapsed() >= SAVE_EVERY {
            self.save();
        }
    }

    /// Forgets contents that are not kept; sources that are paths stay.
    fn forget_contents(&mut self, notes: &Notes<'_>, is_kept: impl Fn(&str, &Outcome) -> bool) {
        self.outcomes.retain(|key, outcome| {
            let is_kept = is_path(key) || is_kept(key, outcome);
            if !is_kept {
                notes.ingests.ended(key, None);
                self.changes += 1;
            }
            is_kept
        });
    }

    /// Forgets what came of contents whose images are removed.
    fn forget_images(&mut self, removed: &[String]) {
        let before = self.outcomes.len();
        let is_removed =
            |outcome: &Outcome| outcome.image.as_ref().is_some_and(|name| removed.contains(name));
        self.outcomes.retain(|_, outcome| !(outcome.withdrawn && is_removed(outcome)));
        self.changes += (before - self.outcomes.len()) as u64;
    }

    /// Records the package files that cannot be read, and forgets those that can be read again.
    fn keep_unreadable(&mut self, folder: &Path, packages: &Packages, notes: &Notes<'_>) {
        let troubles: BTreeMap<String, String> = packages
            .troubles()
            .map(|(name, why)| (folder.join(name).display().to_string(), format!("cannot read it: {why}")))
            .collect();
        let is_past = |key: &str| Path::new(key).parent() == Some(folder) && !troubles.contains_key(key);
        let past: Vec<String> = self.outcomes.keys().filter(|key| is_past(key)).cloned().collect();
        for key in past {
            self.outcomes.remove(&key);
            self.changes += 1;
            notes.ingests.ended(&key, None);
        }
        for (key, why) in troubles {
            let detail = Some(why);
            if self.outcomes.get(&key).is_none_or(|known| known.detail != detail) {
                notes.ingests.ended(&key, detail.clone());
                tracing::warn!(file = key, detail, "a package of the content library cannot be read");
                self.keep_outcome(&key, Outcome { detail, failed: true, ..Outcome::default() });
            }
        }
    }

    fn wanted(&self) -> Import {
        Import {
            at: seconds_now(),
            check_info: Some(check_info),
            remarks: Some(missing_pairs),
            ..Import::default()
        }
    }

    /// Writes what came of the sources, if there is anything new.
    fn save(&mut self) {
        self.saved_at = Instant::now();
        if self.saved == self.changes {
            return;
        }
        match outcome::save(&self.store, &self.outcomes) {
            Ok(()) => self.saved = self.changes,
            Err(error) => tracing::warn!(%error, "what came of the image sources is not saved"),
        }
    }
}

/// Whether a source is a path; the others are contents.
fn is_path(key: &str) -> bool {
    key.contains(['/', '\\'])
}

pub(crate) fn begin<'a>(notes: &Notes<'a>, source: &str) -> Watched<'a> {
    let watched = notes.ingests.begin(source);
    notes.recorder.record(Event::ImageBegun(ImageBegun(source.to_owned())));
    watched
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        // Programs that copy write under a hidden or a `.part` name first.
        .filter(|path| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')))
        .filter(|path| path.extension().is_none_or(|extension| extension != "part"))
        .collect();
    paths.sort();
    paths
}

/// The error names the file or folder that cannot be read.
fn look_at(path: &Path) -> Result<Look, (PathBuf, io::Error)> {
    let unreadable = |error| (path.to_owned(), error);
    let metadata = fs::symlink_metadata(path).map_err(unreadable)?;
    let changed = metadata.mtime().saturating_mul(1000) + metadata.mtime_nsec() / 1_000_000;
    if !metadata.is_dir() {
        return Ok(Look { files: 1, bytes: metadata.len(), changed });
    }
    let mut whole = Look { changed, ..Look::default() };
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let look = look_at(&entry.map_err(unreadable)?.path())?;
        whole.files += look.files;
        whole.bytes += look.bytes;
        whole.changed = whole.changed.max(look.changed);
    }
    Ok(whole)
}

/// How long the outcomes of a long look may be unwritten.
const SAVE_EVERY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
