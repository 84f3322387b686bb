//! How often the log may say the same: what a stranger can repeat at will fills no disk. Counters
//! and timelines miss nothing.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;
use pxe_policy::MacAddr;

/// Whom a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Who {
    /// A machine, by its hardware address.
    Machine(MacAddr),
    /// An address, where no machine is known.
    Address(IpAddr),
}

/// A machine or address with the kind and word of the counters.
pub(super) type Line = (Who, &'static str, &'static str);

/// The recent repetitions of each line.
#[derive(Debug)]
pub(super) struct Limit {
    repeats: LruCache<Line, Repeats>,
    places: f64,
    at: Instant,
    left_out: u64,
}

#[derive(Debug)]
struct Repeats {
    since: Instant,
    times: u32,
}

/// Whether a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogVerdict {
    /// The line is written.
    Write,
    /// It is, and so many were not since the last that was.
    WriteAfter(u64),
    /// The line is left out.
    Suppress,
}

impl Limit {
    pub(super) fn new(now: Instant) -> Self {
        Limit { repeats: LruCache::new(REMEMBERED), places: AT_ONCE, at: now, left_out: 0 }
    }

    /// Forgets the lines whose window is over. Returns how many.
    pub(super) fn sweep(&mut self, now: Instant) -> usize {
        let before = self.repeats.len();
        while self.repeats.peek_lru().is_some_and(|(_, repeats)| now.duration_since(repeats.since) >= WINDOW)
        {
            self.repeats.pop_lru();
        }
        if before > 0 && self.repeats.is_empty() {
            self.repeats = LruCache::new(REMEMBERED);
        }
        before - self.repeats.len()
    }

    /// Counts a line, and says whether it is written.
    pub(super) fn admit(&mut self, line: Line, now: Instant) -> LogVerdict {
        let back = now.duration_since(self.at).as_secs_f64() * PER_SECOND;
        (self.places, self.at) = ((self.places + back).min(AT_ONCE), now);
        let repeats = self.repeats.get_or_insert_mut(line, || Repeats { since: now, times: 0 });
        if now.duration_since(repeats.since) >= WINDOW {
            *repeats = Repeats { since: now, times: 0 };
        }
        if repeats.times >= TIMES || self.places < 1.0 {
            self.left_out += 1;
            return LogVerdict::Suppress;
        }
        repeats.times += 1;
        self.places -= 1.0;
        match std::mem::take(&mut self.left_out) {
            0 => LogVerdict::Write,
            count => LogVerdict::WriteAfter(count),
        }
    }
}

/// The same about the same machine, in one window. A boot that looks for its files asks about
/// twenty times in vain.
const TIMES: u32 = 30;
const WINDOW: Duration = Duration::from_secs(60);
/// All lines together: a campus that is switched on at once fits, and what goes on and on costs
/// some 40 kB a second.
const AT_ONCE: f64 = 20_000.0;
const PER_SECOND: f64 = 200.0;
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");

#[cfg(test)]
mod tests {
    use super::*;

    fn line(n: u32) -> Line {
        let [a, b, c, d] = n.to_be_bytes();
        (Who::Machine(MacAddr([2, 0, a, b, c, d])), "offer", "rule")
    }

    #[test]
    fn a_machine_that_repeats_itself_is_heard_out_once_a_minute() {
        let start = Instant::now();
        let mut limit = Limit::new(start);
        let written = |limit: &mut Limit, at| {
            (0..100).filter(|_| limit.admit(line(1), at) == LogVerdict::Write).count()
        };
        assert_eq!(written(&mut limit, start), 30);
        assert_eq!(
            limit.admit(line(2), start),
            LogVerdict::WriteAfter(70),
            "others are heard, and told of the rest"
        );
        assert_eq!(limit.admit(line(1), start + WINDOW / 2), LogVerdict::Suppress);
        assert_eq!(limit.admit(line(1), start + WINDOW), LogVerdict::WriteAfter(1));
        assert_eq!(written(&mut limit, start + WINDOW), 29);
    }

    #[test]
    fn a_flood_of_made_up_machines_is_left_out_as_a_whole() {
        let start = Instant::now();
        let mut limit = Limit::new(start);
        let written = |limit: &mut Limit, from: u32, at| {
            (from..from + 50_000).filter(|n| limit.admit(line(*n), at) != LogVerdict::Suppress).count()
        };
        assert_eq!(written(&mut limit, 0, start), 20_000);
        assert_eq!(written(&mut limit, 50_000, start + Duration::from_secs(1)), 200);
        assert!(limit.repeats.len() <= REMEMBERED.get());
    }
}
