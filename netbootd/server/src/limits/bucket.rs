//! Token buckets, one for each key, in a table that stays bounded. Pure: time comes in as an
//! argument. By hand: crates of rate limiters keep a bucket for every key that was ever seen.

use std::hash::Hash;
use std::num::NonZeroUsize;

use lru::LruCache;
use netbootd_config::Rate;
use netbootd_net::bounded;

use parking_lot::Mutex;

/// Nanoseconds since the buckets were made.
pub type Nanos = u64;

/// The answer of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateVerdict {
    /// It may happen, and is counted.
    Admitted,
    /// The client is over its rate.
    Refused {
        /// Whether that is worth a line: there was none about this key in the last minute.
        tell: bool,
    },
}

/// A bucket for each key. At most so many; the ones not asked for longest leave first, and are full
/// when they come back.
#[derive(Debug)]
pub struct Buckets<K: Hash + Eq> {
    table: Mutex<LruCache<K, Bucket>>,
}

/// The generic cell rate algorithm: one number says how full the bucket is.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    /// When all that was taken is back.
    full_at: Nanos,
    /// When a refusal was last told, and 0 for never.
    told_at: Nanos,
}

impl<K: Hash + Eq> Buckets<K> {
    /// None yet, and never more than `most`.
    pub fn new(most: NonZeroUsize) -> Self {
        Buckets { table: Mutex::new(bounded::lru(most)) }
    }

    /// Takes `cost` out of a key's bucket, if that is in it.
    pub fn admit(&self, key: K, rate: Rate, cost: u32, now: Nanos) -> RateVerdict {
        self.with(|table| table.get_or_insert_mut(key, Bucket::default).admit(rate, cost, now))
    }

    /// Takes one out of the bucket of a key that is in the table; None when it is not.
    pub fn take_known(&self, key: &K, rate: Rate, now: Nanos) -> Option<RateVerdict> {
        self.with(|table| table.get_mut(key).map(|bucket| bucket.admit(rate, 1, now)))
    }

    /// How many keys are remembered.
    pub fn len(&self) -> usize {
        self.with(|table| table.len())
    }

    /// Whether no key is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets the buckets that are full again, and returns their memory.
    /// Returns how many were forgotten.
    pub fn sweep(&self, now: Nanos) -> usize {
        self.with(|table| {
            let before = table.len();
            while table.peek_lru().is_some_and(|(_, bucket)| bucket.is_forgettable(now)) {
                table.pop_lru();
            }
            bounded::release(table, before);
            before - table.len()
        })
    }

    fn with<T>(&self, action: impl FnOnce(&mut LruCache<K, Bucket>) -> T) -> T {
        action(&mut self.table.lock())
    }
}

impl Bucket {
    /// A full bucket is the same as none, once its last refusal may be logged again.
    fn is_forgettable(&self, now: Nanos) -> bool {
        self.full_at <= now && (self.told_at == 0 || now.saturating_sub(self.told_at) >= TOLD_EVERY)
    }

    fn admit(&mut self, rate: Rate, cost: u32, now: Nanos) -> RateVerdict {
        let whole = time_of(rate, rate.at_once) + rounding(rate);
        // Tokens taken at a slower rate do not count for longer than at this one.
        let taken = self.full_at.saturating_sub(now).min(whole);
        self.full_at = now.saturating_add(taken);
        let full_at = self.full_at.saturating_add(time_of(rate, cost));
        if full_at - now <= whole {
            self.full_at = full_at;
            return RateVerdict::Admitted;
        }
        let tell = self.told_at == 0 || now.saturating_sub(self.told_at) >= TOLD_EVERY;
        if tell {
            self.told_at = now.max(1);
        }
        RateVerdict::Refused { tell }
    }
}

/// The time in which so many come back, rounded up.
fn time_of(rate: Rate, count: u32) -> Nanos {
    (u64::from(count) * SECOND).div_ceil(u64::from(rate.per_second.max(1)))
}

/// The rounding of a whole bucket taken one by one: a nanosecond each, where a second does not
/// divide evenly.
fn rounding(rate: Rate) -> Nanos {
    let even = SECOND.is_multiple_of(u64::from(rate.per_second.max(1)));
    if even { 0 } else { u64::from(rate.at_once) }
}

