//! BSDP's own options, carried inside option 43 (BSDP 1.0.8, tables 5 to 8; sub-option 12 from
//! Apple's client code).
//!
//! ```text
//! +------+-----+----------------+  ...
//! | code | len | value (len)    |
//! +------+-----+----------------+  ...
//! ```
//!
//! A packet may carry several option 43. Each is a stream of its own, so nothing is split but
//! between sub-options.

use std::net::Ipv4Addr;

use nom::Parser;
use nom::bytes::complete::take;
use nom::number::complete::u8;
use thiserror::Error;

use crate::{BootImageId, BsdpMessageType, ListEntry};

/// One sub-option of option 43: a code and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubOption {
    /// 1: what the message is.
    MessageType(BsdpMessageType),
    /// 2: the protocol version, 0x0101 for 1.1.
    Version(u16),
    /// 3: the server that a SELECT is for.
    ServerIdentifier(Ipv4Addr),
    /// 4: how willing a server is; the highest wins.
    ServerPriority(u16),
    /// 5: the UDP port to answer to.
    ReplyPort(u16),
    /// 7: the image of those who do not choose.
    DefaultBootImageId(BootImageId),
    /// 8: the chosen image.
    SelectedBootImageId(BootImageId),
    /// 9: images; it may repeat.
    BootImageList(Vec<ListEntry>),
    /// 10: firmware of 1998 and 1999 that speaks NetBoot 1.0.
    NetBoot1,
    /// 11: the client wants images with one of these attributes, the upper half of an image id.
    AttributesFilter(Vec<u16>),
    /// 12: the largest message that the client takes, headers included.
    MaxMessageSize(u16),
    /// 128: where the shadow file goes, as an `afp:` or `nfs:` URL.
    ShadowMountPath(Vec<u8>),
    /// 129: the shadow file below it.
    ShadowFilePath(Vec<u8>),
    /// 130: the name that the booted system takes.
    MachineName(Vec<u8>),
    /// Any other code, or one of the above with a value of another shape. Kept as it is.
    Other {
        /// The code, neither 0 nor 255.
        code: u8,
        /// The value as the packet has it.
        value: Vec<u8>,
    },
}

/// Why an option 43 is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Option43Error {
    /// A length goes beyond the end of its option 43.
    #[error("sub-option {code} claims {need} bytes, {have} are left")]
    Truncated {
        /// The code of the sub-option.
        code: u8,
        /// Bytes claimed; 1 when the length byte itself is missing.
        need: usize,
        /// Bytes that are left of the option.
        have: usize,
    },
    /// On emitting: a value is longer than an option 43 holds.
    #[error("the value of sub-option {code} has {have} bytes, more than 253")]
    TooLong {
        /// The code of the sub-option.
        code: u8,
        /// The bytes that are there.
        have: usize,
    },
}

/// Reads every option 43 of a packet, each as a stream of its own, and joins what they hold.
pub fn parse<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<SubOption>, Option43Error> {
    let mut options = Vec::new();
    for value in values {
        parse_one(value, &mut options)?;
    }
    Ok(options)
}

/// Writes sub-options as the values of as few option 43 as hold them, at most 255 bytes each and no
/// end byte inside.
pub fn emit(options: &[SubOption]) -> Result<Vec<Vec<u8>>, Option43Error> {
    let mut values: Vec<Vec<u8>> = Vec::new();
    for option in options {
        let (code, value) = option.to_wire();
        if value.len() > MAX_VALUE {
            return Err(Option43Error::TooLong { code, have: value.len() });
        }
        match values.last_mut() {
            Some(last) if last.len() + 2 + value.len() <= MAX_OPTION => put(last, code, &value),
            _ => {
                let mut next = Vec::new();
                put(&mut next, code, &value);
                values.push(next);
            }
        }
    }
    Ok(values)
}

pub(crate) fn put(to: &mut Vec<u8>, code: u8, value: &[u8]) {
    to.extend([code, value.len() as u8]);
    to.extend(value);
}

fn parse_one(mut rest: &[u8], options: &mut Vec<SubOption>) -> Result<(), Option43Error> {
    while let [code, after @ ..] = rest {
        match *code {
            PAD => rest = after,
            END => break,
            code => {
                let (after, value) = sub_option(code, after)?;
                options.push(SubOption::from_wire(code, value));
                rest = after;
            }
        }
    }
    Ok(())
}

fn sub_option(code: u8, input: &[u8]) -> Result<(&[u8], &[u8]), Option43Error> {
    let length: nom::IResult<&[u8], u8> = u8(input);
    let (rest, length) = length.map_err(|_| Option43Error::Truncated { code, need: 1, have: 0 })?;
    let value: nom::IResult<&[u8], &[u8]> = take(length).parse(rest);
    value.map_err(|_| Option43Error::Truncated { code, need: usize::from(length), have: rest.len() })
}

