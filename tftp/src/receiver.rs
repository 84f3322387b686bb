//! The client's side of one transfer, for probes and tests.

use std::time::Instant;

use crate::options::number;
use crate::rto::RetransmissionTimer;
use crate::{DEFAULT_BLOCK_SIZE, ErrorCode, MIN_BLOCK_SIZE, Packet};

/// Receives one file as a state machine.
#[derive(Debug)]
pub struct Receiver {
    block_size: u16,
    window: u16,
    size: Option<u64>,
    variable_window: Option<u8>,
    /// Blocks received in order.
    received: u64,
    /// Blocks since the last acknowledgement.
    unacknowledged: u16,
    started: bool,
    gap_told: bool,
    ended: bool,
    timer: RetransmissionTimer,
    sent_at: Instant,
    tries: u32,
    repeats: u64,
}

/// The packet to send and the event to handle after one input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct ReceiveStep<'a> {
    /// The file's next bytes.
    pub deliver: Option<&'a [u8]>,
    /// The packet to send, if any.
    pub send: Option<Reply>,
    /// Set once: the transfer is over.
    pub finish: Option<ReceiverOutcome>,
}

/// The packet that answers the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The request again, to the server's first port.
    Request,
    /// An acknowledgement of one block.
    Ack {
        /// The block, modulo 65536.
        block: u16,
        /// The fifth byte of a variable window.
        next_window: Option<u8>,
    },
}

/// How the reception ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiverOutcome {
    /// Every byte of the file came.
    Completed,
    /// The server ended it.
    Refused {
        /// The code of the server's error.
        code: ErrorCode,
    },
    /// The server granted something that makes no sense.
    BadOptions,
    /// Nothing came for too long.
    TimedOut,
}

impl Receiver {
    /// The request has just been sent. `variable_window` is the window to ask for with every
    /// acknowledgement, when the request had that option.
    pub fn new(variable_window: Option<u8>, now: Instant) -> Self {
        Receiver {
            block_size: DEFAULT_BLOCK_SIZE,
            window: 1,
            size: None,
            variable_window,
            received: 0,
            unacknowledged: 0,
            started: false,
            gap_told: false,
            ended: false,
            timer: RetransmissionTimer::of_client(),
            sent_at: now,
            tries: 0,
            repeats: 0,
        }
    }

    /// Bytes in a block, as granted.
    pub fn block_size(&self) -> u16 {
        self.block_size
    }

    /// Blocks in a window, as granted.
    pub fn window_size(&self) -> u16 {
        self.window
    }

    /// The file's size in bytes, when the server told it.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Datagrams that came more than once or out of order.
    pub fn repeats(&self) -> u64 {
        self.repeats
    }

    /// When [`Receiver::tick`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        (!self.ended).then(|| self.sent_at + self.timer.wait())
    }

    /// Takes a packet of the server.
    pub fn handle<'a>(&mut self, now: Instant, packet: &Packet<'a>) -> ReceiveStep<'a> {
        if self.ended {
            return step(None, None);
        }
        match packet {
            Packet::OptionAck(granted) if !self.started => self.granted(now, granted),
            // The first acknowledgement was lost.
            Packet::OptionAck(_) if self.received == 0 => self.acknowledge(now, None),
            Packet::Data { block, payload } => self.data(now, *block, payload),
            Packet::Error { code, .. } => self.end(ReceiverOutcome::Refused { code: *code }),
            _ => step(None, None),
        }
    }

    /// Takes note that time went by.
    pub fn tick(&mut self, now: Instant) -> ReceiveStep<'static> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return step(None, None);
        }
        self.tries += 1;
        if self.tries > MAX_TRIES {
            return self.end(ReceiverOutcome::TimedOut);
        }
        self.timer.expired();
        if self.started {
            return self.acknowledge(now, None);
        }
        self.sent_at = now;
        step(None, Some(Reply::Request))
    }

    fn granted(&mut self, now: Instant, granted: &[(&[u8], &[u8])]) -> ReceiveStep<'static> {
        let mut variable = false;
        for (name, value) in granted {
            let Some(value) = number(value) else { return self.end(ReceiverOutcome::BadOptions) };
            if name.eq_ignore_ascii_case(b"blksize") {
                match u16::try_from(value) {
                    Ok(size) if size >= MIN_BLOCK_SIZE => self.block_size = size,
                    _ => return self.end(ReceiverOutcome::BadOptions),
                }
            } else if name.eq_ignore_ascii_case(b"windowsize") {
                match u16::try_from(value) {
                    Ok(size) if size > 0 => self.window = size,
                    _ => return self.end(ReceiverOutcome::BadOptions),
                }
            } else if name.eq_ignore_ascii_case(b"tsize") {
                self.size = Some(value);
            } else if name.eq_ignore_ascii_case(b"msftwindow") {
                variable = true;
            }
        }
        if !variable {
            self.variable_window = None;
        } else if let Some(window) = self.variable_window {
            self.window = u16::from(window).max(1);
        }
        self.acknowledge(now, None)
    }

    fn data<'a>(&mut self, now: Instant, block: u16, payload: &'a [u8]) -> ReceiveStep<'a> {
        // The expected block is 0 ahead; up to half the number space is ahead, the rest is behind.
        let ahead = block.wrapping_sub((self.received + 1) as u16);
        if ahead == 0 && payload.len() <= usize::from(self.block_size) {
            self.received += 1;
            self.unacknowledged += 1;
            self.gap_told = false;
            self.tries = 0;
            self.timer.progressed();
            self.started = true;
            if payload.len() < usize::from(self.block_size) {
                self.ended = true;
                let acknowledged = self.acknowledge(now, Some(payload));
                return ReceiveStep { finish: Some(ReceiverOutcome::Completed), ..acknowledged };
            }
            if self.unacknowledged >= self.window {
                return self.acknowledge(now, Some(payload));
            }
            self.sent_at = now;
            return step(Some(payload), None);
        }
        self.repeats += 1;
        let lost_ack = block == self.received as u16 && self.unacknowledged == 0 && self.received > 0;
        let gap = (1..0x8000).contains(&ahead) && !self.gap_told;
        if gap || lost_ack {
            self.gap_told = gap;
            return self.acknowledge(now, None);
        }
        step(None, None)
    }

    fn acknowledge<'a>(&mut self, now: Instant, deliver: Option<&'a [u8]>) -> ReceiveStep<'a> {
        self.started = true;
        self.unacknowledged = 0;
        self.sent_at = now;
        let ack = Reply::Ack { block: self.received as u16, next_window: self.variable_window };
        step(deliver, Some(ack))
    }

    fn end(&mut self, outcome: ReceiverOutcome) -> ReceiveStep<'static> {
        self.ended = true;
        ReceiveStep { deliver: None, send: None, finish: Some(outcome) }
    }
}

fn step(deliver: Option<&[u8]>, send: Option<Reply>) -> ReceiveStep<'_> {
    ReceiveStep { deliver, send, finish: None }
}

const MAX_TRIES: u32 = 6;

#[cfg(test)]
mod tests;
