//! A cache of facts about paths, for a moment: when a building switches on, every machine is
//! offered the same few files, and a page lists many machines. The disk need not be asked anew for
//! each.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;
use parking_lot::Mutex;

/// Paths, what was read about each, and when. The one not asked for longest leaves first.
#[derive(Debug)]
pub(super) struct Recent<T> {
    read: Mutex<LruCache<String, (T, Instant)>>,
    moment: Duration,
}

impl<T: Clone> Recent<T> {
    /// An empty cache. A fact counts for `moment`; at most `most` paths are kept.
    pub(super) fn new(moment: Duration, most: NonZeroUsize) -> Self {
        Recent { read: Mutex::new(LruCache::new(most)), moment }
    }

    /// The fact about a path from a moment ago, or else the result of `look`. Other callers go on
    /// meanwhile.
    pub(super) fn or_look(&self, path: &str, now: Instant, look: impl FnOnce() -> T) -> T {
        let known = self.read.lock().get(path).cloned();
        if let Some((known, _)) = known.filter(|(_, at)| now.saturating_duration_since(*at) < self.moment) {
            return known;
        }
        let read = look();
        self.read.lock().put(path.to_owned(), (read.clone(), now));
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(250);
    const MOST: NonZeroUsize = NonZeroUsize::new(256).unwrap();

    #[test]
    fn what_was_read_counts_for_a_moment() {
        let (recent, begin) = (Recent::new(MOMENT, MOST), Instant::now());
        let not_asked = || -> bool { panic!("the disk is asked") };
        assert!(recent.or_look("a.efi", begin, || true));
        assert!(recent.or_look("a.efi", begin + MOMENT / 2, not_asked));
        assert!(!recent.or_look("b.efi", begin + MOMENT / 2, || false));
        assert!(!recent.or_look("b.efi", begin + MOMENT, not_asked));
        // Asking does not make the moment longer.
        assert!(!recent.or_look("a.efi", begin + MOMENT, || false));
        assert!(recent.or_look("b.efi", begin + MOMENT * 2, || true));
    }

    #[test]
    fn paths_are_bounded() {
        let (recent, begin) = (Recent::new(MOMENT, MOST), Instant::now());
        for n in 0..=MOST.get() {
            assert!(recent.or_look(&n.to_string(), begin, || true));
        }
        assert_eq!(recent.read.lock().len(), MOST.get());
        assert!(!recent.or_look("0", begin, || false), "the one not asked for longest has left");
    }
}
