//! The six packets (RFC 1350 §5, RFC 2347).
//!
//! ```text
//!  2 bytes   string   1   string  1   string  1   string  1
//! +--------+----------+---+-------+---+-------+---+-------+---+
//! | opcode | filename | 0 | mode  | 0 | opt   | 0 | value | 0 |  1 read, 2 write request; 6 has the options only
//! +--------+----------+---+-------+---+-------+---+-------+---+
//! | 3 | block | data |     | 4 | block (| window) |     | 5 | code | message | 0 |
//! ```

use nom::bytes::complete::take_till;
use nom::number::complete::be_u16;
use nom::{IResult, Parser};
use thiserror::Error;

use crate::RequestOptions;

/// One packet. Names and messages are the peer's bytes: escape them before showing them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A client wants a file.
    ReadRequest(Request<'a>),
    /// A client wants to store a file.
    WriteRequest(Request<'a>),
    /// One block of the file.
    Data {
        /// The block's number, modulo 65536.
        block: u16,
        /// Its bytes; fewer than the block size end the file.
        payload: &'a [u8],
    },
    /// Blocks up to this one have come.
    Ack {
        /// The block's number, modulo 65536.
        block: u16,
        /// How many blocks the client wants next: the fifth byte of Microsoft's variable window.
        next_window: Option<u8>,
    },
    /// The end, for a reason. Never answered.
    Error {
        /// The code of the error.
        code: ErrorCode,
        /// The message for people, as bytes.
        message: &'a [u8],
    },
    /// The options that the server grants, in the order of the request.
    OptionAck(Vec<(&'a [u8], &'a [u8])>),
}

/// A read or write request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// The file's name as asked for.
    pub filename: &'a [u8],
    /// How the bytes are to be sent; None for `mail` and anything unknown.
    pub mode: Option<Mode>,
    /// The options that this implementation knows.
    pub options: RequestOptions,
}

/// How bytes are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The mode octet: bytes as they are.
    Octet,
    /// With line ends as RFC 764 wants them; see [`crate::netascii`].
    Netascii,
}

/// A reason to end a transfer (RFC 1350, RFC 2347).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u16);

impl ErrorCode {
    /// Code 0: the message says what is wrong.
    pub const UNDEFINED: ErrorCode = ErrorCode(0);
    /// There is no such file.
    pub const FILE_NOT_FOUND: ErrorCode = ErrorCode(1);
    /// The file may not be read, or not be written.
    pub const ACCESS_VIOLATION: ErrorCode = ErrorCode(2);
    /// A packet that does not belong there.
    pub const ILLEGAL_OPERATION: ErrorCode = ErrorCode(4);
    /// A packet from a port that has no transfer.
    pub const UNKNOWN_TRANSFER: ErrorCode = ErrorCode(5);
    /// The client does not take the granted options.
    pub const OPTIONS_REFUSED: ErrorCode = ErrorCode(8);
}

/// Why bytes are no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ParseError {
    /// Shorter than the packet's fixed part.
    #[error("{have} bytes are too few for a TFTP packet")]
    Truncated {
        /// Bytes that were received.
        have: usize,
    },
    /// No opcode of TFTP.
    #[error("opcode {0} is not one of TFTP's")]
    Opcode(u16),
    /// A request without a file name or without a mode.
    #[error("the request has no {0}")]
    Missing(&'static str),
    /// A request whose file name has no letter.
    #[error("the request's file name is empty")]
    EmptyFileName,
}

