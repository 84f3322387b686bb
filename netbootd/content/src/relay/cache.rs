//! Which of the responder's files are here, for how long, and in how much room. Knows nothing of
//! the network.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use imagestore::Filling;

use super::error::ResponderError;

/// The files that came through lately, by path.
#[derive(Debug, Default)]
pub(super) struct Cache {
    kept: HashMap<String, Kept>,
    number: u64,
}

/// A file that is here or coming, or why it did not come. Empty until it has begun: who asks
/// meanwhile waits for the one that fetches.
pub(super) type Slot = Arc<OnceLock<Result<Arc<Filling>, ResponderError>>>;

#[derive(Debug)]
struct Kept {
    slot: Slot,
    tag: String,
    size: u64,
    since: Instant,
    used: Instant,
}

impl Cache {
    /// The place of a file, new when it is not here, and its entity tag.
    pub(super) fn slot(&mut self, path: &str, now: Instant) -> Result<(Slot, String), ResponderError> {
        self.sweep(now);
        if self.kept.len() >= MAX_FILES && !self.kept.contains_key(path) {
            return Err(ResponderError::TooManyFiles(MAX_FILES));
        }
        let kept = self.kept.entry(path.to_owned()).or_insert_with(|| {
            self.number += 1;
            let tag = format!("\"relay-{:x}-{:x}\"", std::process::id(), self.number);
            Kept { slot: Slot::default(), tag, size: 0, since: now, used: now }
        });
        kept.used = now;
        Ok((Arc::clone(&kept.slot), kept.tag.clone()))
    }

    /// Reserves the room that a file needs. The least recently used files leave for it, unless
    /// somebody reads them.
    pub(super) fn reserve(&mut self, path: &str, size: u64, limit: u64) -> Result<(), ResponderError> {
        loop {
            let total: u64 = self.kept.values().map(|kept| kept.size).sum();
            if total.saturating_add(size) <= limit {
                break;
            }
            let idle = self.kept.iter().filter(|(_, kept)| kept.size > 0 && !kept.is_in_use());
            let oldest = idle.min_by_key(|(_, kept)| kept.used).map(|(path, _)| path.clone());
            let oldest = oldest.ok_or(ResponderError::NoRoom { size, taken: total, limit })?;
            self.kept.remove(&oldest);
        }
        if let Some(kept) = self.kept.get_mut(path) {
            kept.size = size;
        }
        Ok(())
    }

    /// Lets go of what did not come, what nobody has read for a while, and what may have changed at
    /// the responder.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.kept.retain(|_, kept| {
            let idle = now.duration_since(kept.used) > IDLE && !kept.is_in_use();
            !kept.has_failed() && !idle && now.duration_since(kept.since) < LIFETIME
        });
    }
}

impl Kept {
    /// Somebody waits for it, reads it, or brings it in.
    fn is_in_use(&self) -> bool {
        let read = |file: &Result<Arc<Filling>, ResponderError>| {
            file.as_ref().is_ok_and(|filling| Arc::strong_count(filling) > 1)
        };
        Arc::strong_count(&self.slot) > 1 || self.slot.get().is_some_and(read)
    }

    fn has_failed(&self) -> bool {
        self.slot.get().is_some_and(|file| file.as_ref().map_or(true, |filling| filling.has_failed()))
    }
}

