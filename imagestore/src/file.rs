//! An opened file of the boot tree.

mod overlaid;

use std::borrow::Cow;
use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use thiserror::Error;

use crate::platform::{FileExt, MetadataExt, next_data};
use crate::store::io_error;
use crate::{Digest, Digester, Filling, Mapping, Observer, StoreError};
use overlaid::Overlaid;

/// A file that is being served. A file that was replaced by renaming stays open as it was; one that
/// is overwritten in place is found out by [`BootFile::check_unchanged`].
#[derive(Debug)]
pub struct BootFile {
    bytes: Bytes,
    /// Where it begins in the open file.
    start: u64,
    len: u64,
    modified: SystemTime,
    version: Option<Version>,
    /// The entity tag, unless it is made of the version.
    etag: Option<String>,
    blob: Option<Digest>,
    /// A blob of the store itself, which nobody writes to.
    sealed: bool,
    image_version: Option<Digest>,
    /// Whether it is a part of a blob.
    is_part: bool,
}

/// The version of a file: its place on the disk, its length and its time of modification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    dev: u64,
    ino: u64,
    len: u64,
    modified: (i64, i64),
}

impl Version {
    fn new(metadata: &Metadata) -> Self {
        Version {
            dev: metadata.dev(),
            ino: metadata.ino(),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

#[derive(Debug)]
enum Bytes {
    /// The file is there whole.
    There(File),
    /// The file still comes from elsewhere.
    Coming(Arc<Filling>),
    /// A Windows image with files added.
    Overlaid(Box<Overlaid>),
}

/// Why bytes of a file could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It has become shorter than it was when it was opened.
    #[error("the file has shrunk: nothing at byte {at} of {len}")]
    Shrunk {
        /// Where reading was tried, in bytes.
        at: u64,
        /// The length when it was opened, in bytes.
        len: u64,
    },
    /// It was overwritten since it was opened.
    #[error(
        "the file was changed in place since it was opened; replace files by renaming (netbootd file put)"
    )]
    Changed,
    /// The system says no.
    #[error("cannot read at byte {at}")]
    Io {
        /// The place in the file, in bytes.
        at: u64,
        /// The system's error that stopped it.
        source: io::Error,
    },
}

impl BootFile {
    pub(crate) fn new(file: File, metadata: &Metadata) -> Self {
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let version = Some(Version::new(metadata));
        BootFile {
            bytes: Bytes::There(file),
            start: 0,
            len: metadata.len(),
            modified,
            version,
            etag: None,
            blob: None,
            sealed: false,
            image_version: None,
            is_part: false,
        }
    }

    /// A blob: its digest is its tag, so the same file on another server is the same to a client.
    pub(crate) fn of_blob(file: File, metadata: &Metadata, digest: &Digest) -> Self {
        let (etag, blob) = (Some(format!("\"{digest}\"")), Some(*digest));
        BootFile { etag, blob, sealed: true, ..BootFile::new(file, metadata) }
    }

    /// A part of a blob, such as a file inside an ISO; None when it is not within the blob.
    pub(crate) fn part(self, at: u64, len: u64) -> Option<Self> {
        at.checked_add(len).filter(|end| *end <= self.len)?;
        let etag = self.blob.map(|blob| format!("\"{blob}-{at:x}-{len:x}\""));
        let etag = etag.or_else(|| Some(format!("\"{}-{at:x}-{len:x}\"", self.etag().trim_matches('"'))));
        Some(BootFile { start: self.start + at, len, etag, is_part: true, ..self })
    }

    /// A blob that lies where others may write to it.
    pub(crate) fn unsealed(self) -> Self {
        BootFile { sealed: false, ..self }
    }

    /// The same version once more, by a descriptor of its own.
    pub fn reopen(&self) -> io::Result<Self> {
        let bytes = match &self.bytes {
            Bytes::There(file) => Bytes::There(file.try_clone()?),
            Bytes::Coming(filling) => Bytes::Coming(Arc::clone(filling)),
            Bytes::Overlaid(both) => Bytes::Overlaid(Box::new(both.reopen()?)),
        };
        Ok(BootFile { bytes, etag: self.etag.clone(), ..*self })
    }

