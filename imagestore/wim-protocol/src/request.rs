//! The requests of imagestore.

use crate::wire::{Parser, ProtocolError, Units, length, put_string};
use crate::{MAX_PARTS, MAX_REQUEST};

/// A request to the reader: one for each run of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The image file and its further parts: paths on Windows, empty strings for the descriptors on
    /// Unix.
    pub parts: Vec<Units>,
    /// The limits of the process.
    pub limits: ReaderLimits,
    /// The command that the reader carries out.
    pub command: Command,
}

/// Above these the system ends the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaderLimits {
    /// Address space in bytes.
    pub memory: u64,
    /// Processor time in seconds.
    pub seconds: u32,
}

/// The task of the reader's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// List the images and every file in them.
    List,
    /// Send files, in this order; all of the image without any.
    Extract {
        /// The image, from 1.
        image: u32,
        /// Paths with `/`, and one in front.
        paths: Vec<Units>,
    },
    /// Write one file to the last descriptor.
    Write {
        /// The image, from 1.
        image: u32,
        /// The path of the file inside the image.
        path: Units,
        /// Its size: no more is written.
        size: u64,
    },
    /// Read everything and compare it with the checksums.
    Verify,
    /// Send the bytes of a compressed resource, as a file.
    Unpack(Packed),
}

/// A compressed resource of a Windows image, as the image's own tables describe it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed {
    /// The compression, as wimlib numbers it: 1 is XPRESS, 2 is LZX, 3 is LZMS.
    pub compression: u32,
    /// Bytes in a chunk before they were compressed.
    pub chunk: u32,
    /// Where it begins in the first part, in bytes.
    pub at: u64,
    /// Its bytes as they are packed.
    pub packed: u64,
    /// Its bytes once it is unpacked, at most [`MAX_UNPACKED`].
    pub size: u64,
}

/// Bytes of a resource that is unpacked in memory: the metadata of a Windows PE has about 5 MB.
pub const MAX_UNPACKED: u64 = 128 << 20;

impl Request {
    /// The request as bytes for the pipe.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.limits.memory.to_le_bytes());
        bytes.extend(self.limits.seconds.to_le_bytes());
        put_strings(&mut bytes, &self.parts);
        match &self.command {
            Command::List => bytes.push(LIST),
            Command::Extract { image, paths } => {
                bytes.push(EXTRACT);
                bytes.extend(image.to_le_bytes());
                put_strings(&mut bytes, paths);
            }
            Command::Write { image, path, size } => {
                bytes.push(WRITE);
                bytes.extend(image.to_le_bytes());
                put_string(&mut bytes, path);
                bytes.extend(size.to_le_bytes());
            }
            Command::Verify => bytes.push(VERIFY),
            Command::Unpack(Packed { compression, chunk, at, packed, size }) => {
                bytes.push(UNPACK);
                [compression, chunk].into_iter().for_each(|number| bytes.extend(number.to_le_bytes()));
                [at, packed, size].into_iter().for_each(|number| bytes.extend(number.to_le_bytes()));
            }
        }
        bytes
    }

    /// The request from the bytes of the pipe.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProtocolError> {
        if bytes.len() > MAX_REQUEST {
            let (length, most) = (bytes.len() as u64, MAX_REQUEST as u64);
            return Err(ProtocolError::TooLong { what: "a request", length, most });
        }
        let mut parser = Parser::new(bytes);
        if parser.bytes("a request", MAGIC.len())? != MAGIC {
            return Err(ProtocolError::Version);
        }
        let limits = ReaderLimits { memory: parser.u64("a limit")?, seconds: parser.u32("a limit")? };
        let parts = strings(&mut parser, "a part")?;
        if parts.len() > MAX_PARTS {
            let (length, most) = (parts.len() as u64, MAX_PARTS as u64);
            return Err(ProtocolError::TooLong { what: "a number of parts", length, most });
        }
        let command = match parser.u8("a command")? {
            LIST => Command::List,
            EXTRACT => Command::Extract {
                image: parser.u32("an image's number")?,
                paths: strings(&mut parser, "a path")?,
            },
            WRITE => Command::Write {
                image: parser.u32("an image's number")?,
                path: parser.string("a path")?,
                size: parser.u64("a size")?,
            },
            VERIFY => Command::Verify,
            UNPACK => Command::Unpack(Packed {
                compression: parser.u32("a compression")?,
                chunk: parser.u32("a chunk's size")?,
                at: parser.u64("an offset")?,
                packed: parser.u64("a size")?,
                size: parser.u64("a size")?,
            }),
            value => return Err(ProtocolError::Unknown { what: "command", value }),
        };
        parser.end()?;
        Ok(Request { parts, limits, command })
    }
}

