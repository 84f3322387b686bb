//! TFTP as pure code: packets, option negotiation, and one transfer as a machine.
//!
//! A server parses a [`Packet`], looks the file up, calls [`negotiate`] and makes a [`Sender`]. It
//! then feeds the machine packets and time, and does what each [`Step`] says: send an option
//! acknowledgement, send a run of blocks, or finish. The machine holds no file bytes:
//! [`Sender::offset_of`] says where a block begins, so a whole window can leave in one system call.
//! [`Receiver`] is the other side, for probes and tests.
//!
//! ```
//! use std::time::Instant;
//! use tftp::{Input, Packet, Send, Sender, ServerLimits, negotiate};
//!
//! let Ok(Packet::ReadRequest(request)) = Packet::parse(b"\0\x01pxelinux.0\0octet\0blksize\x001408\0") else { panic!() };
//! let negotiated = negotiate(&request.options, &ServerLimits::default(), 3000);
//! let (mut sender, first) = Sender::new(negotiated, 3000, Instant::now());
//! assert_eq!(first.send, Some(Send::OptionAck));
//! let step = sender.handle(Instant::now(), Input::Packet(&Packet::Ack { block: 0, next_window: None }));
//! assert_eq!(step.send, Some(Send::Blocks { first: 1, count: 1 }));
//! ```
//!
//! Sources: RFC 1350 (the protocol), 2347 (options), 2348 (blksize), 2349 (timeout, tsize), 7440
//! (windowsize), and Microsoft's variable window as Wireshark's dissector describes it.
#![warn(missing_docs)]

pub mod netascii;
mod options;
mod pace;
mod packet;
mod receiver;
mod rto;
mod sender;

pub use options::{
    DEFAULT_BLOCK_SIZE, MAX_BLOCK_SIZE, MIN_BLOCK_SIZE, Negotiated, RequestOptions, ServerLimits, negotiate,
};
pub use packet::{ErrorCode, MAX_REQUEST, Mode, Packet, ParseError, Request};
pub use receiver::{ReceiveStep, Receiver, ReceiverOutcome, Reply};
pub use sender::{Input, Outcome, Send, Sender, Step};
