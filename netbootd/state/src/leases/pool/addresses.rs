//! The addresses of one subnet that are given to anybody: which were never given, which are free
//! again, and how many.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use netbootd_dhcp::Subnet;

use super::Seconds;

/// A subnet with what has become of the addresses in its ranges.
#[derive(Debug)]
pub(super) struct Addresses {
    pub(super) subnet: Subnet,
    /// Addresses in its ranges.
    size: usize,
    /// How many of them were in use at the time of `counted_at`.
    used: usize,
    counted_at: Seconds,
    /// How many addresses were passed in search of one that nobody ever had.
    passed: usize,
    /// Where that search begins.
    first: usize,
    /// Pool addresses in use, by the time they come free.
    by_end: BTreeSet<(Seconds, Ipv4Addr)>,
}

impl Addresses {
    pub(super) fn new(subnet: Subnet) -> Self {
        let size = subnet.pool.iter().map(length).sum();
        Addresses { subnet, size, used: 0, counted_at: 0, passed: 0, first: 0, by_end: BTreeSet::new() }
    }

    /// Begins the search for addresses that nobody ever had at this one of them.
    pub(super) fn start_at(&mut self, place: usize) {
        self.first = place.checked_rem(self.size).unwrap_or_default();
    }

    pub(super) fn remember(&mut self, until: Seconds, address: Ipv4Addr) {
        if self.by_end.insert((until, address)) && until > self.counted_at {
            self.used += 1;
        }
    }

    pub(super) fn forget(&mut self, until: Seconds, address: Ipv4Addr) {
        if self.by_end.remove(&(until, address)) && until > self.counted_at {
            self.used -= 1;
        }
    }

    /// How many addresses are free. Each that came free is looked at once.
    pub(super) fn free(&mut self, now: Seconds) -> usize {
        if now > self.counted_at {
            let first = (self.counted_at + 1, Ipv4Addr::UNSPECIFIED);
            self.used -= self.by_end.range(first..=(now, Ipv4Addr::BROADCAST)).count();
            self.counted_at = now;
        }
        self.size.saturating_sub(self.used)
    }

    /// So many percent of all addresses.
    pub(super) fn part(&self, percent: u8) -> usize {
        self.size * usize::from(percent) / 100
    }

    /// Whether fewer than half of the addresses are free.
    pub(super) fn is_short(&mut self, now: Seconds) -> bool {
        self.free(now) < self.size.div_ceil(2)
    }

    pub(super) fn next_unseen(&mut self) -> Option<Ipv4Addr> {
        if self.passed >= self.size {
            return None;
        }
        let mut at = (self.first + self.passed) % self.size;
        self.passed += 1;
        for range in &self.subnet.pool {
            let length = length(range);
            if at < length {
                return Some(Ipv4Addr::from(u32::from(*range.start()) + u32::try_from(at).ok()?));
            }
            at -= length;
        }
        None
    }

    /// Those that are free again, the one that has been for longest first.
    pub(super) fn longest_free(&self, now: Seconds) -> impl Iterator<Item = Ipv4Addr> {
        self.by_end.iter().take_while(move |(until, _)| *until <= now).map(|(_, address)| *address)
    }
}

fn length(range: &RangeInclusive<Ipv4Addr>) -> usize {
    (u32::from(*range.end()) as usize + 1).saturating_sub(u32::from(*range.start()) as usize)
}
