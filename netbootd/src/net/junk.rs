//! Junk that the kernel drops unread while a flood of it goes on: datagrams that can be nothing of what the port is for.
//!
//! To read a datagram and leave it alone costs many times what the kernel needs to drop it. A socket that hears more than [`BEARABLE`] of
//! them in a second gets a filter for [`DROPPED_FOR`], and hears everything again then: single ones are counted with their reason, and told
//! of. What the kernel dropped is counted by [`dropped`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::libc;
use socket2::SockFilter;

/// What a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Packets of DHCP clients and their relays.
    Dhcp,
    /// The same for IPv6.
    Dhcp6,
    /// TFTP requests.
    Tftp,
}

/// How much junk comes, and until when the kernel drops it.
#[derive(Debug, Default)]
pub(super) struct Flood {
    /// Begin of the second that is counted, and the count.
    second: Option<(Instant, u32)>,
    until: Option<Instant>,
}

/// How many datagrams the kernel has dropped of all that came to listeners: junk during floods, and what their sockets had no room for.
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Adds what a socket's own counter has gone on by.
pub(super) fn count_dropped(more: u32) {
    DROPPED.fetch_add(more.into(), Ordering::Relaxed);
}

impl Flood {
    /// Junk was heard. True says that from now on the kernel shall drop it.
    pub(super) fn junk(&mut self, now: Instant) -> bool {
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

    /// Until when the kernel drops junk, if it does.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// True says that the kernel shall drop nothing any more.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        self.until.take_if(|until| *until <= now).is_some()
    }
}

impl Purpose {
    /// Whether bytes may be what the port is for, as far as a filter sees. Parsers find more that is wrong.
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

    /// The same for the kernel, which sees the UDP header too. A load from behind the end drops the datagram.
    pub(super) fn filter(self) -> Vec<SockFilter> {
        let mut program = match self {
            Purpose::Dhcp => vec![
                load(libc::BPF_B, 0),
                unless(libc::BPF_JEQ, 1, 5),
                load(libc::BPF_H, 1),
                unless(libc::BPF_JEQ, 0x0106, 3),
                load(libc::BPF_W, 236),
                unless(libc::BPF_JEQ, u32::from_be_bytes(COOKIE), 1),
            ],
            Purpose::Dhcp6 => vec![
                load(libc::BPF_W, 0),
                load(libc::BPF_B, 0),
                unless(libc::BPF_JGE, *DHCP6_TYPES.start(), 2),
                when(libc::BPF_JGT, *DHCP6_TYPES.end(), 1),
            ],
            Purpose::Tftp => vec![
                load(libc::BPF_H, 0),
                unless(libc::BPF_JGE, 1, 8),
                when(libc::BPF_JGT, 6, 7),
                when(libc::BPF_JGT, 2, 5),
                // The last byte of a request ends its last word.
                op(libc::BPF_LD | libc::BPF_W | libc::BPF_LEN, 0),
                op(libc::BPF_ALU | libc::BPF_SUB | libc::BPF_K, 1),
                op(libc::BPF_MISC | libc::BPF_TAX, 0),
                op(libc::BPF_LD | libc::BPF_B | libc::BPF_IND, 0),
                unless(libc::BPF_JEQ, 0, 1),
            ],
        };
        program.extend([op(libc::BPF_RET | libc::BPF_K, u32::MAX), op(libc::BPF_RET | libc::BPF_K, 0)]);
        program
    }
}

fn op(code: u32, value: u32) -> SockFilter {
    SockFilter::new(low(code), 0, 0, value)
}

/// Loads from the datagram's own bytes.
fn load(size: u32, at: u32) -> SockFilter {
    op(libc::BPF_LD | libc::BPF_ABS | size, UDP_HEADER + at)
}

/// Goes on, or leaves out so many when the comparison fails.
fn unless(comparison: u32, value: u32, leave_out: u8) -> SockFilter {
    SockFilter::new(low(libc::BPF_JMP | libc::BPF_K | comparison), 0, leave_out, value)
}

/// Goes on, or leaves out so many when the comparison holds.
fn when(comparison: u32, value: u32, leave_out: u8) -> SockFilter {
    SockFilter::new(low(libc::BPF_JMP | libc::BPF_K | comparison), leave_out, 0, value)
}

/// Codes of instructions have two bytes.
fn low(code: u32) -> u16 {
    code as u16
}

static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Of one socket in a second: a hundredth of what it can read.
const BEARABLE: u32 = 2000;
/// A flood that goes on is read for a few milliseconds out of so many.
const DROPPED_FOR: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);
const UDP_HEADER: u32 = 8;
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
