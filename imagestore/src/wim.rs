//! Windows images (`.wim`, `.esd`, `.swm`) as archives: what they hold, and the bytes of their
//! files.
//!
//! Read by wimlib, in a process of its own (`netbootd-wim`): a damaged or hostile image ends that
//! process, not this one, and what it answers is compared with what is expected of it. Every
//! compression, solid and pipable images work; the further parts of a split image (`name2.swm`) are
//! looked for beside the first.

pub mod listing;
pub mod overlay;
mod process;
mod program;
#[cfg(all(test, unix))]
mod tests;
mod writing;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;
use wim_protocol::{Command, Frame, MAX_PARTS, MAX_REQUEST, Packed, ProtocolError, ReaderLimits};

pub use listing::{ArchiveEntry, ArchiveStream, WimImage};
pub use program::find as find_reader;
pub use writing::Writing;

use process::Reader;

/// Files in one container, read as streams.
pub trait Archive {
    /// The files of all images, folders left out.
    fn entries(&self) -> &[ArchiveEntry];

    /// Reads files one after the other in the order given; `each` must read its stream to the end.
    fn read(
        &self,
        entries: &[&ArchiveEntry],
        each: &mut dyn FnMut(&ArchiveEntry, &mut dyn Read) -> io::Result<()>,
    ) -> Result<(), WimError>;

    /// Reads everything and compares it with the container's own checksums.
    fn verify(&self) -> Result<(), WimError>;

    /// The entry with this path; Windows does not tell cases apart.
    fn find(&self, path: &str) -> Option<&ArchiveEntry> {
        self.entries().iter().find(|entry| entry.path.eq_ignore_ascii_case(path))
    }
}

/// A Windows image file.
#[derive(Debug)]
pub struct Wim {
    program: PathBuf,
    parts: Vec<Part>,
    images: Vec<WimImage>,
    entries: Vec<ArchiveEntry>,
}

/// A file of a set. It stays open, so that what is unpacked is what was listed.
#[derive(Debug)]
struct Part {
    path: PathBuf,
    #[cfg_attr(windows, expect(dead_code, reason = "the reader opens the path"))]
    file: File,
    size: u64,
}

/// Why a Windows image cannot be read.
#[derive(Debug, Error)]
pub enum WimError {
    /// The reader is not installed.
    #[error("{} is neither beside netbootd nor in the PATH: reinstall netbootd's package", program::NAME)]
    NoReader,
    /// The reader is there and does not start.
    #[error("cannot start {}", program.display())]
    Start {
        /// The reader's program, which was not found or does not run.
        program: PathBuf,
        /// The system's error that stopped it.
        source: io::Error,
    },
    /// The reader refuses the image, or answers what cannot be.
    #[error("{}: {message}", path.display())]
    Refused {
        /// The image that was read.
        path: PathBuf,
        /// The error in the reader's own words.
        message: String,
    },
    /// The image holds less than its own table says.
    #[error("{}: {entry} ends after {have} of {need} bytes", path.display())]
    Truncated {
        /// The image that was read.
        path: PathBuf,
        /// The file in it.
        entry: String,
        /// The bytes that are there.
        have: u64,
        /// The bytes that are needed.
        need: u64,
    },
    /// A name that cannot be kept as it is.
    #[error("{}: the name {entry:?} is not Unicode: rename the file before it is captured", path.display())]
    Name {
        /// The image that was read.
        path: PathBuf,
        /// The file in it, as far as it is Unicode.
        entry: String,
    },
    /// A file whose bytes only the Windows that wrote it can read.
    #[error("{}: {entry} is encrypted (EFS): decrypt it before it is captured", path.display())]
    Encrypted {
        /// The image that was read.
        path: PathBuf,
        /// The file in it.
        entry: String,
    },
    /// The caller cannot store the bytes.
    #[error("cannot take in {entry}")]
    Taking {
        /// The file inside the image.
        entry: String,
        /// The system's error that stopped it.
        source: io::Error,
    },
}

