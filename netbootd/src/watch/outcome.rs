//! What came of each source of images, kept in the store's folder.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use imagestore::Store;
use imagestore::ingest::PackageUse;
use serde::{Deserialize, Serialize};

/// What came of each source, by its path or content id.
pub type Outcomes = BTreeMap<String, Outcome>;

/// What came of one source.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outcome {
    pub(super) look: Look,
    /// The image's name, when it was taken in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Why it was not, or what is to know about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) failed: bool,
    /// An ordinary package: it holds nothing to boot and nothing to offer.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ordinary: bool,
    /// Its image was taken back.
    #[serde(default, skip_serializing_if = "is_false")]
    pub withdrawn: bool,
    /// How the package was used when it was judged; None for a source that is no package, and in the files of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) package: Option<PackageUse>,
}

/// What a source looks like from outside. Equal looks mean that nobody has written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Look {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) changed: i64,
}

impl Outcome {
    /// In a word or two, for a table.
    pub fn state(&self) -> String {
        match &self.image {
            Some(_) if self.withdrawn => "withdrawn".to_owned(),
            Some(name) => format!("image {name}"),
            None if self.ordinary => "ordinary".to_owned(),
            None => "refused".to_owned(),
        }
    }
}

/// What came of every source of a store.
pub fn outcomes(store: &Store) -> Outcomes {
    let text = fs::read(place(store)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default() // at worst everything is looked at once more
}

pub(super) fn save(store: &Store, outcomes: &Outcomes) -> io::Result<()> {
    let place = place(store);
    let temporary = place.with_extension("new");
    fs::write(&temporary, serde_json::to_vec(outcomes)?)?;
    fs::rename(temporary, place)
}

fn place(store: &Store) -> PathBuf {
    store.root().join("sources.json")
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_false(value: &bool) -> bool {
    !*value
}
