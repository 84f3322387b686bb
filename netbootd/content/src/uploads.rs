//! Uploads: an image that comes over the network in pieces, until it can be imported.
//!
//! An upload is a folder in the store's `uploads`, with what was announced in `announced.json` and
//! the bytes so far in `bytes`. Its id follows from what was announced, so that a client that
//! begins anew, after a reload of its page or a restart of netbootd, goes on where it stopped. Each
//! piece is on the disk before its answer. An upload that no client continues for a day
//! is removed.

mod error;
mod folder;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::time::{Duration, SystemTime};

use imagestore::ingest::{Import, Imported, IngestError, import};
use imagestore::{BootPath, Digest, Observer, Store, StoreError};
use netbootd_net::with_causes;
use netbootd_telemetry::event::{Event, ImageTaken};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use self::folder::{
    ANNOUNCED, BYTES, ID_DIGITS, NAMED, announced, bytes_of, digest_of, file_name, folder, ids, place_of,
};
use crate::secure_boot::missing_pairs;
use crate::shares::check_info;
use crate::watch::{Notes, begin};

pub use error::UploadError;

/// The uploads of a store. Their bytes are on the disk; only their work is in memory.
#[derive(Debug, Default)]
pub struct Uploads {
    work: Mutex<BTreeMap<String, Work>>,
}

/// A client's announcement before its first piece.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    /// The file's name: its ending says how it is imported, its stem names the image.
    pub file: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, if the client knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// The image's name, if it is not the file's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Tells files of one name and size apart: the time of their last change, as the client has it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub modified: String,
}

/// An upload, for operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UploadView {
    /// 24 hex digits of the SHA-256 of its announcement.
    pub id: String,
    pub file: String,
    /// Its size in bytes, as announced.
    pub size: u64,
    /// The bytes that are here: the next piece begins with this one.
    pub offset: u64,
    /// `receiving`, `importing` or `failed`.
    pub state: &'static str,
    /// The error chain of a failed import.
    pub error: Option<String>,
}

#[derive(Debug, Clone)]
enum Work {
    /// A piece is being written.
    Writing,
    Importing,
    Failed(String),
}

impl Announced {
    /// Follows from everything that was announced.
    fn id(&self) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default(); // plain structs always have a JSON form
        Digest::compute(&text).to_string()[..ID_DIGITS].to_owned()
    }

    fn check(&self) -> Result<(), UploadError> {
        let is_name = |name: &str| {
            BootPath::parse(name.as_bytes()).is_ok()
                && !name.contains(['/', '\\', '\0'])
                && !name.starts_with('.')
                && name.len() <= LONGEST_NAME
        };
        for name in std::iter::once(&self.file).chain(&self.image) {
            if !is_name(name) {
                return Err(UploadError::Name(name.chars().take(LONGEST_NAME).collect()));
            }
        }
        if self.size == 0 { Err(UploadError::Empty) } else { Ok(()) }
    }
}

impl Uploads {
    /// Begins an upload, or goes on with the one that was announced in the same words.
    pub fn begin(
        &self,
        store: &Store,
        announced: &Announced,
        now: SystemTime,
    ) -> Result<UploadView, UploadError> {
        announced.check()?;
        self.sweep(store, now);
        let id = announced.id();
        if let Ok(known) = self.view(store, &id) {
            if matches!(self.work.lock().get(&id), Some(Work::Failed(_))) {
                // The bytes were refused: it begins anew.
                self.remove(store, &id)?;
            } else {
                return Ok(known);
            }
        }
        let known = self.list(store);
        if known.len() >= MOST {
            return Err(UploadError::TooMany);
        }
        // Room for what is announced already, for this one, and for its copy in the store.
        let coming: u64 = known.iter().map(|upload| upload.size.saturating_sub(upload.offset)).sum();
        store.check_room(announced.size.saturating_mul(2).saturating_add(coming))?;
        let folder = folder(store, &id);
        fs::create_dir_all(&folder)?;
        File::options().create(true).truncate(false).write(true).open(folder.join(BYTES))?;
        let text = serde_json::to_vec(announced).map_err(io::Error::other)?;
        fs::write(folder.join(ANNOUNCED), text)?;
        self.view(store, &id)
    }

    /// Appends a piece; it is on the disk when this returns.
    pub fn put(&self, store: &Store, id: &str, offset: u64, piece: &[u8]) -> Result<UploadView, UploadError> {
        let announced = announced(store, id)?;
        if piece.is_empty() {
            return Err(UploadError::Empty);
        }
        let turn = self.turn(id, Work::Writing)?;
        let mut file = File::options().write(true).open(folder(store, id).join(BYTES))?;
        let have = file.metadata()?.len();
        if offset != have {
            return Err(UploadError::Offset { offset: have, sent: offset });
        }
        let sent = have.saturating_add(piece.len() as u64);
        if sent > announced.size {
            return Err(UploadError::TooLong { size: announced.size, sent });
        }
        file.seek(SeekFrom::Start(have))?;
        let written = file.write_all(piece).and_then(|()| file.sync_data());
        if let Err(error) = written {
            // Half a piece would be taken for a whole one.
            file.set_len(have)?;
            return Err(error.into());
        }
        drop(turn);
        self.view(store, id)
    }

    /// Begins the import of a complete upload: the caller hands what it gets to
    /// [`Uploads::import`].
    pub fn finish(&self, store: &Store, id: &str) -> Result<(), UploadError> {
        let announced = announced(store, id)?;
        let offset = bytes_of(store, id, &announced);
        if offset < announced.size {
            return Err(UploadError::Incomplete { offset, size: announced.size });
        }
        let mut work = self.work.lock();
        if matches!(work.get(id), Some(Work::Writing | Work::Importing)) {
            return Err(UploadError::Busy);
        }
        work.insert(id.to_owned(), Work::Importing);
        Ok(())
    }