impl WimError {
    /// Whether the same image may well be read later: the reader is missing or does not start, or
    /// the store cannot take the bytes.
    pub fn is_passing(&self) -> bool {
        matches!(self, WimError::NoReader | WimError::Start { .. } | WimError::Taking { .. })
    }
}

impl Wim {
    /// Reads what an image file holds.
    pub fn open(path: &Path) -> Result<Self, WimError> {
        let path = path.canonicalize().map_err(|error| refused(path, &error.to_string()))?;
        let program = program::find().ok_or(WimError::NoReader)?;
        let parts = parts(&path).map_err(|error| refused(&path, &error.to_string()))?;
        let mut wim = Wim { program, parts, images: Vec::new(), entries: Vec::new() };
        let size = wim.parts.iter().map(|part| part.size).sum();
        let mut reader = wim.start(Command::List, size)?;
        match listing::read(&mut reader) {
            Ok((images, entries)) => {
                reader.end(wim.path())?;
                (wim.images, wim.entries) = (images, entries);
                Ok(wim)
            }
            Err(error) => Err(reader.explain(wim.path(), &error)),
        }
    }

    /// Where the image lies on the disk.
    pub fn path(&self) -> &Path {
        self.parts.first().map_or(Path::new(""), |part| &part.path)
    }

    /// The images in the file.
    pub fn images(&self) -> &[WimImage] {
        &self.images
    }

    /// Refuses files that cannot be stored under their own names, or at all.
    pub fn check(&self, entries: &[&ArchiveEntry]) -> Result<(), WimError> {
        for entry in entries {
            let (path, name) = (self.path().to_owned(), entry.path.clone());
            if entry.exact.is_some() {
                return Err(WimError::Name { path, entry: name });
            }
            if entry.encrypted {
                return Err(WimError::Encrypted { path, entry: name });
            }
        }
        Ok(())
    }

    /// Begins to write one file's bytes to `to`.
    pub fn start_writing(&self, entry: &ArchiveEntry, to: File) -> Result<Writing<'_>, WimError> {
        writing::start(self, entry, to)
    }

    /// Starts a reader for a command that unpacks so many bytes.
    fn start(&self, command: Command, bytes: u64) -> Result<Reader, WimError> {
        self.start_with(command, bytes, None)
    }

    fn start_with(&self, command: Command, bytes: u64, to: Option<File>) -> Result<Reader, WimError> {
        let seconds = u32::try_from(SECONDS + bytes / SLOWEST).unwrap_or(u32::MAX);
        let limits = ReaderLimits { memory: MEMORY, seconds };
        Reader::start(&self.program, &self.parts, limits, command, to)
            .map_err(|source| WimError::Start { program: self.program.clone(), source })
    }

    /// One process for several files of one image.
    fn read_some(
        &self,
        image: u32,
        entries: &[&ArchiveEntry],
        each: &mut dyn FnMut(&ArchiveEntry, &mut dyn Read) -> io::Result<()>,
    ) -> Result<(), WimError> {
        let paths = entries.iter().map(|entry| entry.exact_path()).collect();
        let bytes = entries.iter().map(|entry| entry.size).sum();
        let mut reader = self.start(Command::Extract { image, paths }, bytes)?;
        for entry in entries {
            if let Err(error) = expect_file(&mut reader, entry.size) {
                return Err(reader.explain(self.path(), &error));
            }
            let mut stream = (&mut reader).take(entry.size);
            let taken = each(entry, &mut stream);
            let left = stream.limit();
            match taken {
                Ok(()) if left == 0 => {}
                Err(source) => return Err(WimError::Taking { entry: entry.path.clone(), source }),
                Ok(()) => {
                    let (path, name) = (self.path().to_owned(), entry.path.clone());
                    let (have, need) = (entry.size - left, entry.size);
                    // The reader's own complaint says more than that its answer ended.
                    let ended = reader.end(self.path());
                    return Err(ended.err().unwrap_or(WimError::Truncated { path, entry: name, have, need }));
                }
            }
        }
        self.expect_done(reader)
    }

    /// The bytes of a compressed resource.
    fn unpack(&self, resource: Packed) -> Result<Vec<u8>, WimError> {
        let mut reader = self.start(Command::Unpack(resource), resource.size)?;
        let read = expect_file(&mut reader, resource.size).and_then(|()| {
            let mut bytes = vec![0; usize::try_from(resource.size).unwrap_or_default()];
            reader.read_exact(&mut bytes)?;
            Ok(bytes)
        });
        match read {
            Ok(bytes) => self.expect_done(reader).map(|()| bytes),
            Err(error) => Err(reader.explain(self.path(), &error)),
        }
    }

    fn expect_done(&self, mut reader: Reader) -> Result<(), WimError> {
        match Frame::read(&mut reader) {
            Ok(Frame::Done) => reader.end(self.path()),
            Ok(_) => Err(reader.explain(self.path(), &out_of_turn())),
            Err(error) => Err(reader.explain(self.path(), &error)),
        }
    }
}

