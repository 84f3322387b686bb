//! `netbootd image remove` and `netbootd image tag`: both take a version away from new machines, and leave it to those that run from it.

use std::collections::BTreeMap;

use imagestore::{Digest, ImageRecord, Store, StoreError, Writer};

use super::super::Failure;
use super::{collect, failure, now, record};
use crate::cli::out::outln;

/// Removes an image or one of its versions. An image that machines run from is announced to nobody, and goes once they are done.
pub(super) fn remove(store: &Store, name: &str, version: Option<&str>) -> Result<(), Failure> {
    let record = record(store, name)?;
    let version = version.map(|text| version_of(name, &record, text)).transpose()?;
    let versions: Vec<Digest> = match version {
        Some(version) => vec![version],
        None => record.versions.iter().map(|version| version.manifest).collect(),
    };
    let leased = store.leased().map_err(failure)?;
    let is_read = versions.iter().any(|version| leased.contains(version));
    if is_read && version.is_none() {
        let retire = |writer: Writer| writer.retire(&[name.to_owned()], now(), ImageRecord::REMOVED);
        store.write().and_then(retire).map_err(failure)?;
    } else {
        store.write().and_then(|writer| writer.remove(name, version)).map_err(failure)?;
    }
    if is_read {
        outln!(
            "{}",
            running(store, &versions, "they keep access; it is deleted once it was not read for two hours")
        );
    }
    collect(store)
}

/// Makes a version the one that is served, and gives it labels.
pub(super) fn tag(
    store: &Store,
    name: &str,
    version: Option<&str>,
    labels: &[(String, String)],
) -> Result<(), Failure> {
    let before = record(store, name)?;
    let version = version.map(|text| version_of(name, &before, text)).transpose()?;
    let tagged = store.write().and_then(|writer| writer.tag(name, version, labels)).map_err(failure)?;
    let leased = store.leased().map_err(failure)?;
    if tagged.current != before.current && leased.contains(&before.current) {
        outln!("{}", running(store, &[before.current], "they continue with the previous version"));
    }
    outln!("{}", tagged.current);
    Ok(())
}

/// The version of an image that a text names: all digits of it, or as many as no other version begins with.
fn version_of(name: &str, record: &ImageRecord, text: &str) -> Result<Digest, Failure> {
    let wanted = text.to_ascii_lowercase();
    let known = record.versions.iter().map(|version| version.manifest);
    let found: Vec<Digest> = known.filter(|digest| digest.to_string().starts_with(&wanted)).collect();
    match found.as_slice() {
        [digest] if wanted.len() >= MIN_DIGITS => Ok(*digest),
        [_] => {
            Err(Failure::NoAnswer(format!("{text:?} is too short for a version: give {MIN_DIGITS} digits")))
        }
        [] => Err(failure(StoreError::NoVersion { name: name.to_owned(), version: text.to_owned() })),
        several => {
            let several: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(Failure::NoAnswer(format!("several versions begin with {text}: {}", several.join(", "))))
        }
    }
}

/// Which machines run from these versions, and what that means for them.
fn running(store: &Store, versions: &[Digest], so: &str) -> String {
    let mut machines = BTreeMap::new();
    for runner in versions.iter().flat_map(|version| store.runners(version)) {
        machines.insert(runner.client, runner.mac);
    }
    let shown = machines.iter().take(MAX_SHOWN).map(|(client, mac)| match mac {
        Some(mac) => format!("{mac} ({client})"),
        None => client.clone(),
    });
    let shown = shown.collect::<Vec<_>>().join(", ");
    match machines.len() {
        0 => format!("machines have read it in the last two hours: {so}"),
        1 => format!("1 machine ran from it in the last two hours, {shown}: {so}"),
        count if count > MAX_SHOWN => {
            format!(
                "{count} machines ran from it in the last two hours, {shown} and {} more: {so}",
                count - MAX_SHOWN
            )
        }
        count => format!("{count} machines ran from it in the last two hours, {shown}: {so}"),
    }
}

/// Digits that tell versions apart; fewer are a mistake.
const MIN_DIGITS: usize = 4;
const MAX_SHOWN: usize = 20;
