//! Lets the kernel drop datagrams that cannot be meant for a port, unread, while a flood of them
//! lasts.
//!
//! To read a datagram and leave it alone costs many times what the kernel needs to drop it. A
//! socket that receives more than [`BEARABLE`] of them in a second gets a filter for
//! [`DROPPED_FOR`], and receives everything again then: single ones are counted and logged with
//! their reason. [`dropped`] counts the kernel's drops.

#[cfg_attr(unix, path = "flood_filter/filter/unix.rs")]
#[cfg_attr(windows, path = "flood_filter/filter/windows.rs")]
pub(super) mod filter;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The protocol of a port, which decides the filter's program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Packets of DHCP clients and their relays.
    Dhcp,
    /// The same for IPv6.
    Dhcp6,
    /// Requests to TFTP's port.
    Tftp,
}

/// How much junk comes, and until when the kernel drops it.
#[derive(Debug, Default)]
pub(super) struct Flood {
    /// Begin of the second that is counted, and the count.
    second: Option<(Instant, u32)>,
    until: Option<Instant>,
}

/// How many datagrams the kernel has dropped of all that came to listeners: junk during floods, and
/// what their sockets had no room for.
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Adds what a socket's own counter has gone on by.
pub(super) fn count_dropped(more: u32) {
    DROPPED.fetch_add(more.into(), Ordering::Relaxed);
}

impl Flood {
    /// Counts a datagram that is not meant for this port. True means that the kernel shall drop
    /// such datagrams from now on.
    pub(super) fn malformed(&mut self, now: Instant) -> bool {
        let (since, count) = self.second.get_or_insert((now, 0));
        if now.duration_since(*since) >= SECOND {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        if *count <= BEARABLE || self.until.is_some() {
            return false;
        }
        self.second = None;
        self.until = Some(now + DROPPED_FOR);
        true
    }

    /// Until when the kernel drops them, if it does.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// True says that the kernel shall drop nothing any more.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        self.until.take_if(|until| *until <= now).is_some()
    }
}

impl Purpose {
    /// Whether bytes may be what the port is for, as far as a filter sees. Parsers find more that
    /// is wrong.
    pub(super) fn fits(self, bytes: &[u8]) -> bool {
        match self {
            Purpose::Dhcp => {
                bytes.len() >= DHCP_HEADER
                    && bytes[..3] == REQUEST_BY_ETHERNET
                    && bytes[COOKIE_AT..][..4] == COOKIE
            }
            Purpose::Dhcp6 => bytes.len() >= DHCP6_HEADER && DHCP6_TYPES.contains(&bytes[0].into()),
            Purpose::Tftp => match *bytes {
                [0, 1 | 2, .., last] => last == 0,
                [0, 3..=6, ..] => true,
                _ => false,
            },
        }
    }
}

static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Of one socket in a second: a hundredth of what it can read.
const BEARABLE: u32 = 2000;
/// A flood that goes on is read for a few milliseconds out of so many.
const DROPPED_FOR: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);
/// `op`, `htype`, `hlen` (RFC 2131 §2).
const REQUEST_BY_ETHERNET: [u8; 3] = [1, 1, 6];
const COOKIE_AT: usize = 236;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
const DHCP_HEADER: usize = COOKIE_AT + 4;
/// From SOLICIT to RELAY-FORW (RFC 8415 §7.3).
const DHCP6_TYPES: std::ops::RangeInclusive<u32> = 1..=12;
const DHCP6_HEADER: usize = 4;

#[cfg(test)]
mod tests;
