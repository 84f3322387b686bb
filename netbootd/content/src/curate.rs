//! Operators' changes to images of the store: choose the served version, label, remove. New
//! machines get the served version from then on; machines that run from another version keep it.

use std::collections::BTreeMap;

use imagestore::{Collected, Digest, ImageRecord, Runner, Store, StoreError, Writer};
use thiserror::Error;

/// An image, or a version of it, that was removed.
#[derive(Debug)]
pub struct Removed {
    /// The blobs that were removed with it.
    pub collected: Collected,
    /// The machines that ran from it, if it was read in the last two hours.
    pub note: Option<String>,
}

/// An image whose labels or served version were changed.
#[derive(Debug)]
pub struct Tagged {
    /// The image as it is now.
    pub record: ImageRecord,
    /// The machines that ran from the version that was served before.
    pub note: Option<String>,
}

/// Why an image stays as it is.
#[derive(Debug, Error)]
pub enum CurateError {
    /// The store refuses it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too few digits of a version.
    #[error("{0:?} is too short for a version: give {MIN_DIGITS} digits")]
    TooShort(String),
    /// Digits that several versions begin with.
    #[error("several versions begin with {digits}: {}", versions.join(", "))]
    Several {
        /// Hexadecimal, as the operator wrote them.
        digits: String,
        /// The versions that begin with them.
        versions: Vec<String>,
    },
}

/// The record of an image.
pub fn record(store: &Store, name: &str) -> Result<ImageRecord, StoreError> {
    store.catalogue()?.images.remove(name).ok_or_else(|| StoreError::NoImage(name.to_owned()))
}

/// Removes an image or one of its versions. An image that machines run from is announced no more,
/// and removed once they are done. `now` is in seconds since 1970.
pub fn remove(store: &Store, name: &str, version: Option<&str>, now: u64) -> Result<Removed, CurateError> {
    let record = record(store, name)?;
    let version = version.map(|text| version_of(name, &record, text)).transpose()?;
    let versions: Vec<Digest> = match version {
        Some(version) => vec![version],
        None => record.versions.iter().map(|version| version.manifest).collect(),
    };
    let leased = store.leased()?;
    let is_read = versions.iter().any(|version| leased.contains(version));
    if is_read && version.is_none() {
        store.write()?.retire(&[name.to_owned()], now, ImageRecord::REMOVED)?;
    } else {
        store.write()?.remove(name, version)?;
    }
    let so = "they keep access; it is deleted once it was not read for two hours";
    let note = is_read.then(|| running(&runners(store, &versions), so));
    Ok(Removed { collected: store.write().and_then(Writer::collect)?, note })
}

/// Makes a version the one that is served, and gives it labels; an empty value removes a label.
pub fn tag(
    store: &Store,
    name: &str,
    version: Option<&str>,
    labels: &[(String, String)],
) -> Result<Tagged, CurateError> {
    let before = record(store, name)?;
    let version = version.map(|text| version_of(name, &before, text)).transpose()?;
    let record = store.write()?.tag(name, version, labels)?;
    let replaced = record.current != before.current && store.leased()?.contains(&before.current);
    let runners = || runners(store, &[before.current]);
    let note = replaced.then(|| running(&runners(), "they continue with the previous version"));
    Ok(Tagged { record, note })
}

/// The version of an image that a text names: all digits of it, or as many as no other version
/// begins with.
fn version_of(name: &str, record: &ImageRecord, text: &str) -> Result<Digest, CurateError> {
    let wanted = text.to_ascii_lowercase();
    let known = record.versions.iter().map(|version| version.manifest);
    let found: Vec<Digest> = known.filter(|digest| digest.to_string().starts_with(&wanted)).collect();
    match found.as_slice() {
        [digest] if wanted.len() >= MIN_DIGITS => Ok(*digest),
        [_] => Err(CurateError::TooShort(text.to_owned())),
        [] => Err(StoreError::NoVersion { name: name.to_owned(), version: text.to_owned() }.into()),
        several => {
            let versions = several.iter().map(ToString::to_string).collect();
            Err(CurateError::Several { digits: text.to_owned(), versions })
        }
    }
}

/// The machines that ran from these versions in the last two hours, each once.
pub fn runners(store: &Store, versions: &[Digest]) -> Vec<Runner> {
    let all = versions.iter().flat_map(|version| store.runners(version));
    let by_client: BTreeMap<String, Runner> = all.map(|runner| (runner.client.clone(), runner)).collect();
    by_client.into_values().collect()
}

/// The machines that run from versions, and what happens to them.
fn running(machines: &[Runner], so: &str) -> String {
    let shown = machines.iter().take(MAX_SHOWN).map(|Runner { client, mac, .. }| match mac {
        Some(mac) => format!("{mac} ({client})"),
        None => client.clone(),
    });
    let shown = shown.collect::<Vec<_>>().join(", ");
    match machines.len() {
        0 => format!("machines have read it in the last two hours: {so}"),
        1 => format!("1 machine ran from it in the last two hours, {shown}: {so}"),
        count if count > MAX_SHOWN => {
            let more = count - MAX_SHOWN;
            format!("{count} machines ran from it in the last two hours, {shown} and {more} more: {so}")
        }
        count => format!("{count} machines ran from it in the last two hours, {shown}: {so}"),
    }
}

/// Digits that tell versions apart; fewer are a mistake.
const MIN_DIGITS: usize = 4;
const MAX_SHOWN: usize = 20;
