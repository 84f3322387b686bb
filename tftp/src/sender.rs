//! The server's side of one transfer.

use std::time::{Duration, Instant};

use crate::pace::Pace;
use crate::rto::RetransmissionTimer;
use crate::{ErrorCode, Negotiated, Packet};

/// Sends one file. It holds no bytes of it.
#[derive(Debug, Clone)]
pub struct Sender {
    negotiated: Negotiated,
    size: u64,
    last_block: u64,
    state: State,
    window: u16,
    pace: Pace,
    timer: RetransmissionTimer,
    started: Instant,
    sent_at: Instant,
    heard_at: Instant,
    sent_once: bool,
    heard: bool,
    tries: u32,
    resends: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The option acknowledgement is out; ACK 0 is awaited.
    Offered,
    /// Blocks behind `acked` up to `sent` are out, those up to `end` are still to come in this
    /// window.
    Sending {
        acked: u64,
        sent: u64,
        end: u64,
    },
    Ended,
}

/// An input of the sender.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A packet of this transfer's client.
    Packet(&'a Packet<'a>),
    /// Time went by. Before [`Sender::deadline`] this does nothing.
    Tick,
    /// The client's port is closed (ICMP port unreachable).
    Unreachable,
    /// The file could not be read where it should.
    ReadFailed,
    /// The server is stopping.
    Stop,
}

/// The actions for the caller after one input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[must_use]
pub struct Step {
    /// The packet to send, if any.
    pub send: Option<Send>,
    /// Set once, with the last step: the transfer is over.
    pub finish: Option<Outcome>,
}

/// The packets that the caller has to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Send {
    /// The OACK, in bytes from [`Negotiated::option_ack`].
    OptionAck,
    /// Blocks in a row; their place in the file is [`Sender::offset_of`], their number on the wire
    /// is modulo 65536.
    Blocks {
        /// The first one, counted from 1 without rollover.
        first: u64,
        /// The number of blocks.
        count: u16,
    },
    /// An error that ends the transfer.
    Error {
        /// The code of the error.
        code: ErrorCode,
        /// The message for people.
        message: &'static str,
    },
}

/// How a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every block was acknowledged, or everything but the acknowledgement of the last window came.
    Completed {
        /// Whether the last acknowledgement came. Some clients start what they fetched without
        /// sending it.
        last_ack: bool,
    },
    /// The client asked for the size and went away with the answer: a normal end (firmware does it
    /// before each file).
    Probed,
    /// The client gave up.
    Aborted {
        /// The code of the client's error.
        code: ErrorCode,
    },
    /// The client's port is closed.
    ClientGone,
    /// Nothing was heard for too long.
    TimedOut,
    /// The file could not be read to its end.
    ReadFailed,
    /// The server is stopping.
    Stopped,
}

impl Sender {
    /// Starts a transfer of `size` bytes; the step is the first thing to send.
    pub fn new(negotiated: Negotiated, size: u64, now: Instant) -> (Self, Step) {
        let mut sender = Sender {
            last_block: size / u64::from(negotiated.block_size) + 1,
            window: negotiated.window_size.max(1),
            pace: Pace::default(),
            timer: RetransmissionTimer::of_server(negotiated.timeout),
            size,
            state: State::Offered,
            started: now,
            sent_at: now,
            heard_at: now,
            sent_once: true,
            heard: false,
            tries: 0,
            resends: 0,
            negotiated,
        };
        let step = if sender.negotiated.granted.is_empty() {
            sender.send_window(now, 0)
        } else {
            Step { send: Some(Send::OptionAck), finish: None }
        };
        (sender, step)
    }

