use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use std::time::Duration;

use super::*;
use crate::StoreLimits;

/// Hands pieces over one at a time, when it is told to.
#[derive(Debug)]
struct Stepwise {
    pieces: Vec<Vec<u8>>,
    go: Mutex<Receiver<()>>,
    fetches: AtomicUsize,
}

impl Origin for Stepwise {
    fn fetch(&self, _: &Digest, to: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        for piece in &self.pieces {
            self.go.lock().recv().map_err(io::Error::other)?;
            to(piece)?;
        }
        Ok(())
    }
}

fn cache(pieces: &[&[u8]], limit: u64) -> (tempfile::TempDir, Arc<Cache>, Arc<Stepwise>, Sender<()>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), StoreLimits::default()).unwrap();
    let (sender, go) = channel();
    let pieces = pieces.iter().map(|piece| piece.to_vec()).collect();
    let origin = Arc::new(Stepwise { pieces, go: Mutex::new(go), fetches: AtomicUsize::new(0) });
    let cache = Arc::new(Cache::new(store, Arc::clone(&origin) as Arc<dyn Origin>, limit));
    (folder, cache, origin, sender)
}

fn read(file: &BootFile, offset: u64, count: usize) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; count];
    file.read_exact_at(offset, &mut bytes).map(|()| bytes).map_err(|error| error.to_string())
}

fn settled(cache: &Cache) {
    while !cache.filling.lock().is_empty() {
        thread::yield_now();
    }
}

#[test]
fn a_blob_is_served_while_it_comes_and_fetched_once() {
    let (_folder, cache, origin, go) = cache(&[b"first ", b"second"], 1000);
    let digest = Digest::compute(b"first second");
    let (one, two) = (cache.open(&digest, 12).unwrap(), cache.open(&digest, 12).unwrap());
    go.send(()).unwrap();
    assert_eq!(read(&one, 0, 6).unwrap(), b"first ");
    assert_eq!(read(&two, 3, 3).unwrap(), b"st ");
    go.send(()).unwrap();
    assert_eq!(read(&two, 6, 6).unwrap(), b"second");
    settled(&cache);
    assert_eq!(read(&cache.open(&digest, 12).unwrap(), 0, 12).unwrap(), b"first second");
    assert_eq!((origin.fetches.load(Ordering::SeqCst), one.etag()), (1, format!("\"{digest}\"").into()));
}

#[test]
fn nobody_gets_the_last_byte_of_a_damaged_blob() {
    let (_folder, cache, _, go) = cache(&[b"first ", b"sEcond"], 1000);
    let digest = Digest::compute(b"first second");
    let file = cache.open(&digest, 12).unwrap();
    go.send(()).unwrap();
    assert_eq!(read(&file, 0, 6).unwrap(), b"first ");
    go.send(()).unwrap();
    assert!(read(&file, 6, 6).is_err());
    settled(&cache);
    assert!(!cache.store.contains(&digest));
    assert_eq!(fs::read_dir(cache.store.root().join("filling")).unwrap().count(), 0);
}

#[test]
fn an_origin_that_sends_too_much_is_cut_off() {
    let (_folder, cache, _, go) = cache(&[b"first second"], 1000);
    let file = cache.open(&Digest::compute(b"first"), 5).unwrap();
    go.send(()).unwrap();
    assert!(read(&file, 0, 5).is_err());
}

#[test]
fn what_was_not_used_for_longest_leaves_when_room_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), StoreLimits::default()).unwrap();
    #[derive(Debug)]
    struct Any(Mutex<HashMap<Digest, Vec<u8>>>);
    impl Origin for Any {
        fn fetch(&self, digest: &Digest, to: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
            to(&self.0.lock()[digest])
        }
    }
    let blobs: Vec<Vec<u8>> = (0..4_u8).map(|n| vec![n; 100]).collect();
    let digests: Vec<Digest> = blobs.iter().map(|blob| Digest::compute(blob)).collect();
    let origin = Any(Mutex::new(digests.iter().copied().zip(blobs).collect()));
    let cache = Arc::new(Cache::new(store, Arc::new(origin), 250));
    for (at, digest) in digests.iter().enumerate() {
        read(&cache.open(digest, 100).unwrap(), 0, 100).unwrap();
        settled(&cache);
        // Uses a second apart, without waiting for it.
        let used = SystemTime::UNIX_EPOCH + Duration::from_secs(at as u64);
        File::open(cache.store.cached_path(digest)).unwrap().set_modified(used).unwrap();
    }
    let here: Vec<bool> = digests.iter().map(|digest| cache.store.contains(digest)).collect();
    assert_eq!(here, [false, false, true, true]);
    cache.store.write().unwrap().collect().unwrap();
    assert!(cache.store.contains(&digests[3]), "what is cached is not collected");
}

#[test]
fn what_an_image_here_needs_is_no_longer_the_caches_to_remove() {
    let (_folder, cache, _, go) = cache(&[b"first second"], 1);
    let digest = Digest::compute(b"first second");
    let file = cache.open(&digest, 12).unwrap();
    go.send(()).unwrap();
    read(&file, 0, 12).unwrap();
    settled(&cache);
    let mut writer = cache.store.write().unwrap();
    let taken = writer.put(std::path::Path::new("a"), &mut &b"first second"[..], &mut crate::Quiet).unwrap();
    assert_eq!(taken.0, digest);
    writer.commit_blobs(&mut crate::Quiet).unwrap();
    cache.evict(&Digest::compute(b"another"));
    assert!(cache.store.contains(&digest));
}
