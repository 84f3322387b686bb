//! The folder of an upload in the store.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use imagestore::{Digest, Digester, Store};

use super::{Announced, UploadError};

pub(super) fn digest_of(path: &Path) -> io::Result<Digest> {
    let (mut file, mut digester) = (File::open(path)?, Digester::default());
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digester.finish()),
            read => digester.update(&buffer[..read]),
        }
    }
}

/// The announcement of an upload.
pub(super) fn announced(store: &Store, id: &str) -> Result<Announced, UploadError> {
    let unknown = || UploadError::Unknown(id.chars().take(ID_DIGITS).collect());
    if !is_id(id) {
        return Err(unknown());
    }
    let text = fs::read(folder(store, id).join(ANNOUNCED)).map_err(|_| unknown())?;
    serde_json::from_slice(&text).map_err(|_| unknown())
}

/// The name of an upload's file.
pub(super) fn file_name(store: &Store, id: &str) -> Option<String> {
    announced(store, id).ok().map(|announced| announced.file)
}

pub(super) fn bytes_of(store: &Store, id: &str, announced: &Announced) -> u64 {
    fs::metadata(place_of(store, id, announced)).map_or(0, |data| data.len())
}

/// The bytes lie under the file's own name once their import has begun.
pub(super) fn place_of(store: &Store, id: &str, announced: &Announced) -> PathBuf {
    let bytes = folder(store, id).join(BYTES);
    if bytes.exists() { bytes } else { folder(store, id).join(NAMED).join(&announced.file) }
}

pub(super) fn ids(store: &Store) -> Vec<String> {
    let entries = fs::read_dir(store.root().join(FOLDER)).into_iter().flatten().flatten();
    let mut ids: Vec<String> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| is_id(name)).collect();
    ids.sort();
    ids
}

fn is_id(text: &str) -> bool {
    text.len() == ID_DIGITS && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

pub(super) fn folder(store: &Store, id: &str) -> PathBuf {
    store.root().join(FOLDER).join(id)
}

/// In the store's folder, so that uploads take the room of the store's disk.
const FOLDER: &str = "uploads";
pub(super) const BYTES: &str = "bytes";
pub(super) const NAMED: &str = "named";
pub(super) const ANNOUNCED: &str = "announced.json";
/// Hex digits of an id.
pub(super) const ID_DIGITS: usize = 24;