    /// Takes one input. After the end nothing happens any more.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) -> Step {
        if self.state == State::Ended {
            return Step::default();
        }
        match input {
            Input::Packet(Packet::Ack { block, next_window }) => self.acknowledged(now, *block, *next_window),
            Input::Packet(Packet::Error { code, .. }) => self.end(self.aborted(*code)),
            // Anything else from the client's port is an old datagram, or nonsense that a later
            // packet will mend.
            Input::Packet(_) => Step::default(),
            Input::Tick => self.tick(now),
            Input::Unreachable => self.end(Outcome::ClientGone),
            Input::ReadFailed => self.end_with(Outcome::ReadFailed, "the file cannot be read to its end"),
            Input::Stop => self.end_with(Outcome::Stopped, "the server is stopping"),
        }
    }

    /// When [`Input::Tick`] is due; None after the end.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Ended => None,
            State::Sending { sent, end, .. } if sent < end => Some(self.sent_at + Pace::GAP),
            State::Offered | State::Sending { .. } if self.waits_for_proof() => {
                Some(self.heard_at + MAX_UNPROVED_SILENCE)
            }
            State::Offered | State::Sending { .. } => Some(self.sent_at + self.timer.wait()),
        }
    }

    /// Where a block's bytes are in the file: offset and length, both in bytes.
    pub fn offset_of(&self, block: u64) -> (u64, u16) {
        let offset = block.saturating_sub(1) * u64::from(self.negotiated.block_size);
        let left = self.size.saturating_sub(offset);
        (offset, u16::try_from(left).unwrap_or(u16::MAX).min(self.negotiated.block_size))
    }

    /// Bytes that the client has acknowledged.
    pub fn acknowledged_bytes(&self) -> u64 {
        match self.state {
            State::Sending { acked, .. } => (acked * u64::from(self.negotiated.block_size)).min(self.size),
            State::Offered | State::Ended => 0,
        }
    }

    /// Blocks that were sent more than once.
    pub fn resends(&self) -> u64 {
        self.resends
    }

    /// The options that server and client agreed on.
    pub fn negotiated(&self) -> &Negotiated {
        &self.negotiated
    }

    /// Whether the client has acknowledged anything: until then, somebody else may have asked in
    /// its name.
    pub fn is_proved(&self) -> bool {
        self.heard
    }

    /// From the request until `now`.
    pub fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    fn acknowledged(&mut self, now: Instant, block: u16, next_window: Option<u8>) -> Step {
        let (acked, sent) = match self.state {
            State::Offered if block == 0 => (0, 0),
            State::Offered | State::Ended => return Step::default(),
            State::Sending { acked, sent, .. } => {
                // Only numbers inside the open window mean anything: 16 bits roll over every 65536
                // blocks.
                let ahead = u64::from(block.wrapping_sub(acked as u16));
                match ahead {
                    0 => return self.acknowledged_again(now, acked, sent),
                    _ if ahead <= sent - acked => (acked + ahead, sent),
                    _ => return Step::default(),
                }
            }
        };
        self.resize_window(next_window);
        self.heard_at = now;
        self.heard = true;
        self.tries = 0;
        if acked == sent {
            self.pace.clean();
        } else {
            self.pace.lost(self.window);
        }
        if acked == sent && self.sent_once {
            self.timer.measured(now.saturating_duration_since(self.sent_at));
        } else {
            self.timer.progressed();
        }
        if acked == self.last_block {
            return self.end(Outcome::Completed { last_ack: true });
        }
        // Short of the window's end, the client misses the block behind this one (RFC 7440 §4): go
        // back to it.
        self.resends += sent.saturating_sub(acked);
        self.send_window(now, acked)
    }

    /// The last acknowledgement once more: in lockstep a duplicate that must not be answered (RFC
    /// 1123 §4.2.3.1); with a window, a sign that its first block was lost, to be believed once in
    /// a round trip.
    fn acknowledged_again(&mut self, now: Instant, acked: u64, sent: u64) -> Step {
        let round_trip = self.timer.round_trip().unwrap_or(UNKNOWN_ROUND_TRIP).max(SHORTEST_ROUND_TRIP);
        let too_soon = now.saturating_duration_since(self.sent_at) < round_trip;
        if self.window == 1 || too_soon || !self.sent_once {
            return Step::default();
        }
        self.heard_at = now;
        self.resends += sent - acked;
        self.pace.lost(self.window);
        let step = self.send_window(now, acked);
        self.sent_once = false;
        step
    }

    fn resize_window(&mut self, next_window: Option<u8>) {
        if let Some(wanted) = next_window.filter(|wanted| self.negotiated.variable_window && *wanted > 0) {
            self.window = u16::from(wanted).min(self.negotiated.max_window_size).max(1);
        }
    }

    fn tick(&mut self, now: Instant) -> Step {
        if self.deadline().is_some_and(|deadline| now < deadline) {
            return Step::default();
        }
        let silent_for = now.saturating_duration_since(self.heard_at);
        if let State::Sending { acked, sent, end } = self.state
            && sent < end
        {
            return self.send_on(now, acked, sent, end);
        }
        let given_up = self.waits_for_proof();
        self.tries += 1;
        if given_up || silent_for >= MAX_SILENCE {
            return match self.state {
                State::Sending { sent, .. } if sent == self.last_block => {
                    self.end(Outcome::Completed { last_ack: false })
                }
                _ if given_up => self.end(Outcome::TimedOut),
                _ => self.end_with(Outcome::TimedOut, "no acknowledgement for too long"),
            };
        }
        self.timer.expired();
        match self.state {
            State::Offered => {
                self.sent_at = now;
                self.sent_once = false;
                Step { send: Some(Send::OptionAck), finish: None }
            }
            State::Sending { acked, sent, .. } => {
                self.resends += sent - acked;
                self.pace.lost(self.window);
                let step = self.send_window(now, acked);
                self.sent_once = false;
                step
            }
            State::Ended => Step::default(),
        }
    }

    /// Whether an address that has acknowledged nothing was sent all that it may be sent: it may
    /// not be whose request it was. If it is, its client asks again.
    fn waits_for_proof(&self) -> bool {
        let resends = if self.state == State::Offered { MAX_UNPROVED_OFFERS } else { MAX_UNPROVED_BLOCKS };
        !self.heard && self.tries >= resends
    }

    fn send_window(&mut self, now: Instant, acked: u64) -> Step {
        let end = (acked + u64::from(self.window)).min(self.last_block);
        self.sent_once = true;
        self.send_on(now, acked, acked, end)
    }

    /// The window's next burst: all of it, unless the pace says less.
    fn send_on(&mut self, now: Instant, acked: u64, sent: u64, end: u64) -> Step {
        // A window has at most 65535 blocks.
        let count = self.pace.burst().min((end - sent) as u16);
        self.state = State::Sending { acked, sent: sent + u64::from(count), end };
        self.sent_at = now;
        Step { send: Some(Send::Blocks { first: sent + 1, count }), finish: None }
    }

    fn aborted(&self, code: ErrorCode) -> Outcome {
        let normal = matches!(code, ErrorCode::OPTIONS_REFUSED | ErrorCode::UNDEFINED);
        match self.state {
            State::Offered if self.negotiated.size_asked && normal => Outcome::Probed,
            _ => Outcome::Aborted { code },
        }
    }

    fn end(&mut self, outcome: Outcome) -> Step {
        self.state = State::Ended;
        Step { send: None, finish: Some(outcome) }
    }

    fn end_with(&mut self, outcome: Outcome, message: &'static str) -> Step {
        let send = Some(Send::Error { code: ErrorCode::UNDEFINED, message });
        Step { send, ..self.end(outcome) }
    }
}

/// How often an option acknowledgement, which is about as long as its request, is sent again to an
/// address that has answered nothing.
const MAX_UNPROVED_OFFERS: u32 = 2;
/// The same of the first block, which is longer: 516 bytes, since a larger one is agreed upon
/// first.
const MAX_UNPROVED_BLOCKS: u32 = 1;
/// How long such an address is waited for in all. Firmware that is slow to begin takes a few
/// seconds.
const MAX_UNPROVED_SILENCE: Duration = Duration::from_secs(10);
/// A machine that was switched off frees its place after this long.
const MAX_SILENCE: Duration = Duration::from_secs(30);
/// Taken for a round trip before one was measured.
const UNKNOWN_ROUND_TRIP: Duration = Duration::from_millis(100);
/// On loopback a round trip is shorter than a burst of duplicates is long.
const SHORTEST_ROUND_TRIP: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests;
