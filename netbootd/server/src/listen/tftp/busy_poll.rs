//! Whether a transfer looks for its client's answer before it sleeps.
//!
//! A client that answers within microseconds, such as a virtual machine on the same host, waits
//! longer for a sleeping thread to be woken than for its block. One that does not is not worth the
//! processor's time: after each look in vain the next one comes twice as many answers later, as the
//! halt polling of hypervisors backs off.

use std::time::Duration;

/// The success of recent looks, which decides when to look again.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct BusyPoll {
    /// Looks in vain in a row.
    missed: u32,
    /// Answers that are slept for before the next look.
    rest: u32,
}

impl BusyPoll {
    /// Whether to look this time.
    pub(super) fn looks(&mut self) -> bool {
        let looks = self.rest == 0;
        self.rest = self.rest.saturating_sub(1);
        looks
    }

    /// Notes the result of a look.
    pub(super) fn looked(&mut self, found: bool) {
        self.missed = if found { 0 } else { (self.missed + 1).min(MOST_MISSED) };
        self.rest = (1 << self.missed) - 1;
    }
}

/// How long a look takes at most. Being woken takes a tenth to a half of that: who waits longer
/// gains little.
pub(super) const LOOK: Duration = Duration::from_micros(100);
/// A client that is slow for long is looked for once in so many answers, as a power of two: less
/// than a thousandth of its time.
const MOST_MISSED: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks among so many answers of a client of which each look finds this.
    fn looks(busy_poll: &mut BusyPoll, answers: u32, found: bool) -> u32 {
        let mut looks = 0;
        for _ in 0..answers {
            if busy_poll.looks() {
                busy_poll.looked(found);
                looks += 1;
            }
        }
        looks
    }

    #[test]
    fn a_fast_client_is_always_looked_for_and_a_slow_one_hardly_ever() {
        assert_eq!(looks(&mut BusyPoll::default(), 1000, true), 1000);
        // 2 + 4 + … + 1024 answers for the first ten, then one in 1024.
        assert_eq!(looks(&mut BusyPoll::default(), 2046 + 10 * 1024, false), 20);
    }

    #[test]
    fn a_client_that_becomes_fast_is_looked_for_again() {
        let mut busy_poll = BusyPoll::default();
        looks(&mut busy_poll, 5000, false);
        assert!(looks(&mut busy_poll, 2000, true) > 900);
    }
}
