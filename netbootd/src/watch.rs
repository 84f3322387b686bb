//! Images that come in by themselves: from the drop folder and from the content library.
//!
//! A source is taken in once it has stayed the same from one look to the next: a file that is still being copied is left alone. What
//! came of each is remembered in the store, so a restart takes nothing in again and an operator can see why something was refused.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use imagestore::ingest::{Import, Imported, IngestError, import, import_content};
use imagestore::library::{ContentLibrary, LibraryError};
use imagestore::platform::MetadataExt;
use imagestore::{Store, StoreError};
use serde::{Deserialize, Serialize};

use crate::config;
use crate::event::{Event, ImageTaken};
use crate::ingests::Watched;
use crate::netboot_server::shares::check_info;
use crate::services::Services;

/// Looks at the sources.
#[derive(Debug)]
pub struct Watcher {
    store: Store,
    drop_folder: Option<PathBuf>,
    library: Option<(PathBuf, Vec<PathBuf>)>,
    seen: BTreeMap<String, Look>,
    outcomes: Outcomes,
    library_trouble: Option<String>,
}

/// What came of each source, by its path or content id.
pub type Outcomes = BTreeMap<String, Outcome>;

/// What came of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    look: Look,
    /// The image's name, when it was taken in.
    pub image: Option<String>,
    /// Why it was not, or what is to know about it.
    pub detail: Option<String>,
    #[serde(default)]
    failed: bool,
}

/// What a source looks like from outside. Equal looks mean that nobody has written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Look {
    files: u64,
    bytes: u64,
    changed: i64,
}

impl Watcher {
    /// Of the sources in a configuration.
    pub fn new(store: Store, config: &config::Store) -> Self {
        let library =
            config.content_library.clone().map(|root| (root, config.content_library_drives.clone()));
        Watcher {
            outcomes: outcomes(&store),
            store,
            drop_folder: config.drop_folder.clone(),
            library,
            seen: BTreeMap::new(),
            library_trouble: None,
        }
    }

    /// Says what could not be taken in before.
    pub fn recall(&self, services: &Services) {
        for (source, outcome) in self.outcomes.iter().filter(|(_, outcome)| outcome.failed) {
            services.ingests.ended(source, outcome.detail.clone());
        }
    }

    /// Whether there is anything to look at.
    pub fn is_idle(&self) -> bool {
        self.drop_folder.is_none() && self.library.is_none()
    }

    /// Looks once, and takes in what is ready. Blocks for as long as that takes.
    pub fn look(&mut self, services: &Services) {
        if let Some(folder) = self.drop_folder.clone() {
            for path in children(&folder) {
                let key = path.display().to_string();
                if let Ok(look) = look_at(&path)
                    && self.is_ready(&key, look)
                {
                    let mut watched = begin(services, &key);
                    let taken = import(&self.store, &path, self.wanted(), &mut watched).map(Some);
                    drop(watched);
                    self.keep(key, look, taken, services);
                }
            }
        }
        if let Some((root, drives)) = self.library.clone()
            && let Err(error) = self.look_at_library(&root, &drives, services)
        {
            // Told once, not at every look.
            let trouble = crate::cli::with_causes(&error);
            if self.library_trouble.as_ref() != Some(&trouble) {
                tracing::warn!("{trouble}");
                self.library_trouble = Some(trouble);
            }
        }
    }

    fn look_at_library(
        &mut self,
        root: &Path,
        drives: &[PathBuf],
        services: &Services,
    ) -> Result<(), LibraryError> {
        let library = ContentLibrary::open(root, drives)?;
        for id in library.ids()? {
            let look = look_at(&root.join("DataLib").join(&id)).unwrap_or_default();
            // Files that have gone are looked for again where they may be by now.
            let again = self.outcomes.get(&id).is_some_and(|known| known.look == look) && self.has_holes(&id);
            if !again && !self.is_ready(&id, look) {
                continue;
            }
            let content = library.content(&id)?;
            let mut watched = begin(services, &id);
            let taken = import_content(&self.store, &library, &content, self.wanted(), &mut watched);
            drop(watched);
            if !again || taken.is_ok() {
                self.keep(id, look, taken, services);
            }
        }
        self.library_trouble = None;
        Ok(())
    }

    /// Whether an image that came from a content needs a file that is no longer where it was.
    fn has_holes(&self, id: &str) -> bool {
        let Some(name) = self.outcomes.get(id).and_then(|outcome| outcome.image.as_ref()) else {
            return false;
        };
        let Ok(catalogue) = self.store.catalogue() else { return false };
        let Some(record) = catalogue.images.get(name) else { return false };
        let manifest = self.store.manifest(&record.current);
        manifest.is_ok_and(|manifest| manifest.files.iter().any(|file| !self.store.contains(&file.digest)))
    }

    /// The same as at the last look, and not dealt with yet.
    fn is_ready(&mut self, key: &str, look: Look) -> bool {
        let stable = self.seen.insert(key.to_owned(), look) == Some(look);
        stable && self.outcomes.get(key).is_none_or(|outcome| outcome.look != look)
    }

    fn keep(
        &mut self,
        key: String,
        look: Look,
        taken: Result<Option<Imported>, IngestError>,
        services: &Services,
    ) {
        let failed = taken.is_err();
        let (image, detail) = match taken {
            // Another writer is at work; the next look tries again.
            Err(IngestError::Store(StoreError::Busy)) => return,
            Ok(Some(imported)) => {
                (Some(imported.name), Some(imported.findings.join("; ")).filter(|text| !text.is_empty()))
            }
            Ok(None) => (None, Some("nothing in it boots".to_owned())),
            Err(error) => (None, Some(crate::cli::with_causes(&error))),
        };
        services.ingests.ended(&key, detail.clone().filter(|_| failed));
        services.recorder.record(Event::ImageTaken(ImageTaken {
            source: key.clone(),
            image: image.clone(),
            detail: detail.clone(),
        }));
        self.outcomes.insert(key, Outcome { look, image, detail, failed });
        if let Err(error) = self.save() {
            tracing::warn!(%error, "what came of the image sources is not saved");
        }
    }

    fn wanted(&self) -> Import {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Import { at, check_info: Some(check_info), ..Import::default() }
    }

    fn save(&self) -> io::Result<()> {
        let place = self.store.root().join(FILE_NAME);
        let temporary = place.with_extension("new");
        fs::write(&temporary, serde_json::to_vec_pretty(&self.outcomes)?)?;
        fs::rename(temporary, place)
    }
}

fn begin<'a>(services: &'a Services, source: &str) -> Watched<'a> {
    let watched = services.ingests.begin(source);
    services.recorder.record(Event::ImageBegun(source.to_owned()));
    watched
}

/// What came of every source of a store.
pub fn outcomes(store: &Store) -> Outcomes {
    let text = fs::read(store.root().join(FILE_NAME)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default() // at worst everything is looked at once more
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

fn look_at(path: &Path) -> io::Result<Look> {
    let metadata = fs::symlink_metadata(path)?;
    let changed = metadata.mtime().saturating_mul(1000) + metadata.mtime_nsec() / 1_000_000;
    if !metadata.is_dir() {
        return Ok(Look { files: 1, bytes: metadata.len(), changed });
    }
    let mut whole = Look { changed, ..Look::default() };
    for entry in fs::read_dir(path)? {
        let look = look_at(&entry?.path())?;
        whole.files += look.files;
        whole.bytes += look.bytes;
        whole.changed = whole.changed.max(look.changed);
    }
    Ok(whole)
}

const FILE_NAME: &str = "sources.json";
