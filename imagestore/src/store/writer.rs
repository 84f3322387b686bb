//! The one writer: takes bytes in, and commits an image when all of them are on the disk.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::catalogue::{self, ImageRecord, Version};
use super::{Observer, Quiet, Step, Store, StoreError, copying, io_error};
use crate::platform::{self, Lock};
use crate::{BootFile, Digest, Manifest};

/// The one writer of a store. Dropping it without a commit leaves nothing but leftovers, which it
/// sweeps.
#[derive(Debug)]
pub struct Writer {
    store: Store,
    _lock: Lock,
    session: PathBuf,
    staged: HashMap<Digest, Staged>,
    reserved: u64,
    files: u64,
    /// The sizes of the blobs that are no mere cache from the commit on, and were before.
    new: Vec<u64>,
}

/// A file of the store that another process writes.
#[derive(Debug)]
pub struct Prepared {
    place: PathBuf,
    file: File,
}

impl Prepared {
    /// The file, for that process.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

#[derive(Debug)]
struct Staged {
    file: PathBuf,
}

impl Writer {
    pub(super) fn begin(store: &Store) -> Result<Self, StoreError> {
        let path = store.root.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(io_error("open", &path))?;
        let lock = Lock::acquire(file).ok_or(StoreError::Busy)?;
        let incoming = store.root.join("incoming");
        for left in fs::read_dir(&incoming).map_err(io_error("list", &incoming))?.flatten() {
            let path = left.path();
            let swept = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            swept.map_err(io_error("remove", &path))?;
        }
        let session = incoming.join(std::process::id().to_string());
        fs::create_dir(&session).map_err(io_error("make", &session))?;
        Ok(Writer {
            store: store.clone(),
            _lock: lock,
            session,
            staged: HashMap::new(),
            reserved: 0,
            files: 0,
            new: Vec::new(),
        })
    }

    /// Says no before a long ingest that cannot end well. `bytes` are what will be new at most.
    pub fn reserve(&mut self, bytes: u64) -> Result<(), StoreError> {
        self.reserved += bytes;
        self.store.check_room(self.reserved)
    }

    /// The store that is written to.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Whether the bytes with this digest are here already, committed or about to be. A blob that
    /// was only cached is kept from then on.
    pub fn hold(&mut self, digest: &Digest) -> bool {
        if self.staged.contains_key(digest) {
            return true;
        }
        // Without its mark the cache does not make room with it; most blobs have none.
        if fs::remove_file(self.store.cached_path(digest)).is_ok()
            && let Ok(data) = self.store.blob_path(digest).metadata()
        {
            self.new.push(data.len());
        }
        self.store.contains(digest)
    }

    /// Opens bytes that were taken in, committed or about to be.
    pub fn blob(&self, digest: &Digest) -> Result<BootFile, StoreError> {
        let Some(Staged { file: place }) = self.staged.get(digest) else {
            return self.store.blob(digest);
        };
        let file = File::open(place).map_err(io_error("open", place))?;
        let metadata = file.metadata().map_err(io_error("read", place))?;
        Ok(BootFile::of_blob(file, &metadata, digest))
    }

    /// Where bytes lie that were taken in, committed or about to be.
    pub(crate) fn place_of(&self, digest: &Digest) -> PathBuf {
        match self.staged.get(digest) {
            Some(staged) => staged.file.clone(),
            None => self.store.blob_path(digest),
        }
    }

    /// Takes bytes in, hashing while they are copied. `name` is what an error calls them.
    pub fn put(
        &mut self,
        name: &Path,
        source: &mut dyn Read,
        observer: &mut dyn Observer,
    ) -> Result<(Digest, u64), StoreError> {
        let temporary = self.next_place();
        let mut file = File::create(&temporary).map_err(io_error("write", &temporary))?;
        match copying::copy(name, source, &temporary, &mut file, observer) {
            Ok(copied) => self.stage(name, temporary, &file, copied, observer),
            Err(error) => {
                let _ = fs::remove_file(&temporary); // swept by the next writer otherwise
                Err(error)
            }
        }
    }

    fn next_place(&mut self) -> PathBuf {
        self.files += 1;
        self.session.join(self.files.to_string())
    }

    /// Keeps bytes for the commit, unless they are here already.
    fn stage(
        &mut self,
        name: &Path,
        temporary: PathBuf,
        file: &File,
        (digest, size): (Digest, u64),
        observer: &mut dyn Observer,
    ) -> Result<(Digest, u64), StoreError> {
        if self.hold(&digest) {
            fs::remove_file(&temporary).map_err(io_error("remove", &temporary))?;
        } else {
            platform::make_read_only(file).map_err(io_error("write", name))?;
            self.new.push(size);
            self.staged.insert(digest, Staged { file: temporary });
        }
        observer.step(Step::Written);
        Ok((digest, size))
    }

    /// A file for bytes that another process will write.
    pub fn prepare(&mut self) -> Result<Prepared, StoreError> {
        let place = self.next_place();
        let file = File::options().create(true).truncate(true).read(true).write(true).open(&place);
        let file = file.map_err(io_error("write", &place))?;
        Ok(Prepared { place, file })
    }