impl<'a> Packet<'a> {
    /// Reads one datagram. A last string without its NUL is taken as it is; an option name without
    /// a value is left out.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let truncated = |_: nom::Err<nom::error::Error<&[u8]>>| ParseError::Truncated { have: bytes.len() };
        let (rest, opcode) = be_u16(bytes).map_err(truncated)?;
        match opcode {
            READ_REQUEST => request(rest).map(Packet::ReadRequest),
            WRITE_REQUEST => request(rest).map(Packet::WriteRequest),
            DATA => {
                let (payload, block) = be_u16(rest).map_err(truncated)?;
                Ok(Packet::Data { block, payload })
            }
            ACK => {
                let (extra, block) = be_u16(rest).map_err(truncated)?;
                Ok(Packet::Ack { block, next_window: extra.first().copied() })
            }
            ERROR => {
                let (rest, code) = be_u16(rest).map_err(truncated)?;
                let message = rest.split(|byte| *byte == 0).next().unwrap_or(rest);
                Ok(Packet::Error { code: ErrorCode(code), message })
            }
            OPTION_ACK => Ok(Packet::OptionAck(option_pairs(rest).collect())),
            other => Err(ParseError::Opcode(other)),
        }
    }

    /// The datagram of a packet that is no request; None for requests, which
    /// [`Packet::read_request`] writes.
    pub fn emit(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(64);
        match self {
            Packet::ReadRequest(_) | Packet::WriteRequest(_) => return None,
            Packet::Data { block, payload } => {
                bytes.extend(data_header(*block));
                bytes.extend(*payload);
            }
            Packet::Ack { block, next_window } => {
                bytes.extend(ACK.to_be_bytes());
                bytes.extend(block.to_be_bytes());
                bytes.extend(next_window);
            }
            Packet::Error { code, message } => {
                bytes.extend(ERROR.to_be_bytes());
                bytes.extend(code.0.to_be_bytes());
                bytes.extend(*message);
                bytes.push(0);
            }
            Packet::OptionAck(options) => {
                bytes.extend(OPTION_ACK.to_be_bytes());
                for (name, value) in options {
                    put_string(&mut bytes, name);
                    put_string(&mut bytes, value);
                }
            }
        }
        Some(bytes)
    }

    /// The four bytes before a block's payload.
    pub fn data_header(block: u16) -> [u8; 4] {
        data_header(block)
    }

    /// A read request for `filename`; None when it would be longer than [`MAX_REQUEST`].
    pub fn read_request(filename: &[u8], mode: Mode, options: &RequestOptions) -> Option<Vec<u8>> {
        let mut bytes = READ_REQUEST.to_be_bytes().to_vec();
        put_string(&mut bytes, filename);
        put_string(&mut bytes, if mode == Mode::Octet { b"octet" } else { b"netascii" });
        options.emit(&mut bytes);
        (bytes.len() <= MAX_REQUEST && !filename.contains(&0)).then_some(bytes)
    }
}

fn data_header(block: u16) -> [u8; 4] {
    let [a, b] = DATA.to_be_bytes();
    let [c, d] = block.to_be_bytes();
    [a, b, c, d]
}

fn request(rest: &[u8]) -> Result<Request<'_>, ParseError> {
    let (rest, filename) = string(rest).map_err(|_| ParseError::Missing("file name"))?;
    let (rest, mode) = string(rest).map_err(|_| ParseError::Missing("mode"))?;
    if filename.is_empty() {
        return Err(ParseError::EmptyFileName);
    }
    if mode.is_empty() {
        return Err(ParseError::Missing("mode"));
    }
    let mode = if mode.eq_ignore_ascii_case(b"octet") {
        Some(Mode::Octet)
    } else if mode.eq_ignore_ascii_case(b"netascii") {
        Some(Mode::Netascii)
    } else {
        None
    };
    Ok(Request { filename, mode, options: RequestOptions::read(option_pairs(rest)) })
}

/// Name and value, as long as both are there; what is behind the first lone name is left out.
fn option_pairs(mut rest: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let (after, name) = string(rest).ok()?;
        let (after, value) = string(after).ok()?;
        rest = after;
        (!name.is_empty()).then_some((name, value))
    })
    .take(MAX_OPTIONS)
}

/// Bytes up to a NUL or to the end; an error when nothing is left.
fn string(input: &[u8]) -> IResult<&[u8], &[u8]> {
    if input.is_empty() {
        return Err(nom::Err::Error(nom::error::Error::new(input, nom::error::ErrorKind::Eof)));
    }
    let (rest, text) = take_till(|byte| byte == 0).parse(input)?;
    Ok((rest.get(1..).unwrap_or_default(), text))
}

pub(crate) fn put_string(bytes: &mut Vec<u8>, text: &[u8]) {
    bytes.extend(text);
    bytes.push(0);
}

/// The longest request that RFC 2347 allows, in bytes.
pub const MAX_REQUEST: usize = 512;
/// Options read of one packet; clients send five at most.
const MAX_OPTIONS: usize = 32;

const READ_REQUEST: u16 = 1;
const WRITE_REQUEST: u16 = 2;
const DATA: u16 = 3;
const ACK: u16 = 4;
const ERROR: u16 = 5;
const OPTION_ACK: u16 = 6;

#[cfg(test)]
mod tests;
