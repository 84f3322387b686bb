//! Numbers and strings as bytes.

use std::io;

use thiserror::Error;

/// A string as a Windows image has it: UTF-16, which may hold halves of surrogate pairs.
pub type Units = Vec<u16>;

/// Why bytes are no request or frame.
#[derive(Debug, Error)]
pub enum ProtocolError {
    /// The other side does not speak this version.
    #[error("not a message of this version of the protocol")]
    Version,
    /// It ends too early.
    #[error("{what} is cut short")]
    Truncated {
        /// The part of the message.
        what: &'static str,
    },
    /// A length or a count above its bound.
    #[error("{what} of {length}, more than {most}")]
    TooLong {
        /// The part of the message.
        what: &'static str,
        /// As it was sent.
        length: u64,
        /// The largest value that is allowed.
        most: u64,
    },
    /// A kind or a command without a meaning.
    #[error("{what} {value} is unknown")]
    Unknown {
        /// The part of the message.
        what: &'static str,
        /// As it was sent.
        value: u8,
    },
    /// More bytes than belong to it.
    #[error("{extra} bytes too many")]
    Trailing {
        /// The number of bytes.
        extra: usize,
    },
    /// The pipe to the other process fails.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Takes values from the front of a message.
#[derive(Debug)]
pub(crate) struct Parser<'a> {
    rest: &'a [u8],
}

impl<'a> Parser<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Parser { rest: bytes }
    }

    pub(crate) fn bytes(&mut self, what: &'static str, length: usize) -> Result<&'a [u8], ProtocolError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(ProtocolError::Truncated { what })?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], ProtocolError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(ProtocolError::Truncated { what })?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, ProtocolError> {
        self.array(what).map(u8::from_le_bytes)
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, ProtocolError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, ProtocolError> {
        self.array(what).map(u64::from_le_bytes)
    }

    pub(crate) fn digest(&mut self, what: &'static str) -> Result<[u8; 20], ProtocolError> {
        self.array(what)
    }

    /// How many items follow, each of `least` bytes at least: never more than the bytes that are
    /// there.
    pub(crate) fn count(&mut self, what: &'static str, least: usize) -> Result<usize, ProtocolError> {
        let count = self.u32(what)? as usize;
        if count > self.rest.len() / least {
            return Err(ProtocolError::Truncated { what });
        }
        Ok(count)
    }

    pub(crate) fn string(&mut self, what: &'static str) -> Result<Units, ProtocolError> {
        let count = self.count(what, 2)?;
        let units = self.bytes(what, count * 2)?.as_chunks().0;
        Ok(units.iter().map(|unit| u16::from_le_bytes(*unit)).collect())
    }

    pub(crate) fn end(self) -> Result<(), ProtocolError> {
        match self.rest.len() {
            0 => Ok(()),
            extra => Err(ProtocolError::Trailing { extra }),
        }
    }
}

/// A length as it is sent; what is longer is cut off by no one, because [`crate::MAX_FRAME`] and
/// [`crate::MAX_REQUEST`] refuse it.
pub(crate) fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

pub(crate) fn put_string(to: &mut Vec<u8>, units: &[u16]) {
    to.extend(length(units.len()).to_le_bytes());
    units.iter().for_each(|unit| to.extend(unit.to_le_bytes()));
}
