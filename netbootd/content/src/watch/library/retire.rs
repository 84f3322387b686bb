//! Images whose package the site removed or replaced: announced to nobody at once, and served to
//! the machines that run from them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use imagestore::library::{ContentId, Packages};
use imagestore::{Catalogue, Digest, ImageRecord, Retired, Store, StoreError, Writer};
use tracing::{info, warn};

use super::super::outcome::Outcome;
use super::super::{Watcher, seconds_now};
use super::REMOVED;

/// The images to retire, and the time of the last sweep.
#[derive(Debug, Default)]
pub(super) struct Retiring {
    /// Images whose content is no longer whole.
    taken_back: Vec<String>,
    /// Something has changed, or could not be done because another process was writing.
    is_due: bool,
    swept: Option<Instant>,
}

impl Retiring {
    /// Takes an image back at the end of this look.
    pub(super) fn take_back(&mut self, image: String) {
        self.taken_back.push(image);
        self.is_due = true;
    }

    /// Retires what the packages no longer claim, and now and then removes what no machine runs
    /// from any more.
    pub(super) fn act(&mut self, packages: &Packages, changed: bool, watcher: &mut Watcher) {
        self.is_due |= changed;
        let sweep = self.swept.is_none_or(|swept| swept.elapsed() >= SWEEP);
        if !self.is_due && !sweep {
            return;
        }
        match self.act_on_catalogue(packages, sweep, watcher) {
            Ok(()) => self.is_due = false,
            Err(StoreError::Busy) => {} // the next look tries again
            Err(error) => {
                warn!(
                    error = netbootd_net::with_causes(&error),
                    "images of removed packages are not retired"
                );
            }
        }
    }

    fn act_on_catalogue(
        &mut self,
        packages: &Packages,
        sweep: bool,
        watcher: &mut Watcher,
    ) -> Result<(), StoreError> {
        let catalogue = watcher.store.catalogue()?;
        if self.is_due {
            self.retire(packages, &catalogue, watcher)?;
        }
        if sweep {
            let removed = sweep_out(&watcher.store, packages, &catalogue, seconds_now())?;
            watcher.forget_images(&removed);
            self.swept = Some(Instant::now());
        }
        Ok(())
    }

    fn retire(
        &mut self,
        packages: &Packages,
        catalogue: &Catalogue,
        watcher: &mut Watcher,
    ) -> Result<(), StoreError> {
        let mut by_reason: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut gone = Vec::new();
        for (name, record) in catalogue.images.iter().filter(|(_, record)| record.retired.is_none()) {
            let Some(id) = id_of(record) else { continue };
            let reason = match self.taken_back.contains(name) {
                true => Some(REMOVED.to_owned()),
                false => reason_against(name, &id, packages, watcher),
            };
            let Some(reason) = reason else { continue };
            if !packages.contents().contains_key(&id.package) {
                gone.push((id, name.clone()));
            }
            by_reason.entry(reason).or_default().push(name.clone());
        }
        for (reason, names) in &by_reason {
            watcher.store.write()?.retire(names, seconds_now(), reason)?;
            for image in names {
                info!(image, reason, "image retired");
            }
        }
        for (id, name) in gone {
            let detail = Some(format!("withdrawn: {REMOVED}"));
            let outcome = Outcome { image: Some(name), withdrawn: true, detail, ..Outcome::default() };
            watcher.keep_outcome(id.as_str(), outcome);
        }
        self.taken_back.clear();
        Ok(())
    }
}

/// Why an image is no longer its package's, if so.
fn reason_against(name: &str, id: &ContentId, packages: &Packages, watcher: &Watcher) -> Option<String> {
    let Some(claimed) = packages.contents().get(&id.package) else { return Some(REMOVED.to_owned()) };
    let newest = claimed.last()?;
    match watcher.outcomes.get(newest.as_str()) {
        // It is looked at in a moment, and takes over.
        None => None,
        Some(known) if known.failed || known.withdrawn => {
            (!claimed.contains(id)).then(|| format!("replaced by {newest}"))
        }
        Some(known) if known.image.as_deref() == Some(name) => None,
        Some(_) if newest == id => Some("its package is no boot image any more".to_owned()),
        Some(_) => Some(format!("replaced by {newest}")),
    }
}

/// Removes retired images, and versions of contents that nothing claims, once no machine has read
/// them for as long as a boot may take. Gives the images that are removed.
fn sweep_out(
    store: &Store,
    packages: &Packages,
    catalogue: &Catalogue,
    now: u64,
) -> Result<Vec<String>, StoreError> {
    let leased = store.leased()?;
    let is_done = |retired: &Retired| now.saturating_sub(retired.at) >= LINGER.as_secs();
    let (mut removed, mut is_changed) = (Vec::new(), false);
    for (name, record) in &catalogue.images {
        let is_leased = record.versions.iter().any(|version| leased.contains(&version.manifest));
        if record.retired.as_ref().is_some_and(is_done) && !is_leased {
            store.write()?.remove(name, None)?;
            info!(image = name, "retired image removed: no machine runs from it");
            removed.push(name.clone());
            is_changed = true;
        }
        if record.retired.is_none() {
            for version in old_versions(record, packages).filter(|version| !leased.contains(version)) {
                store.write()?.remove(name, Some(version))?;
                is_changed = true;
            }
        }
    }
    if is_changed {
        store.write().and_then(Writer::collect)?;
    }
    Ok(removed)
}

/// Versions that came from contents which the site has replaced.
fn old_versions<'a>(record: &'a ImageRecord, packages: &'a Packages) -> impl Iterator<Item = Digest> + 'a {
    let is_claimed =
        |id: &ContentId| packages.contents().get(&id.package).is_some_and(|ids| ids.contains(id));
    let versions = record.versions.iter().filter(|version| version.manifest != record.current);
    let old = versions
        .filter(move |version| ContentId::of_source(&version.source).is_some_and(|id| !is_claimed(&id)));
    old.map(|version| version.manifest)
}

fn id_of(record: &ImageRecord) -> Option<ContentId> {
    ContentId::of_source(&record.current()?.source)
}

/// The time between two sweeps.
const SWEEP: Duration = Duration::from_secs(60);
/// A machine may have been sent to an image just before that was retired.
const LINGER: Duration = Duration::from_secs(600);
