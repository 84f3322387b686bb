//! Which paths were there a moment ago, and which were not: when a building switches on, every
//! machine is told of the same few files, and the disk need not be asked anew for each.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;

use parking_lot::Mutex;

/// Paths, whether each was there, and when that was seen. At most [`MAX_PATHS`]; the one not asked
/// for longest leaves first.
#[derive(Debug)]
pub(super) struct ExistenceCache {
    seen: Mutex<LruCache<String, (bool, Instant)>>,
}

impl Default for ExistenceCache {
    fn default() -> Self {
        ExistenceCache { seen: Mutex::new(LruCache::new(MAX_PATHS)) }
    }
}

impl ExistenceCache {
    /// Whether a path is there: as was seen a moment ago, or else as `look` says.
    pub(super) fn or_look(&self, path: &str, now: Instant, look: impl FnOnce() -> bool) -> bool {
        let fresh = |at: Instant| now.saturating_duration_since(at) < MOMENT;
        let seen = self.with(|seen| seen.get(path).copied());
        if let Some((there, _)) = seen.filter(|(_, at)| fresh(*at)) {
            return there;
        }
        let there = look();
        self.with(|seen| seen.put(path.to_owned(), (there, now)));
        there
    }

    fn with<T>(&self, work: impl FnOnce(&mut LruCache<String, (bool, Instant)>) -> T) -> T {
        work(&mut self.seen.lock())
    }
}

/// Far less than a machine takes from its offer to its first block, in which a file can come or go
/// however often one looks.
const MOMENT: Duration = Duration::from_millis(250);
/// Boot files are a handful for each kind of machine; names made from a machine's own address are
/// one each.
const MAX_PATHS: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_counts_for_a_moment() {
        let (existence_cache, begin) = (ExistenceCache::default(), Instant::now());
        let not_asked = || -> bool { panic!("the disk is asked") };
        assert!(existence_cache.or_look("a.efi", begin, || true));
        assert!(existence_cache.or_look("a.efi", begin + MOMENT / 2, not_asked));
        assert!(!existence_cache.or_look("b.efi", begin + MOMENT / 2, || false));
        assert!(!existence_cache.or_look("b.efi", begin + MOMENT, not_asked));
        // Asking does not make the moment longer.
        assert!(!existence_cache.or_look("a.efi", begin + MOMENT, || false));
        assert!(existence_cache.or_look("b.efi", begin + MOMENT * 2, || true));
    }

    #[test]
    fn paths_are_bounded() {
        let (existence_cache, begin) = (ExistenceCache::default(), Instant::now());
        for n in 0..=MAX_PATHS.get() {
            assert!(existence_cache.or_look(&n.to_string(), begin, || true));
        }
        assert_eq!(existence_cache.with(|seen| seen.len()), MAX_PATHS.get());
        assert!(!existence_cache.or_look("0", begin, || false), "the one not asked for longest has left");
    }
}
