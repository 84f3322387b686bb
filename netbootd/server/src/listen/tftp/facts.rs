//! The facts about a file that the first answer to a read request needs, so that a request that may
//! be forged opens no file during a flood.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;
use netbootd_content::{Content, Requested};
use netbootd_diagnosis::Configuration;
use netbootd_telemetry::event::Program;

use parking_lot::Mutex;

use super::refusals::shown;

/// A file as it was when its facts were read.
#[derive(Debug)]
pub(super) struct Facts {
    /// The path that its clients ask for.
    pub(super) path: Arc<Requested>,
    /// Its length in bytes.
    pub(super) len: u64,
    /// Its entity tag: the file that is opened at the first acknowledgement has to be this one.
    pub(super) etag: String,
    /// Its first block for a client that asks for no block size.
    pub(super) first: Box<[u8]>,
    /// Its header, when it is a program.
    pub(super) program: Option<Program>,
    /// The files that it names, when it is a configuration.
    pub(super) configuration: Option<Arc<Configuration>>,
}

/// Facts by the name that clients ask for. At most [`MAX_FILES`]; the one not asked for longest
/// leaves first.
#[derive(Debug)]
pub(super) struct FactsCache(Mutex<Files>);

/// Facts, and when they were read.
type Files = LruCache<Box<[u8]>, (Arc<Facts>, Instant)>;

impl Default for FactsCache {
    fn default() -> Self {
        FactsCache(Mutex::new(LruCache::new(MAX_FILES)))
    }
}

impl FactsCache {
    /// Facts that were read a moment ago.
    pub(super) fn recent(&self, filename: &[u8], now: Instant) -> Option<Arc<Facts>> {
        let mut files = self.0.lock();
        let (facts, read) = files.get(filename)?;
        (now.saturating_duration_since(*read) < MOMENT).then(|| Arc::clone(facts))
    }

    /// Reads the facts of a file that is the same for every client. None when it cannot be read, or
    /// changes meanwhile.
    pub(super) fn read(&self, path: &Arc<Requested>, content: &Content, now: Instant) -> Option<Arc<Facts>> {
        let length = content.len().min(tftp::DEFAULT_BLOCK_SIZE.into());
        let mut first = vec![0; usize::try_from(length).ok()?];
        content.read_exact_at(0, &mut first).ok()?;
        let name = shown(path.raw());
        let facts = Arc::new(Facts {
            path: Arc::clone(path),
            len: content.len(),
            etag: content.etag().into_owned(),
            first: first.into(),
            program: content.program(&name),
            configuration: content.configuration(&name),
        });
        content.check_unchanged().ok()?;
        let mut files = self.0.lock();
        files.put(path.raw().into(), (Arc::clone(&facts), now));
        Some(facts)
    }
}

/// As long as a boot file that was seen counts as there (`EXISTENCE_COUNTS_FOR of files.rs`).
const MOMENT: Duration = Duration::from_millis(250);
/// Some 700 bytes each.
const MAX_FILES: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_count_for_a_moment_and_are_bounded() {
        let path = |raw: &[u8]| Arc::new(Requested::new(raw));
        let (cache, begin) = (FactsCache::default(), Instant::now());
        let content = Content::generated(vec![7; 5000], None);
        let facts = cache.read(&path(b"file"), &content, begin).unwrap();
        assert_eq!((facts.len, &*facts.first), (5000, &[7; 512][..]));
        assert_eq!(facts.etag, content.etag());
        assert!(cache.recent(b"file", begin + MOMENT / 2).is_some());
        assert!(cache.recent(b"file", begin + MOMENT).is_none());
        for n in 0..1000_u16 {
            let short = Content::generated(vec![7; 3], None);
            assert_eq!(&*cache.read(&path(&n.to_be_bytes()), &short, begin).unwrap().first, [7; 3]);
        }
        assert_eq!(cache.0.lock().len(), MAX_FILES.get());
        assert!(cache.recent(b"file", begin).is_none());
    }
}