/// Nobody has read it for this long.
const IDLE: Duration = Duration::from_secs(600);
/// A boot image may be distributed anew.
const LIFETIME: Duration = Duration::from_secs(3600);
/// A responder has some dozens of files, and two for each machine that boots.
const MAX_FILES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use imagestore::FillError;

    /// An empty cache whose hour begins now. Files in it have a size but hold no bytes.
    struct Site {
        cache: Cache,
        start: Instant,
    }

    impl Site {
        fn new() -> Self {
            Site { cache: Cache::default(), start: Instant::now() }
        }

        /// Somebody asks for a file that is here or comes whole at once.
        fn ask(&mut self, path: &str, size: u64, at: Duration) -> Result<Arc<Filling>, ResponderError> {
            let (slot, _) = self.cache.slot(path, self.start + at).unwrap();
            let came = slot.get_or_init(|| {
                self.cache.reserve(path, size, 100)?;
                Ok(Arc::new(Filling::new(tempfile::tempfile().unwrap(), size)))
            });
            came.clone()
        }

        fn holds(&mut self, path: &str) -> bool {
            self.cache.kept.contains_key(path)
        }
    }

    #[test]
    fn who_asks_for_one_file_shares_one_place() {
        let mut site = Site::new();
        let (first, tag) = site.cache.slot("a", site.start).unwrap();
        let (second, same) = site.cache.slot("a", site.start).unwrap();
        assert!(Arc::ptr_eq(&first, &second) && tag == same);
        let (other, another) = site.cache.slot("b", site.start).unwrap();
        assert!(!Arc::ptr_eq(&first, &other) && tag != another);
    }

    #[test]
    fn a_file_leaves_when_nobody_has_read_it_for_ten_minutes() {
        let mut site = Site::new();
        drop(site.ask("idle", 10, Duration::ZERO).unwrap());
        let reading = site.ask("read", 10, Duration::ZERO).unwrap();
        site.cache.sweep(site.start + IDLE);
        assert!(site.holds("idle") && site.holds("read"));
        site.cache.sweep(site.start + IDLE + Duration::from_secs(1));
        assert!(!site.holds("idle") && site.holds("read"));
        drop(reading);
        site.cache.sweep(site.start + IDLE + Duration::from_secs(1));
        assert!(!site.holds("read"));
    }

    #[test]
    fn a_file_is_asked_for_anew_after_an_hour_even_while_it_is_read() {
        let mut site = Site::new();
        let reading = site.ask("image", 10, Duration::ZERO).unwrap();
        for at in [1, 9, 18, 27, 36, 45, 54].map(|minutes| Duration::from_secs(60 * minutes)) {
            assert!(Arc::ptr_eq(&site.ask("image", 10, at).unwrap(), &reading), "at {at:?}");
        }
        assert!(!Arc::ptr_eq(&site.ask("image", 10, LIFETIME).unwrap(), &reading));
    }

    #[test]
    fn what_did_not_come_is_asked_for_anew() {
        let mut site = Site::new();
        let (slot, _) = site.cache.slot("missing", site.start).unwrap();
        slot.set(Err(ResponderError::Nothing)).unwrap();
        assert!(site.ask("missing", 10, Duration::ZERO).is_ok());
        let cut = site.ask("cut", 10, Duration::ZERO).unwrap();
        cut.end(Err(FillError::Short { there: 5, wanted: 10 }));
        assert!(!Arc::ptr_eq(&site.ask("cut", 10, Duration::ZERO).unwrap(), &cut));
    }

    #[test]
    fn what_was_used_longest_ago_makes_room_unless_it_is_read() {
        let mut site = Site::new();
        let second = Duration::from_secs(1);
        drop(site.ask("oldest", 40, Duration::ZERO).unwrap());
        drop(site.ask("older", 40, second).unwrap());
        drop(site.ask("oldest", 40, second * 2).unwrap());
        let reading = site.ask("new", 40, second * 3).unwrap();
        assert!(site.holds("oldest") && !site.holds("older"), "used since");
        let refused = site.ask("large", 70, second * 4).unwrap_err();
        assert_eq!(refused.to_string(), "no room for 70 bytes: 40 of 100 are coming in or being read");
        assert!(!site.holds("oldest") && site.holds("new"));
        drop(reading);
        assert!(site.ask("large", 70, second * 5).is_ok());
        assert!(site.ask("larger than all", 101, second * 6).is_err());
    }

    #[test]
    fn the_number_of_files_is_bounded() {
        let mut site = Site::new();
        for n in 0..MAX_FILES {
            site.cache.slot(&n.to_string(), site.start).unwrap();
        }
        assert!(site.cache.slot("one more", site.start).is_err());
        assert!(site.cache.slot("0", site.start).is_ok());
        assert!(site.cache.slot("one more", site.start + LIFETIME).is_ok());
    }
}