    /// A blob that still comes in.
    pub(crate) fn of_filling(filling: Arc<Filling>, digest: &Digest) -> Self {
        BootFile::coming(filling, &format!("\"{digest}\""))
    }

    /// A file that still comes in, with its entity tag in quotes. A blob never changes, so any
    /// constant time will do.
    pub fn coming(filling: Arc<Filling>, etag: &str) -> Self {
        let len = filling.len();
        BootFile {
            bytes: Bytes::Coming(filling),
            start: 0,
            len,
            modified: SystemTime::UNIX_EPOCH,
            version: None,
            etag: Some(etag.to_owned()),
            blob: None,
            sealed: true,
            image_version: None,
            is_part: false,
        }
    }

    /// The blob of the store that it is, when all of it is there; None for a part of one.
    pub fn blob(&self) -> Option<Digest> {
        self.blob.filter(|_| !self.is_part)
    }

    /// The blob of the store that its bytes are in, when all of it is there.
    pub fn holding_blob(&self) -> Option<Digest> {
        self.blob
    }

    /// Whether somebody may write to it while it is served.
    pub fn may_change(&self) -> bool {
        !self.sealed
    }

    /// As a file of a version of an image.
    pub(crate) fn of_version(self, version: Digest) -> Self {
        BootFile { image_version: Some(version), ..self }
    }

    /// The version of an image that it is of.
    pub fn image_version(&self) -> Option<Digest> {
        self.image_version
    }

    /// Whether reading may have to wait for the network.
    pub fn may_wait(&self) -> bool {
        match &self.bytes {
            Bytes::There(_) => false,
            Bytes::Coming(_) => true,
            Bytes::Overlaid(both) => both.original.may_wait(),
        }
    }

    /// Whether every byte can be read now.
    pub fn is_whole(&self) -> bool {
        match &self.bytes {
            Bytes::There(_) => true,
            Bytes::Coming(filling) => filling.is_whole(),
            Bytes::Overlaid(both) => both.original.is_whole(),
        }
    }

    /// The open file, when all of it is there, and where this one begins in it.
    pub fn file(&self) -> Option<(&File, u64)> {
        match &self.bytes {
            Bytes::There(file) => Some((file, self.start)),
            Bytes::Coming(_) | Bytes::Overlaid(_) => None,
        }
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// When it was last changed.
    pub fn modified(&self) -> SystemTime {
        self.modified
    }

    /// A strong entity tag, with its quotes (RFC 9110 §8.8.3).
    pub fn etag(&self) -> Cow<'_, str> {
        match (&self.etag, self.version) {
            (Some(etag), _) => etag.into(),
            (None, Some(Version { dev, ino, len, modified: (secs, nanos) })) => {
                format!("\"{dev:x}-{ino:x}-{len:x}-{secs:x}{nanos:09x}\"").into()
            }
            (None, None) => "\"\"".into(),
        }
    }

    /// Fails when the file was overwritten or cut since it was opened: bytes read before this call
    /// are then not all of one version.
    ///
    /// A writer changes the time of modification before it changes bytes (Linux), so what was read
    /// before a call that succeeds is whole.
    pub fn check_unchanged(&self) -> Result<(), ReadError> {
        if let Bytes::Overlaid(both) = &self.bytes {
            return both.original.check_unchanged();
        }
        let (Bytes::There(file), Some(opened)) = (&self.bytes, self.version) else { return Ok(()) };
        let metadata = file.metadata().map_err(|source| ReadError::Io { at: 0, source })?;
        if Version::new(&metadata) == opened { Ok(()) } else { Err(ReadError::Changed) }
    }

    /// Whether it was written so recently that another write would not show in its time of
    /// modification.
    pub(crate) fn was_just_written(&self) -> bool {
        self.version.is_some() && self.modified.elapsed().is_ok_and(|age| age < TIMESTAMP_STEP)
    }

