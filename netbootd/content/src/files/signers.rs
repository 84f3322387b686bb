//! The signers of boot programs, as they were read a moment ago: every machine of a building is
//! offered the same few programs.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;
use parking_lot::Mutex;
use pxe_policy::Signers;

/// Paths with their signers, and when they were read. At most [`MAX_PATHS`]; the one not asked for
/// longest leaves first.
#[derive(Debug)]
pub(super) struct SignersCache {
    seen: Mutex<LruCache<String, (Option<Signers>, Instant)>>,
}

impl Default for SignersCache {
    fn default() -> Self {
        SignersCache { seen: Mutex::new(LruCache::new(MAX_PATHS)) }
    }
}

impl SignersCache {
    /// The signers that were read a moment ago, or else what `look` reads.
    pub(super) fn or_look(
        &self,
        path: &str,
        now: Instant,
        look: impl FnOnce() -> Option<Signers>,
    ) -> Option<Signers> {
        let seen = self.seen.lock().get(path).cloned();
        if let Some((signers, _)) = seen.filter(|(_, at)| now.saturating_duration_since(*at) < MOMENT) {
            return signers;
        }
        let signers = look();
        self.seen.lock().put(path.to_owned(), (signers.clone(), now));
        signers
    }
}

/// A program that is replaced by one of another signer counts after so long.
const MOMENT: Duration = Duration::from_secs(5);
const MAX_PATHS: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_counts_for_a_moment() {
        let (cache, begin) = (SignersCache::default(), Instant::now());
        let signed = || Some(Signers { authorities: vec!["A".into()], generations: Vec::new() });
        assert_eq!(cache.or_look("a.efi", begin, signed), signed());
        assert_eq!(cache.or_look("a.efi", begin + MOMENT / 2, || panic!("read again")), signed());
        assert_eq!(cache.or_look("a.efi", begin + MOMENT, || None), None);
    }
}
