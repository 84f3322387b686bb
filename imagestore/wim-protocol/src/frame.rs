//! The reader's answers.

use std::io::{Read, Write};

use crate::MAX_FRAME;
use crate::wire::{Parser, ProtocolError, Units, length, put_string};

/// One frame of the reader's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// An image of the file; all of them come before the first entry.
    Image(Image),
    /// A file, a folder or a link.
    Entry(Entry),
    /// A file's bytes follow.
    File {
        /// Which of the request's paths; the path itself, when the whole image was asked for.
        path: Option<Units>,
        /// The size in bytes.
        size: u64,
    },
    /// Everything asked for was sent, and was as its checksums say.
    Done,
}

/// One image of a file that may hold several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The number of the image, from 1.
    pub index: u32,
    /// Whether it is the one to boot.
    pub boot: bool,
    /// The processor, as Windows numbers it (`PROCESSOR_ARCHITECTURE_AMD64` is 9), or
    /// [`Image::UNKNOWN`].
    pub architecture: u32,
    /// The image's name in the WIM.
    pub name: Units,
    /// Its `INSTALLATIONTYPE`; empty if it has none.
    pub installation: Units,
}

impl Image {
    /// No processor is named.
    pub const UNKNOWN: u32 = u32::MAX;
}

/// A file, a folder or a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The image that it is in.
    pub image: u32,
    /// Windows' `FILE_ATTRIBUTE_` bits of the file.
    pub attributes: u32,
    /// The tag of a reparse point, when the attributes say that it is one.
    pub reparse_tag: u32,
    /// Names that lead to the same file.
    pub links: u32,
    /// The same for all of them.
    pub link_group: u64,
    /// Bytes of the unnamed stream.
    pub size: u64,
    /// Where they are: the offset of a resource, and in what a solid one unpacks to.
    pub offset: (u64, u64),
    /// SHA-1 of them, as the image claims; zeros if there are none.
    pub sha1: [u8; 20],
    /// With `/`, and one in front.
    pub path: Units,
    /// The named streams of the file.
    pub streams: Vec<Stream>,
}

/// A named stream of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// The name of the stream.
    pub name: Units,
    /// The size in bytes.
    pub size: u64,
}

impl Frame {
    /// Writes it; what is longer than [`MAX_FRAME`] is refused.
    pub fn write(&self, to: &mut dyn Write) -> Result<(), ProtocolError> {
        let (kind, payload) = self.encode();
        within_bound(payload.len() as u64)?;
        to.write_all(&[kind])?;
        to.write_all(&length(payload.len()).to_le_bytes())?;
        Ok(to.write_all(&payload)?)
    }

    /// Reads the next one; the bytes after a [`Frame::File`] are the caller's to read.
    pub fn read(from: &mut dyn Read) -> Result<Self, ProtocolError> {
        let mut head = [0; 5];
        let what = "a frame";
        let cut = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => ProtocolError::Truncated { what },
            _ => ProtocolError::Io(error),
        };
        from.read_exact(&mut head).map_err(cut)?;
        let [kind, length @ ..] = head;
        let length = u32::from_le_bytes(length);
        within_bound(length.into())?;
        let mut payload = vec![0; length as usize];
        from.read_exact(&mut payload).map_err(cut)?;
        Frame::decode(kind, &payload)
    }

    fn encode(&self) -> (u8, Vec<u8>) {
        let mut bytes = Vec::new();
        match self {
            Frame::Image(image) => {
                bytes.extend(image.index.to_le_bytes());
                bytes.push(image.boot.into());
                bytes.extend(image.architecture.to_le_bytes());
                put_string(&mut bytes, &image.name);
                put_string(&mut bytes, &image.installation);
                (IMAGE, bytes)
            }
            Frame::Entry(entry) => {
                for number in [entry.image, entry.attributes, entry.reparse_tag, entry.links] {
                    bytes.extend(number.to_le_bytes());
                }
                for number in [entry.link_group, entry.size, entry.offset.0, entry.offset.1] {
                    bytes.extend(number.to_le_bytes());
                }
                bytes.extend(entry.sha1);
                put_string(&mut bytes, &entry.path);
                bytes.extend(length(entry.streams.len()).to_le_bytes());
                for stream in &entry.streams {
                    put_string(&mut bytes, &stream.name);
                    bytes.extend(stream.size.to_le_bytes());
                }
                (ENTRY, bytes)
            }
            Frame::File { path, size } => {
                bytes.extend(size.to_le_bytes());
                bytes.push(path.is_some().into());
                if let Some(path) = path {
                    put_string(&mut bytes, path);
                }
                (FILE, bytes)
            }
            Frame::Done => (DONE, bytes),
        }
    }

    fn decode(kind: u8, payload: &[u8]) -> Result<Self, ProtocolError> {
        let mut parser = Parser::new(payload);
        let frame = match kind {
            IMAGE => Frame::Image(Image {
                index: parser.u32("an image's number")?,
                boot: flag(&mut parser)?,
                architecture: parser.u32("an architecture")?,
                name: parser.string("a name")?,
                installation: parser.string("an installation type")?,
            }),
            ENTRY => Frame::Entry(entry(&mut parser)?),
            FILE => {
                let size = parser.u64("a size")?;
                let path = flag(&mut parser)?.then(|| parser.string("a path")).transpose()?;
                Frame::File { path, size }
            }
            DONE => Frame::Done,
            value => return Err(ProtocolError::Unknown { what: "frame", value }),
        };
        parser.end()?;
        Ok(frame)
    }
}