    /// Takes in what is written to a prepared file, hashing it as it appears, until `has_ended`
    /// says that nothing more comes.
    pub fn put_prepared(
        &mut self,
        name: &Path,
        prepared: Prepared,
        has_ended: impl FnMut() -> bool,
        observer: &mut dyn Observer,
    ) -> Result<(Digest, u64), StoreError> {
        let Prepared { place, file } = prepared;
        let copied = copying::follow(&place, &file, has_ended, observer)?;
        self.stage(name, place, &file, copied, observer)
    }

    /// Takes a file in. When bytes of its size are here, it is read once to see whether it is they,
    /// before anything is written.
    pub fn put_file(
        &mut self,
        path: &Path,
        file: &mut File,
        known_sizes: &BTreeSet<u64>,
        observer: &mut dyn Observer,
    ) -> Result<(Digest, u64), StoreError> {
        let metadata = file.metadata().map_err(io_error("read", path))?;
        if known_sizes.contains(&metadata.len()) {
            let (digest, size) = copying::digest_of(path, file, observer)?;
            if self.hold(&digest) {
                return Ok((digest, size));
            }
            io::Seek::rewind(file).map_err(io_error("read", path))?;
            // Bytes of the same size, but others: nobody has reserved room for them.
            self.reserve(platform::allocated(path, &metadata))?;
            return self.put_shared(path, file, &mut Quiet); // its bytes have been counted
        }
        self.put_shared(path, file, observer)
    }

    /// Takes a file in by the system's own copying, which shares the bytes where the filesystem can
    /// (btrfs, XFS), and by ordinary reading where it cannot copy so at all.
    fn put_shared(
        &mut self,
        path: &Path,
        file: &mut File,
        observer: &mut dyn Observer,
    ) -> Result<(Digest, u64), StoreError> {
        let temporary = self.next_place();
        let copy = File::options().create(true).truncate(true).read(true).write(true).open(&temporary);
        let mut copy = copy.map_err(io_error("write", &temporary))?;
        let copied = match copying::holes_kept(path, file, &temporary, &mut copy, observer) {
            Ok(None) => copying::share(path, file, &temporary, &copy, observer),
            kept => kept,
        };
        match copied {
            Ok(Some(copied)) => self.stage(path, temporary, &copy, copied, observer),
            Ok(None) => self.put(path, file, observer),
            Err(error) => {
                let _ = fs::remove_file(&temporary); // swept by the next writer otherwise
                Err(error)
            }
        }
    }

    /// Makes a version of an image of bytes that were taken in, and makes it the image's current
    /// one. Gives the version.
    pub fn commit(
        mut self,
        name: &str,
        manifest: &Manifest,
        version: Version,
        observer: &mut dyn Observer,
    ) -> Result<ImageRecord, StoreError> {
        if crate::BootPath::parse(name.as_bytes()).is_err() || name.contains(['/', '\\', '\0']) {
            return Err(StoreError::Name(name.to_owned()));
        }
        let json = manifest.to_json();
        self.put(Path::new("manifest"), &mut json.as_slice(), &mut Quiet)?;
        self.publish(observer)?;
        // A blob that was here when it was taken in may have been withdrawn meanwhile.
        if let Some(gone) = manifest.files.iter().find(|file| !self.store.contains(&file.digest)) {
            return Err(StoreError::Blob { digest: gone.digest, what: "missing" });
        }
        let record = catalogue::add_version(&self.store.root, name, version, &self.new)?;
        observer.step(Step::Committed);
        Ok(record)
    }

    /// Takes blobs in without an image.
    #[cfg(test)]
    pub(crate) fn commit_blobs(mut self, observer: &mut dyn Observer) -> Result<(), StoreError> {
        self.publish(observer)?;
        super::sizes::add(&self.store.root, &self.new)
    }

    /// Sync, rename, sync: in this order nothing has a name in `blobs` whose bytes could be lost.
    fn publish(&mut self, observer: &mut dyn Observer) -> Result<(), StoreError> {
        sync_files(&self.session, &self.staged)?;
        observer.step(Step::Synced);
        let mut folders = BTreeSet::new();
        for (digest, staged) in self.staged.drain() {
            let to = self.store.blob_path(&digest);
            let folder = to.parent().unwrap_or(&self.store.root).to_owned();
            if !folder.exists() {
                fs::create_dir(&folder).map_err(io_error("make", &folder))?;
                folders.insert(self.store.root.join("blobs"));
            }
            fs::rename(&staged.file, &to).map_err(io_error("rename", &to))?;
            folders.insert(folder);
            observer.step(Step::Renamed);
        }
        if folders.len() > MANY && sync_filesystem(&self.store.root)? {
            folders.clear();
        }
        for folder in folders {
            platform::sync_folder(&folder).map_err(io_error("sync", &folder))?;
        }
        observer.step(Step::FoldersSynced);
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The next writer sweeps the rest.
        let _ = fs::remove_dir_all(&self.session);
    }
}

/// One file at a time, or the whole filesystem at once when there are many and the system can.
fn sync_files(session: &Path, staged: &HashMap<Digest, Staged>) -> Result<(), StoreError> {
    if staged.len() > MANY && sync_filesystem(session)? {
        return Ok(());
    }
    for Staged { file } in staged.values() {
        platform::sync_file(file).map_err(io_error("sync", file))?;
    }
    Ok(())
}

fn sync_filesystem(folder: &Path) -> Result<bool, StoreError> {
    platform::sync_filesystem(folder).map_err(io_error("sync", folder))
}

/// From here on one sync of the filesystem is cheaper than one of each file.
const MANY: usize = 64;
