//! Blobs that come from elsewhere when they are asked for, and stay for as long as there is room.
//!
//! A blob is served while it still comes in. Its last byte is held back until the whole has the
//! digest that it should have: no client ever gets all of a damaged file.

mod filling;

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::SystemTime;

pub use filling::{FillError, Filling};
use parking_lot::Mutex;

use crate::platform;
use crate::store::io_error;
use crate::{BootFile, Digest, Digester, Store, StoreError};

/// Where blobs come from.
pub trait Origin: Send + Sync + fmt::Debug {
    /// Fetches a blob, handing its bytes over in order.
    fn fetch(&self, digest: &Digest, to: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()>;
}

/// The blobs of an origin, as far as they are here.
#[derive(Debug)]
pub struct Cache {
    store: Store,
    origin: Arc<dyn Origin>,
    limit: u64,
    filling: Mutex<HashMap<Digest, Arc<Filling>>>,
}

impl Cache {
    /// Of an origin, in a store; what came from it takes at most `limit` bytes. A store has one
    /// cache at a time: what another left half-filled is swept.
    pub fn new(store: Store, origin: Arc<dyn Origin>, limit: u64) -> Self {
        for left in fs::read_dir(store.root().join("filling")).into_iter().flatten().flatten() {
            let _ = fs::remove_file(left.path()); // it only takes room
        }
        Cache { store, origin, limit, filling: Mutex::default() }
    }

    /// Opens a blob of `len` bytes: one that is here, or one that begins to come in now. Many who
    /// ask at once share one fetch.
    pub fn open(self: &Arc<Self>, digest: &Digest, len: u64) -> Result<BootFile, StoreError> {
        if let Ok(blob) = self.store.blob(digest) {
            self.touch(digest);
            return Ok(blob);
        }
        let mut filling = self.filling.lock();
        if let Some(coming) = filling.get(digest) {
            return Ok(BootFile::of_filling(Arc::clone(coming), digest));
        }
        // It may have arrived between the look and the lock.
        if let Ok(blob) = self.store.blob(digest) {
            return Ok(blob);
        }
        let place = self.store.root().join("filling").join(format!("{digest}.{}", std::process::id()));
        let file = File::options().create(true).truncate(true).read(true).write(true).open(&place);
        let file = file.map_err(io_error("write", &place))?;
        let coming = Arc::new(Filling::new(file, len));
        filling.insert(*digest, Arc::clone(&coming));
        let (cache, digest, fill) = (Arc::clone(self), *digest, Arc::clone(&coming));
        let started =
            thread::Builder::new().name("fill".into()).spawn(move || cache.fill(&digest, &fill, place));
        started.map_err(io_error("start filling", self.store.root()))?;
        Ok(BootFile::of_filling(coming, &digest))
    }

    /// All of a small blob.
    pub fn whole(self: &Arc<Self>, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        if let Ok(blob) = self.store.blob(digest) {
            let mut bytes = Vec::new();
            blob.copy_to(&mut bytes).map_err(io_error("read", self.store.root()))?;
            return Ok(bytes);
        }
        let mut bytes = Vec::new();
        let fetched = self.origin.fetch(digest, &mut |piece| {
            if bytes.len() + piece.len() > MAX_SMALL {
                return Err(io::Error::other("it is larger than a manifest ever is"));
            }
            bytes.extend_from_slice(piece);
            Ok(())
        });
        fetched.map_err(io_error("fetch", &PathBuf::from(digest.to_string())))?;
        if Digest::compute(&bytes) != *digest {
            return Err(StoreError::Blob { digest: *digest, what: "not what the origin sends" });
        }
        Ok(bytes)
    }

    fn fill(&self, digest: &Digest, filling: &Filling, place: PathBuf) {
        let filled = self.take_in(digest, filling, &place);
        if filled.is_err() {
            let _ = fs::remove_file(&place); // swept at the next start otherwise
        }
        filling.end(filled.map_err(FillError::failed));
        // Nothing of this fetch is under way any more once it is off the list.
        self.evict(digest);
        self.filling.lock().remove(digest);
    }

    fn take_in(&self, digest: &Digest, filling: &Filling, place: &PathBuf) -> io::Result<()> {
        let mut digester = Digester::default();
        let mut size = 0;
        self.origin.fetch(digest, &mut |piece| {
            size += piece.len() as u64;
            digester.update(piece);
            filling.put(piece)
        })?;
        if size != filling.len() || digester.finish() != *digest {
            return Err(io::Error::other("the origin's bytes are not what their name says"));
        }
        platform::make_read_only(filling.file())?;
        filling.file().sync_all()?;
        let to = self.store.blob_path(digest);
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        self.mark(digest)?;
        fs::rename(place, &to)
    }

    /// When a blob was last used is the time of its mark.
    fn mark(&self, digest: &Digest) -> io::Result<()> {
        File::create(self.store.cached_path(digest))?.set_modified(SystemTime::now())
    }

    fn touch(&self, digest: &Digest) {
        let path = self.store.cached_path(digest);
        if path.exists() {
            let _ = self.mark(digest); // it only leaves a little earlier
        }
    }

    /// Makes room: those not used for longest leave, but not the one that just came. Open files are
    /// served to their end.
    fn evict(&self, newest: &Digest) {
        let Ok(marks) = fs::read_dir(self.store.root().join("cached")) else { return };
        let mut cached: Vec<(SystemTime, Digest, u64)> = Vec::new();
        for mark in marks.flatten() {
            let digest = mark.file_name().to_str().and_then(|name| name.parse::<Digest>().ok());
            let Some(digest) = digest else { continue };
            let used = mark.metadata().and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            let size = fs::metadata(self.store.blob_path(&digest)).map_or(0, |data| data.len());
            cached.push((used, digest, size));
        }
        cached.sort();
        let mut total: u64 = cached.iter().map(|(.., size)| size).sum();
        for (_, digest, size) in cached {
            if total <= self.limit {
                return;
            }
            // Removing the mark decides: if it is gone, a writer that holds the blob for an image
            // removed it first.
            if digest != *newest && fs::remove_file(self.store.cached_path(&digest)).is_ok() {
                // A blob that stays without a mark is collected.
                let _ = fs::remove_file(self.store.blob_path(&digest));
                total = total.saturating_sub(size);
            }
        }
    }
}

/// Manifests of images with tens of thousands of files.
const MAX_SMALL: usize = 64 << 20;

#[cfg(test)]
mod tests;