    /// Compares the digest and imports the file; the upload is gone afterwards, or says why it
    /// failed. Reads and writes the disk for as long as that takes.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while another process writes to the store: the caller tries again.
    pub fn import(
        &self,
        store: &Store,
        id: &str,
        observer: &mut dyn Observer,
        now: SystemTime,
    ) -> Result<Imported, UploadError> {
        let imported = import_file(store, id, observer, now);
        match &imported {
            Err(UploadError::Import(IngestError::Store(StoreError::Busy))) => {}
            Ok(_) => {
                let _ = fs::remove_dir_all(folder(store, id)); // swept after a day otherwise
                self.work.lock().remove(id);
            }
            Err(error) => {
                self.work.lock().insert(id.to_owned(), Work::Failed(with_causes(error)));
            }
        }
        imported
    }

    /// The same, with the events and the progress that operators see. False while another process
    /// writes to the store: the caller tries again.
    pub fn import_noted(&self, store: &Store, id: &str, notes: &Notes<'_>) -> bool {
        if matches!(store.write(), Err(StoreError::Busy)) {
            return false;
        }
        let source = file_name(store, id).unwrap_or_default();
        let mut watched = begin(notes, &source);
        let (image, detail) = match self.import(store, id, &mut watched, SystemTime::now()) {
            Err(UploadError::Import(IngestError::Store(StoreError::Busy))) => return false,
            Ok(imported) => {
                (Some(imported.name), Some(imported.findings.join("; ")).filter(|text| !text.is_empty()))
            }
            Err(error) => (None, Some(with_causes(&error))),
        };
        notes.recorder.record(Event::ImageTaken(ImageTaken { source, image, detail }));
        true
    }

    pub fn view(&self, store: &Store, id: &str) -> Result<UploadView, UploadError> {
        let announced = announced(store, id)?;
        let (state, error) = match self.work.lock().get(id) {
            Some(Work::Importing) => ("importing", None),
            Some(Work::Failed(why)) => ("failed", Some(why.clone())),
            Some(Work::Writing) | None => ("receiving", None),
        };
        let offset = bytes_of(store, id, &announced);
        Ok(UploadView { id: id.to_owned(), file: announced.file, size: announced.size, offset, state, error })
    }

    /// All uploads, by their ids.
    pub fn list(&self, store: &Store) -> Vec<UploadView> {
        ids(store).iter().filter_map(|id| self.view(store, id).ok()).collect()
    }

    /// Removes an upload and its bytes.
    pub fn remove(&self, store: &Store, id: &str) -> Result<(), UploadError> {
        announced(store, id)?;
        let mut work = self.work.lock();
        if matches!(work.get(id), Some(Work::Writing | Work::Importing)) {
            return Err(UploadError::Busy);
        }
        fs::remove_dir_all(folder(store, id))?;
        work.remove(id);
        Ok(())
    }

    /// Removes the uploads that no client continued for a day.
    pub fn sweep(&self, store: &Store, now: SystemTime) {
        for id in ids(store) {
            let place = folder(store, &id);
            let changed = fs::metadata(place.join(BYTES)).or_else(|_| fs::metadata(&place));
            let age = changed.and_then(|data| data.modified()).ok();
            let age = age.and_then(|at| now.duration_since(at).ok()).unwrap_or_default();
            let mut work = self.work.lock();
            if age < KEPT || matches!(work.get(&id), Some(Work::Writing | Work::Importing)) {
                continue;
            }
            match fs::remove_dir_all(&place) {
                Ok(()) => drop(work.remove(&id)),
                Err(error) => tracing::warn!(%error, upload = id, "an abandoned upload cannot be removed"),
            }
        }
    }

    fn turn(&self, id: &str, work: Work) -> Result<Turn<'_>, UploadError> {
        let mut under_way = self.work.lock();
        if under_way.contains_key(id) {
            return Err(UploadError::Busy);
        }
        under_way.insert(id.to_owned(), work);
        Ok(Turn { uploads: self, id: id.to_owned() })
    }
}

/// Holds an upload while a piece is written.
struct Turn<'a> {
    uploads: &'a Uploads,
    id: String,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.uploads.work.lock().remove(&self.id);
    }
}

fn import_file(
    store: &Store,
    id: &str,
    observer: &mut dyn Observer,
    now: SystemTime,
) -> Result<Imported, UploadError> {
    let announced = announced(store, id)?;
    let bytes = place_of(store, id, &announced);
    if let Some(wanted) = announced.sha256 {
        let found = digest_of(&bytes)?;
        if found != wanted {
            return Err(UploadError::Digest { found, announced: wanted });
        }
    }
    // The import reads the image's kind and name off the file's name.
    let named = folder(store, id).join(NAMED);
    let file = named.join(&announced.file);
    if bytes != file {
        fs::create_dir_all(&named)?;
        fs::rename(&bytes, &file)?;
    }
    let at = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let wanted = Import {
        name: announced.image,
        at,
        check_info: Some(check_info),
        remarks: Some(missing_pairs),
        source: Some(format!("{} (uploaded)", announced.file)),
        ..Import::default()
    };
    Ok(import(store, &file, wanted, observer)?)
}

/// Bytes of a file's name; most file systems take 255.
const LONGEST_NAME: usize = 200;
/// Uploads at a time.
const MOST: usize = 16;
/// An upload that no client continues for this long is removed.
const KEPT: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests;