fn put_strings(to: &mut Vec<u8>, strings: &[Units]) {
    to.extend(length(strings.len()).to_le_bytes());
    strings.iter().for_each(|string| put_string(to, string));
}

fn strings(parser: &mut Parser<'_>, what: &'static str) -> Result<Vec<Units>, ProtocolError> {
    let count = parser.count(what, 4)?;
    (0..count).map(|_| parser.string(what)).collect()
}

/// The last byte is the version.
const MAGIC: &[u8] = b"netbootd-wim\x01";
const LIST: u8 = 1;
const EXTRACT: u8 = 2;
const WRITE: u8 = 3;
const VERIFY: u8 = 4;
const UNPACK: u8 = 5;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn units() -> impl Strategy<Value = Units> {
        proptest::collection::vec(any::<u16>(), 0..20)
    }

    fn command() -> impl Strategy<Value = Command> {
        prop_oneof![
            Just(Command::List),
            Just(Command::Verify),
            (any::<u32>(), proptest::collection::vec(units(), 0..5))
                .prop_map(|(image, paths)| Command::Extract { image, paths }),
            (any::<u32>(), units(), any::<u64>()).prop_map(|(image, path, size)| Command::Write {
                image,
                path,
                size
            }),
            any::<([u32; 2], [u64; 3])>().prop_map(|([compression, chunk], [at, packed, size])| {
                Command::Unpack(Packed { compression, chunk, at, packed, size })
            }),
        ]
    }

    proptest! {
        #[test]
        fn a_request_is_read_as_it_was_written(
            parts in proptest::collection::vec(units(), 0..5),
            memory: u64,
            seconds: u32,
            command in command(),
        ) {
            let request = Request { parts, limits: ReaderLimits { memory, seconds }, command };
            prop_assert_eq!(Request::decode(&request.encode()).unwrap(), request);
        }

        #[test]
        fn a_request_that_is_cut_short_or_goes_on_is_refused(command in command(), cut: prop::sample::Index) {
            let limits = ReaderLimits { memory: 1, seconds: 1 };
            let mut bytes = Request { parts: vec![vec![]], limits, command }.encode();
            prop_assert!(Request::decode(&bytes[..cut.index(bytes.len())]).is_err());
            bytes.push(0);
            prop_assert!(Request::decode(&bytes).is_err());
        }

        #[test]
        fn any_bytes_are_a_request_or_refused(bytes: Vec<u8>, behind: bool) {
            let bytes = if behind { [MAGIC, &bytes].concat() } else { bytes };
            let _ = Request::decode(&bytes);
        }
    }

    #[test]
    fn a_length_is_compared_with_what_is_there_before_it_is_used() {
        let limits = ReaderLimits { memory: 1, seconds: 1 };
        let mut bytes = Request { parts: vec![vec![65; 3]], limits, command: Command::List }.encode();
        let at = MAGIC.len() + 12;
        for length in [at, at + 4] {
            let mut hostile = bytes.clone();
            hostile[length..length + 4].copy_from_slice(&u32::MAX.to_le_bytes());
            assert!(matches!(Request::decode(&hostile), Err(ProtocolError::Truncated { .. })));
        }
        bytes[MAGIC.len() - 1] = 2;
        assert!(matches!(Request::decode(&bytes), Err(ProtocolError::Version)));
    }
}
