//! The nearest names of paths that are not there, as they were a moment ago: a page that lists many
//! machines reads no folder for each.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;

use parking_lot::Mutex;

/// Paths, the nearest one of each, and when that was seen. At most [`MAX_PATHS`]; the one not asked
/// for longest leaves first.
#[derive(Debug)]
pub(super) struct Nearest {
    seen: Mutex<LruCache<String, (Option<String>, Instant)>>,
}

impl Default for Nearest {
    fn default() -> Self {
        Nearest { seen: Mutex::new(LruCache::new(MAX_PATHS)) }
    }
}

impl Nearest {
    /// The nearest path: as was seen a moment ago, or else as `look` says.
    pub(super) fn or_look(
        &self,
        path: &str,
        now: Instant,
        look: impl FnOnce() -> Option<String>,
    ) -> Option<String> {
        let mut seen = self.seen.lock();
        let known = seen.get(path).filter(|(_, at)| now.saturating_duration_since(*at) < MOMENT);
        if let Some((nearest, _)) = known {
            return nearest.clone();
        }
        let nearest = look();
        seen.put(path.to_owned(), (nearest.clone(), now));
        nearest
    }
}

/// An operator who corrects a name looks again after this time.
const MOMENT: Duration = Duration::from_secs(10);
const MAX_PATHS: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_once_in_a_while_for_each_name() {
        let (nearest, begin) = (Nearest::default(), Instant::now());
        assert_eq!(nearest.or_look("a", begin, || Some("b".into())).as_deref(), Some("b"));
        assert_eq!(nearest.or_look("a", begin + MOMENT / 2, || panic!("read again")).as_deref(), Some("b"));
        assert_eq!(nearest.or_look("a", begin + MOMENT, || None), None);
        for n in 0..1000 {
            nearest.or_look(&n.to_string(), begin, || None);
        }
        assert_eq!(nearest.seen.lock().len(), MAX_PATHS.get());
    }
}
