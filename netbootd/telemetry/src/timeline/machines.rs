//! The machines of the timelines, in two parts: those that fetched something, and those that only
//! asked. Made-up machines fetch nothing, and push out no machine that did.

use lru::LruCache;
use netbootd_diagnosis::Boot;
use pxe_policy::MacAddr;

use super::{MAX_ASKING, MAX_MACHINES, Timeline};

/// The machines. At most [`MAX_MACHINES`]; of each part the ones not seen for longest leave first.
#[derive(Debug)]
pub(super) struct Machines {
    fetching: LruCache<MacAddr, Timeline>,
    asking: LruCache<MacAddr, Timeline>,
}

impl Default for Machines {
    fn default() -> Self {
        Machines { fetching: LruCache::new(MAX_MACHINES), asking: LruCache::new(MAX_MACHINES) }
    }
}

impl Machines {
    pub(super) fn len(&self) -> usize {
        self.fetching.len() + self.asking.len()
    }

    pub(super) fn peek(&self, mac: &MacAddr) -> Option<&Timeline> {
        self.fetching.peek(mac).or_else(|| self.asking.peek(mac))
    }

    pub(super) fn contains(&self, mac: &MacAddr) -> bool {
        self.peek(mac).is_some()
    }

    /// A machine's timeline, with the number of its change: it is the newest from now on.
    pub(super) fn change(&mut self, mac: MacAddr, number: u64) -> &mut Timeline {
        let timeline = if self.fetching.contains(&mac) {
            self.fetching.get_or_insert_mut(mac, Timeline::default)
        } else {
            if !self.asking.contains(&mac) {
                self.make_room();
            }
            self.asking.get_or_insert_mut(mac, Timeline::default)
        };
        timeline.changed = number;
        timeline
    }

    /// Puts a machine that changed just now where it belongs.
    pub(super) fn settle(&mut self, mac: MacAddr) {
        let has_fetched = |timeline: &Timeline| timeline.machine.boot().is_some_and(Boot::has_proved_files);
        if self.asking.peek(&mac).is_some_and(has_fetched)
            && let Some(timeline) = self.asking.pop(&mac)
        {
            self.fetching.put(mac, timeline);
        }
    }

    /// The newest change first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&MacAddr, &Timeline)> {
        let (mut fetching, mut asking) = (self.fetching.iter().peekable(), self.asking.iter().peekable());
        std::iter::from_fn(move || match (fetching.peek(), asking.peek()) {
            (Some((_, one)), Some((_, other))) if one.changed < other.changed => asking.next(),
            (Some(_), _) => fetching.next(),
            (None, _) => asking.next(),
        })
    }

    fn make_room(&mut self) {
        if self.len() < MAX_MACHINES.get() {
            return;
        }
        match self.asking.len() < MAX_ASKING {
            true => drop(self.fetching.pop_lru()),
            false => drop(self.asking.pop_lru()),
        }
    }
}