impl Archive for Wim {
    fn entries(&self) -> &[ArchiveEntry] {
        &self.entries
    }

    fn read(
        &self,
        entries: &[&ArchiveEntry],
        each: &mut dyn FnMut(&ArchiveEntry, &mut dyn Read) -> io::Result<()>,
    ) -> Result<(), WimError> {
        let mut rest = entries;
        while let Some(first) = rest.first() {
            let mut length = 0;
            let fits = |entry: &&&ArchiveEntry| {
                length += 2 * entry.path.len() + 4;
                entry.image == first.image && length < MAX_REQUEST / 2
            };
            let count = rest.iter().take_while(fits).count().max(1);
            self.read_some(first.image, &rest[..count], each)?;
            rest = &rest[count..];
        }
        Ok(())
    }

    fn verify(&self) -> Result<(), WimError> {
        let bytes = self.entries.iter().map(|entry| entry.size).sum();
        self.expect_done(self.start(Command::Verify, bytes)?)
    }
}

/// The next answer is a file of this size.
fn expect_file(answer: &mut dyn Read, size: u64) -> Result<(), ProtocolError> {
    match Frame::read(answer)? {
        Frame::File { path: None, size: told } if told == size => Ok(()),
        _ => Err(out_of_turn()),
    }
}

fn out_of_turn() -> ProtocolError {
    io::Error::new(io::ErrorKind::InvalidData, "an answer to something else").into()
}

fn refused(path: &Path, message: &str) -> WimError {
    WimError::Refused { path: path.to_owned(), message: message.to_owned() }
}

/// The image file, and what goes on with it: `name.swm` goes on in `name2.swm`, `name3.swm` ...
fn parts(path: &Path) -> io::Result<Vec<Part>> {
    let open = |path: PathBuf| -> io::Result<Part> {
        let file = File::open(&path)?;
        let size = file.metadata()?.len();
        Ok(Part { path, file, size })
    };
    let mut parts = vec![open(path.to_owned())?];
    let (Some(folder), Some(stem), Some(extension)) = (path.parent(), path.file_stem(), path.extension())
    else {
        return Ok(parts);
    };
    if !extension.eq_ignore_ascii_case("swm") {
        return Ok(parts);
    }
    let stem = stem.as_encoded_bytes();
    let mut others = Vec::new();
    for entry in folder.read_dir()? {
        let other = entry?.path();
        let same_set = other.extension().is_some_and(|found| found.eq_ignore_ascii_case("swm"))
            && other.file_stem().is_some_and(|found| found.as_encoded_bytes().starts_with(stem));
        if same_set && other != path {
            others.push(other);
        }
    }
    others.sort();
    for other in others.into_iter().take(MAX_PARTS - 1) {
        parts.push(open(other)?);
    }
    Ok(parts)
}

/// Address space of the reader. A solid image is unpacked in pieces of 64 MiB as Windows and wimlib
/// make them; it takes about three of them.
const MEMORY: u64 = 1 << 30;
/// Processor time of the reader, before a byte is unpacked, and for so many bytes a second: a
/// hundredth of what it does.
const SECONDS: u64 = 120;
const SLOWEST: u64 = 2 << 20;