impl SubOption {
    /// Of a code and its value.
    fn from_wire(code: u8, value: &[u8]) -> Self {
        Self::known(code, value).unwrap_or_else(|| SubOption::Other { code, value: value.to_vec() })
    }

    fn known(code: u8, value: &[u8]) -> Option<Self> {
        let u16 = || value.try_into().ok().map(u16::from_be_bytes);
        let id = || value.try_into().ok().map(BootImageId::from_wire);
        Some(match code {
            MESSAGE_TYPE => match value {
                [byte] => SubOption::MessageType(BsdpMessageType::from_wire(*byte)?),
                _ => return None,
            },
            VERSION => SubOption::Version(u16()?),
            SERVER_IDENTIFIER => {
                let octets: [u8; 4] = value.try_into().ok()?;
                SubOption::ServerIdentifier(Ipv4Addr::from(octets))
            }
            SERVER_PRIORITY => SubOption::ServerPriority(u16()?),
            REPLY_PORT => SubOption::ReplyPort(u16()?),
            DEFAULT_IMAGE => SubOption::DefaultBootImageId(id()?),
            SELECTED_IMAGE => SubOption::SelectedBootImageId(id()?),
            IMAGE_LIST => SubOption::BootImageList(ListEntry::parse_all(value).ok()?),
            NETBOOT_1 if value.is_empty() => SubOption::NetBoot1,
            ATTRIBUTES_FILTER if value.len().is_multiple_of(2) => SubOption::AttributesFilter(
                value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect(),
            ),
            MAX_MESSAGE_SIZE => SubOption::MaxMessageSize(u16()?),
            SHADOW_MOUNT_PATH => SubOption::ShadowMountPath(value.to_vec()),
            SHADOW_FILE_PATH => SubOption::ShadowFilePath(value.to_vec()),
            MACHINE_NAME => SubOption::MachineName(value.to_vec()),
            _ => return None,
        })
    }

    /// The code and the value.
    pub fn to_wire(&self) -> (u8, Vec<u8>) {
        match self {
            SubOption::MessageType(kind) => (MESSAGE_TYPE, vec![kind.wire()]),
            SubOption::Version(version) => (VERSION, version.to_be_bytes().to_vec()),
            SubOption::ServerIdentifier(addr) => (SERVER_IDENTIFIER, addr.octets().to_vec()),
            SubOption::ServerPriority(priority) => (SERVER_PRIORITY, priority.to_be_bytes().to_vec()),
            SubOption::ReplyPort(port) => (REPLY_PORT, port.to_be_bytes().to_vec()),
            SubOption::DefaultBootImageId(id) => (DEFAULT_IMAGE, id.wire().to_vec()),
            SubOption::SelectedBootImageId(id) => (SELECTED_IMAGE, id.wire().to_vec()),
            SubOption::BootImageList(entries) => {
                (IMAGE_LIST, entries.iter().flat_map(ListEntry::emit).collect())
            }
            SubOption::NetBoot1 => (NETBOOT_1, Vec::new()),
            SubOption::AttributesFilter(filter) => {
                (ATTRIBUTES_FILTER, filter.iter().flat_map(|attributes| attributes.to_be_bytes()).collect())
            }
            SubOption::MaxMessageSize(size) => (MAX_MESSAGE_SIZE, size.to_be_bytes().to_vec()),
            SubOption::ShadowMountPath(path) => (SHADOW_MOUNT_PATH, path.clone()),
            SubOption::ShadowFilePath(path) => (SHADOW_FILE_PATH, path.clone()),
            SubOption::MachineName(name) => (MACHINE_NAME, name.clone()),
            SubOption::Other { code, value } => (*code, value.clone()),
        }
    }
}

const PAD: u8 = 0;
const MESSAGE_TYPE: u8 = 1;
const VERSION: u8 = 2;
const SERVER_IDENTIFIER: u8 = 3;
const SERVER_PRIORITY: u8 = 4;
const REPLY_PORT: u8 = 5;
const DEFAULT_IMAGE: u8 = 7;
const SELECTED_IMAGE: u8 = 8;
pub(crate) const IMAGE_LIST: u8 = 9;
const NETBOOT_1: u8 = 10;
const ATTRIBUTES_FILTER: u8 = 11;
const MAX_MESSAGE_SIZE: u8 = 12;
const SHADOW_MOUNT_PATH: u8 = 128;
const SHADOW_FILE_PATH: u8 = 129;
const MACHINE_NAME: u8 = 130;
const END: u8 = 255;

/// The longest value of one DHCP option, in bytes (RFC 2132: a one-byte length).
pub(crate) const MAX_OPTION: usize = 255;
const MAX_VALUE: usize = MAX_OPTION - 2;

#[cfg(test)]
mod tests;