fn entry(parser: &mut Parser<'_>) -> Result<Entry, ProtocolError> {
    Ok(Entry {
        image: parser.u32("an image's number")?,
        attributes: parser.u32("attributes")?,
        reparse_tag: parser.u32("a reparse tag")?,
        links: parser.u32("a number of links")?,
        link_group: parser.u64("a group of links")?,
        size: parser.u64("a size")?,
        offset: (parser.u64("an offset")?, parser.u64("an offset")?),
        sha1: parser.digest("a digest")?,
        path: parser.string("a path")?,
        streams: {
            let count = parser.count("a number of streams", 12)?;
            let stream = |_| Ok(Stream { name: parser.string("a name")?, size: parser.u64("a size")? });
            (0..count).map(stream).collect::<Result<_, ProtocolError>>()?
        },
    })
}

fn flag(parser: &mut Parser<'_>) -> Result<bool, ProtocolError> {
    match parser.u8("a flag")? {
        0 => Ok(false),
        1 => Ok(true),
        value => Err(ProtocolError::Unknown { what: "flag", value }),
    }
}

fn within_bound(length: u64) -> Result<(), ProtocolError> {
    let most = MAX_FRAME as u64;
    if length > most { Err(ProtocolError::TooLong { what: "a frame", length, most }) } else { Ok(()) }
}

const IMAGE: u8 = 1;
const ENTRY: u8 = 2;
const FILE: u8 = 3;
const DONE: u8 = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn units() -> impl Strategy<Value = Units> {
        proptest::collection::vec(any::<u16>(), 0..20)
    }

    fn frame() -> impl Strategy<Value = Frame> {
        let numbers = any::<([u32; 4], [u64; 4], [u8; 20])>();
        let stream = (units(), any::<u64>()).prop_map(|(name, size)| Stream { name, size });
        let streams = proptest::collection::vec(stream, 0..4);
        prop_oneof![
            (any::<(u32, bool, u32)>(), units(), units()).prop_map(|(numbers, name, installation)| {
                let (index, boot, architecture) = numbers;
                Frame::Image(Image { index, boot, architecture, name, installation })
            }),
            (numbers, units(), streams).prop_map(|((small, large, sha1), path, streams)| {
                let [image, attributes, reparse_tag, links] = small;
                let [link_group, size, first, second] = large;
                let offset = (first, second);
                Frame::Entry(Entry {
                    image,
                    attributes,
                    reparse_tag,
                    links,
                    link_group,
                    size,
                    offset,
                    sha1,
                    path,
                    streams,
                })
            }),
            (proptest::option::of(units()), any::<u64>()).prop_map(|(path, size)| Frame::File { path, size }),
            Just(Frame::Done),
        ]
    }

    proptest! {
        #[test]
        fn frames_are_read_as_they_were_written(frames in proptest::collection::vec(frame(), 0..5)) {
            let mut bytes = Vec::new();
            frames.iter().for_each(|frame| frame.write(&mut bytes).unwrap());
            let mut from = bytes.as_slice();
            for frame in frames {
                prop_assert_eq!(Frame::read(&mut from).unwrap(), frame);
            }
            prop_assert!(from.is_empty());
        }

        #[test]
        fn any_bytes_are_a_frame_or_refused(mut bytes: Vec<u8>, kind in 0_u8..6, fits: bool) {
            if fits {
                let length = length(bytes.len()).to_le_bytes();
                bytes.splice(0..0, [kind].into_iter().chain(length));
            }
            let _ = Frame::read(&mut bytes.as_slice());
        }

        #[test]
        fn a_frame_that_is_cut_short_is_refused(frame in frame(), cut: prop::sample::Index) {
            let mut bytes = Vec::new();
            frame.write(&mut bytes).unwrap();
            prop_assert!(Frame::read(&mut &bytes[..cut.index(bytes.len())]).is_err());
        }
    }

    #[test]
    fn a_length_above_the_bound_is_refused_before_memory_is_taken() {
        let mut bytes = vec![DONE];
        bytes.extend(u32::MAX.to_le_bytes());
        assert!(matches!(Frame::read(&mut bytes.as_slice()), Err(ProtocolError::TooLong { .. })));
        let path = Some(vec![65; MAX_FRAME]);
        assert!(matches!(
            Frame::File { path, size: 0 }.write(&mut Vec::new()),
            Err(ProtocolError::TooLong { .. })
        ));
    }
}
