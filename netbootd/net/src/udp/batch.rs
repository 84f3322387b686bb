//! Datagrams of one call to the kernel, for callers that receive one at a time.

use std::collections::VecDeque;
use std::io;

use super::message::receive_many;
use super::{Received, Watched};

/// Datagrams that one call received.
#[derive(Debug)]
pub(super) struct Batch {
    slots: usize,
    /// Slots of the size of who asks.
    bytes: Vec<u8>,
    size: usize,
    /// Filled slots with what is known of them.
    waiting: VecDeque<(usize, Received, u32)>,
}

impl Batch {
    pub(super) fn new(slots: usize) -> Self {
        Batch { slots, bytes: Vec::new(), size: 0, waiting: VecDeque::new() }
    }

    /// Fills the slots. An error of kind `WouldBlock` says that nothing more has come, whatever
    /// there is in them.
    pub(super) fn fill(&mut self, socket: &Watched, size: usize) -> io::Result<()> {
        if self.size != size {
            (self.bytes, self.size) = (vec![0; size * self.slots], size);
        }
        let waiting = &mut self.waiting;
        let take = |slot, received, dropped| waiting.push_back((slot, received, dropped));
        let came = receive_many(socket, &mut self.bytes, size, take)?;
        if came == self.slots { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    /// The next datagram that was received together with others.
    pub(super) fn next(&mut self, buf: &mut [u8]) -> Option<(Received, u32)> {
        let (slot, mut received, dropped) = self.waiting.pop_front()?;
        received.len = received.len.min(buf.len());
        buf[..received.len].copy_from_slice(&self.bytes[slot * self.size..][..received.len]);
        Some((received, dropped))
    }
}