    /// Writes all of it.
    pub fn copy_to(&self, to: &mut impl io::Write) -> io::Result<()> {
        let mut buf = vec![0; PIECE];
        let mut at = 0;
        while at < self.len {
            let count = usize::try_from(self.len - at).unwrap_or(PIECE).min(PIECE);
            self.read_exact_at(at, &mut buf[..count]).map_err(io::Error::other)?;
            to.write_all(&buf[..count])?;
            at += count as u64;
        }
        Ok(())
    }

    /// Writes all of it to a file that is empty; holes stay holes.
    pub fn copy_to_file(&self, to: &mut File, observer: &mut dyn Observer) -> Result<(), StoreError> {
        let name = self.blob.map(|blob| blob.to_string()).unwrap_or_default();
        self.copy_extents(to, observer).map_err(|source| match observer.is_cancelled() {
            true => StoreError::Cancelled,
            false => io_error("copy", Path::new(&name))(source),
        })
    }

    fn copy_extents(&self, to: &mut File, observer: &mut dyn Observer) -> io::Result<()> {
        to.set_len(self.len)?;
        let mut buf = vec![0; PIECE];
        let mut at = 0;
        while at < self.len {
            let data = match &self.bytes {
                Bytes::There(file) => self.next_data(file, at)?,
                Bytes::Coming(_) | Bytes::Overlaid(_) => at..self.len,
            };
            observer.bytes(data.start.min(self.len) - at);
            at = data.start.min(self.len);
            while at < data.end.min(self.len) {
                if observer.is_cancelled() {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                let count = usize::try_from(data.end.min(self.len) - at).unwrap_or(PIECE).min(PIECE);
                self.read_exact_at(at, &mut buf[..count]).map_err(io::Error::other)?;
                to.write_all_at(&buf[..count], at)?;
                observer.bytes(count as u64);
                at += count as u64;
            }
        }
        Ok(())
    }

    /// The next stretch of it that is no hole, from `at` on.
    fn next_data(&self, file: &File, at: u64) -> io::Result<Range<u64>> {
        let end = self.start + self.len;
        let data = next_data(file, self.start + at)?.unwrap_or(end..end);
        Ok(data.start.min(end) - self.start..data.end.min(end) - self.start)
    }

    /// The digest of all of it.
    pub(crate) fn digest(&self, observer: &mut dyn Observer) -> io::Result<Digest> {
        let mut sink = Hashing { digester: Digester::default(), observer };
        self.copy_to(&mut sink)?;
        Ok(sink.digester.finish())
    }

    /// Fills `buf` from `offset`. A range that ends beyond the length is the caller's mistake and
    /// reads as shrunk.
    pub fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let file = match &self.bytes {
            Bytes::There(file) => file,
            Bytes::Coming(filling) => {
                return filling
                    .read_exact_at(self.start + offset, buf)
                    .map_err(|source| ReadError::Io { at: offset, source });
            }
            Bytes::Overlaid(both) => return both.read_exact_at(offset, buf),
        };
        let mut done = 0;
        while done < buf.len() {
            let at = offset + done as u64;
            match file.read_at(&mut buf[done..], self.start + at) {
                Ok(0) => return Err(ReadError::Shrunk { at, len: self.len }),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(ReadError::Io { at, source }),
            }
        }
        Ok(())
    }

    /// Its bytes for the kernel to send from; None where there is no file to map, or one so small
    /// that reading it is cheaper.
    pub fn map(&self) -> Option<Mapping> {
        match &self.bytes {
            Bytes::There(file) if self.len >= WORTH_MAPPING => Mapping::new(file, self.start, self.len),
            _ => None,
        }
    }
}

/// Takes bytes for their digest only.
struct Hashing<'a> {
    digester: Digester,
    observer: &'a mut dyn Observer,
}

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.observer.is_cancelled() {
            return Err(io::ErrorKind::Other.into());
        }
        self.digester.update(bytes);
        self.observer.bytes(bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// File systems note times by the kernel's clock tick: 10 ms at the slowest (HZ=100).
pub(crate) const TIMESTAMP_STEP: Duration = Duration::from_millis(20);
/// Copied at a time, in bytes.
const PIECE: usize = 256 << 10;
/// In bytes. A mapping costs some microseconds to make and to end.
const WORTH_MAPPING: u64 = 64 << 10;
