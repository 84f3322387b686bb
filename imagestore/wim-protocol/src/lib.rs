//! The frames between imagestore and `netbootd-wim`.
//!
//! One process answers one [`Request`] and ends. The request comes on its standard input, the
//! answers are [`Frame`]s on its standard output. An error is plain text on standard error, and the
//! exit status is not 0 then. On Unix standard input is a socket, whose first byte carries the open
//! images as descriptors ([`MAX_PARTS`] at most), followed by the file to write to if the command
//! is [`Command::Write`]; on Windows the request names the images by path.
//!
//! A number is little-endian, a string is its length in units (u32) and UTF-16 as the image has it.
//! A frame is a kind (u8), a length (u32) and as many bytes. The one exception is [`Frame::File`],
//! after which the file's own bytes follow, as many as the frame says. Neither side uses a length
//! before it has compared it with a bound, and imagestore compares the length of a file with what
//! it expects.

mod frame;
mod request;
mod wire;

pub use frame::{Entry, Frame, Image, Stream};
pub use request::{Command, MAX_UNPACKED, Packed, ReaderLimits, Request};
pub use wire::{ProtocolError, Units};

/// Images of one set (`name.swm`, `name2.swm`, ...) that one request may speak of.
pub const MAX_PARTS: usize = 128;
/// Bytes of one frame: the longest path of Windows has 64 KiB, and a file has few streams.
pub const MAX_FRAME: usize = 1 << 20;
/// Bytes of one request; a file is about a hundred.
pub const MAX_REQUEST: usize = 64 << 20;