const SECOND: Nanos = 1_000_000_000;
/// The interval of reports about a key that stays over its rate.
const TOLD_EVERY: Nanos = 60 * SECOND;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: Rate = Rate { at_once: 5, per_second: 2 };

    fn most(count: usize) -> NonZeroUsize {
        NonZeroUsize::new(count).unwrap()
    }

    fn admitted(buckets: &Buckets<u32>, key: u32, times: u32, now: Nanos) -> usize {
        (0..times).filter(|_| buckets.admit(key, RATE, 1, now) == RateVerdict::Admitted).count()
    }

    #[test]
    fn so_much_at_once_and_so_much_a_second_later() {
        let buckets = Buckets::new(most(10));
        assert_eq!(admitted(&buckets, 1, 100, 0), 5);
        assert_eq!(admitted(&buckets, 1, 100, SECOND / 2 - 1), 0);
        assert_eq!(admitted(&buckets, 1, 100, SECOND / 2), 1);
        assert_eq!(admitted(&buckets, 1, 100, 2 * SECOND), 3);
        assert_eq!(admitted(&buckets, 1, 100, 3600 * SECOND), 5, "no more than fits is saved up");
    }

    #[test]
    fn one_keys_empty_bucket_is_nothing_to_another() {
        let buckets = Buckets::new(most(10));
        assert_eq!(admitted(&buckets, 1, 1000, 0), 5);
        assert_eq!(admitted(&buckets, 2, 1000, 0), 5);
    }

    #[test]
    fn a_cost_is_taken_as_a_whole_or_not_at_all() {
        let buckets = Buckets::new(most(10));
        assert_eq!(buckets.admit(1, RATE, 3, 0), RateVerdict::Admitted);
        assert!(matches!(buckets.admit(1, RATE, 3, 0), RateVerdict::Refused { .. }));
        assert_eq!(buckets.admit(1, RATE, 2, 0), RateVerdict::Admitted);
        assert!(matches!(buckets.admit(2, RATE, 6, 0), RateVerdict::Refused { .. }), "never fits");
        assert_eq!(admitted(&buckets, 2, 9, 0), 5);
    }

    #[test]
    fn a_refusal_is_told_once_a_minute() {
        let buckets = Buckets::new(most(10));
        let told = |now| {
            admitted(&buckets, 1, 1000, now);
            (0..50).filter(|_| buckets.admit(1, RATE, 1, now) == RateVerdict::Refused { tell: true }).count()
        };
        let first = (0..50).filter(|_| buckets.admit(1, RATE, 1, 0) == RateVerdict::Refused { tell: true });
        assert_eq!(first.count(), 1);
        assert_eq!((told(SECOND), told(59 * SECOND)), (0, 0));
        let again =
            (0..50).filter(|_| buckets.admit(1, RATE, 1, 61 * SECOND) == RateVerdict::Refused { tell: true });
        assert_eq!(again.count(), 1);
    }

    #[test]
    fn a_changed_rate_counts_at_once() {
        let buckets = Buckets::new(most(10));
        assert_eq!(admitted(&buckets, 1, 9, 0), 5);
        let more = Rate { at_once: 50, per_second: 2 };
        assert_eq!((0..100).filter(|_| buckets.admit(1, more, 1, 0) == RateVerdict::Admitted).count(), 45);
        let faster = Rate { at_once: 5, per_second: 1000 };
        assert!(matches!(buckets.admit(1, faster, 1, 0), RateVerdict::Refused { .. }));
        assert_eq!(buckets.admit(1, faster, 1, SECOND / 1000), RateVerdict::Admitted);
    }

    #[test]
    fn only_known_keys_have_a_known_bucket() {
        let buckets = Buckets::new(most(10));
        assert_eq!(buckets.take_known(&1, RATE, 0), None);
        assert!(buckets.is_empty());
        assert_eq!(buckets.admit(1, RATE, 1, 0), RateVerdict::Admitted);
        assert_eq!(buckets.take_known(&1, RATE, 0), Some(RateVerdict::Admitted));
    }

    #[test]
    fn a_sweep_forgets_full_buckets_and_no_others() {
        let buckets = Buckets::new(most(10));
        assert_eq!(admitted(&buckets, 1, 1, 0), 1);
        assert_eq!(admitted(&buckets, 2, 9, 0), 5);
        assert_eq!(buckets.sweep(SECOND), 1, "one token is back, five are not");
        assert_eq!(admitted(&buckets, 2, 9, SECOND), 2);
        assert_eq!(buckets.sweep(10 * SECOND), 0, "its refusal would be logged again too early");
        assert_eq!(buckets.sweep(61 * SECOND), 1);
        assert!(buckets.is_empty());
    }

    proptest! {
        #[test]
        fn the_table_is_bounded_and_no_key_gets_more_than_its_rate(
            asked in proptest::collection::vec((0u32..40, 0u32..9, 0u64..2 * SECOND), 1..400)
        ) {
            let buckets = Buckets::new(most(16));
            let (mut now, mut got) = (0, 0_u64);
            for (key, cost, pass) in asked {
                now += pass;
                // The first key is asked for each time, so that it never leaves the table.
                if buckets.admit(99, RATE, cost, now) == RateVerdict::Admitted {
                    got += u64::from(cost);
                }
                buckets.admit(key, RATE, cost, now);
                prop_assert!(buckets.len() <= 16);
                prop_assert!(got <= u64::from(RATE.at_once) + now * u64::from(RATE.per_second) / SECOND);
            }
        }
    }
}
