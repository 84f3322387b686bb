//! Optical media as files hold them: the names and places of their files, and what PCs boot of
//! them.
//!
//! ISO 9660 with Rock Ridge or Joliet names, and UDF as Windows' media have it. Nothing is
//! unpacked: a file of a medium is a stretch of the medium's own bytes. The description of a medium
//! is checked against its length, and bounded ([`MAX_FILES`], [`MAX_FOLDER_BYTES`]).

mod el_torito;
mod iso9660;
mod rock_ridge;
mod udf;

use std::collections::HashSet;
use std::fs::File;
use std::io;

use thiserror::Error;

use crate::platform::FileExt;
pub use el_torito::Boots;

/// An optical medium: ISO 9660, UDF, or both.
#[derive(Debug)]
pub struct Medium<'a> {
    file: &'a File,
    label: String,
    files: Vec<MediumFile>,
    boots: Boots,
    left_out: Vec<String>,
}

/// A file of a medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediumFile {
    /// Its path, with `/`.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// Where its bytes lie on the medium, in their order.
    pub extents: Vec<Extent>,
}

/// A stretch of a medium, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where the file begins on the medium, in bytes.
    pub at: u64,
    /// The file's length in bytes.
    pub len: u64,
}

/// Why a medium cannot be read.
#[derive(Debug, Error)]
pub enum MediumError {
    /// The system says no.
    #[error("cannot read it")]
    Io(#[from] io::Error),
    /// The medium is neither ISO 9660 nor UDF.
    #[error("it is neither ISO 9660 nor UDF")]
    Unknown,
    /// It ends before its own end.
    #[error("it is cut short: {what} needs {need} bytes, there are {have}; download or copy it again")]
    Truncated {
        /// The part that is not there.
        what: String,
        /// The bytes that are needed.
        need: u64,
        /// The bytes that are there.
        have: u64,
    },
    /// A folder is inside itself.
    #[error("it is damaged: the folder {0:?} contains itself")]
    Loop(String),
    /// A name leads out of the medium, or holds what no name may.
    #[error("it is damaged or hostile: {0:?} is no name for a file")]
    Name(String),
    /// More than any medium has.
    #[error("it has more than {limit} {what}")]
    TooMuch {
        /// The noun of the objects that there are too many of.
        what: &'static str,
        /// The largest number that is read.
        limit: usize,
    },
    /// A structure that contradicts itself.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
}

impl<'a> Medium<'a> {
    /// Reads the folders of a medium of `len` bytes.
    pub fn open(file: &'a File, len: u64) -> Result<Self, MediumError> {
        let disc = Disc { file, len };
        let volumes = iso9660::Volumes::read(&disc)?;
        let mut listing = Listing::default();
        // Media with both hold the files that matter in UDF: Windows' media have a note in ISO
        // 9660.
        let label = match (udf::read(&disc, &mut listing), &volumes) {
            (Ok(Some(label)), _) => label,
            (Ok(None), volumes) => {
                iso9660::read(&disc, volumes.as_ref().ok_or(MediumError::Unknown)?, &mut listing)?
            }
            (Err(MediumError::Damaged(why)), Some(volumes)) => {
                listing = Listing::default();
                listing.leave_out(format!("the names of UDF are left out: {why}"));
                iso9660::read(&disc, volumes, &mut listing)?
            }
            (Err(error), _) => return Err(error),
        };
        let boots = volumes.as_ref().and_then(|volumes| volumes.boot_catalogue);
        let boots = boots.map_or(Ok(Boots::default()), |at| el_torito::read(&disc, at))?;
        listing.files.sort_by(|a, b| a.path.cmp(&b.path));
        listing.files.dedup_by(|a, b| a.path == b.path);
        Ok(Medium { file, label, files: listing.files, boots, left_out: listing.left_out })
    }

    /// The name of its volume.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Its files, by path.
    pub fn files(&self) -> &[MediumFile] {
        &self.files
    }

    /// The firmware that boots it as a disc.
    pub fn boots(&self) -> Boots {
        self.boots
    }

    /// Names that were left out, each with why.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// The file of a path, in any case.
    pub fn find(&self, path: &str) -> Option<&MediumFile> {
        self.files.iter().find(|file| file.path.eq_ignore_ascii_case(path))
    }

    /// The beginning of a small file, as text.
    pub fn text(&self, path: &str) -> Option<String> {
        let file = self.find(path)?;
        let length = usize::try_from(file.size).unwrap_or(MAX_TEXT).min(MAX_TEXT);
        Some(String::from_utf8_lossy(&self.read(file, 0, length).ok()?).into_owned())
    }

    /// Bytes of a file.
    pub fn read(&self, file: &MediumFile, from: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut reader = MediumReader { file: self.file, extents: &file.extents, skip: from };
        let mut bytes = vec![0; length];
        io::Read::read_exact(&mut reader, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads a file from its beginning.
    pub fn reader<'b>(&'b self, file: &'b MediumFile) -> MediumReader<'b> {
        Medium::reader_of(self.file, file)
    }

    /// The same of a medium that is not open.
    pub(crate) fn reader_of<'b>(medium: &'b File, file: &'b MediumFile) -> MediumReader<'b> {
        MediumReader { file: medium, extents: &file.extents, skip: 0 }
    }
}

impl MediumFile {
    /// The whole of a medium.
    pub(crate) fn whole(size: u64) -> Self {
        MediumFile { path: String::new(), size, extents: vec![Extent { at: 0, len: size }] }
    }

    /// Where its bytes begin, when they lie in one piece.
    pub fn begins(&self) -> Option<u64> {
        match self.extents.as_slice() {
            [] => Some(0),
            [extent] => Some(extent.at),
            _ => None,
        }
    }
}

/// The bytes of a file of a medium.
#[derive(Debug)]
pub struct MediumReader<'a> {
    file: &'a File,
    extents: &'a [Extent],
    /// How far into the first extent it has come.
    skip: u64,
}

impl io::Read for MediumReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while let Some(extent) = self.extents.first() {
            let left = extent.len.saturating_sub(self.skip);
            if left == 0 {
                self.skip -= extent.len;
                self.extents = &self.extents[1..];
                continue;
            }
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
            let count = self.file.read_at(&mut buf[..count], extent.at + self.skip)?;
            self.skip += count as u64;
            return Ok(count);
        }
        Ok(0)
    }
}

/// The medium's bytes, none beyond its end.
struct Disc<'a> {
    file: &'a File,
    len: u64,
}

impl Disc<'_> {
    fn read(&self, what: &str, at: u64, len: u64) -> Result<Vec<u8>, MediumError> {
        self.check(what, at, len)?;
        let length = usize::try_from(len).unwrap_or(usize::MAX);
        if length > MAX_FOLDER_BYTES {
            return Err(MediumError::TooMuch { what: "bytes in a folder", limit: MAX_FOLDER_BYTES });
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }

    fn check(&self, what: &str, at: u64, len: u64) -> Result<(), MediumError> {
        match at.checked_add(len) {
            Some(end) if end <= self.len => Ok(()),
            end => Err(MediumError::Truncated {
                what: what.to_owned(),
                need: end.unwrap_or(u64::MAX),
                have: self.len,
            }),
        }
    }

    fn sector(&self, what: &str, sector: u64) -> Result<Vec<u8>, MediumError> {
        self.read(what, sector.saturating_mul(SECTOR), SECTOR)
    }
}

/// The files that were found so far.
#[derive(Debug, Default)]
struct Listing {
    files: Vec<MediumFile>,
    left_out: Vec<String>,
    folders: HashSet<u64>,
    bytes: usize,
}

impl Listing {
    /// Enters a folder that lies somewhere. Each is entered once: no walk comes round in a circle.
    fn enter(&mut self, path: &str, at: u64, bytes: usize) -> Result<(), MediumError> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.folders.len() >= MAX_FILES {
            return Err(MediumError::TooMuch { what: "folders", limit: MAX_FILES });
        }
        if self.bytes > MAX_ALL_FOLDERS_BYTES {
            return Err(MediumError::TooMuch { what: "bytes in folders", limit: MAX_ALL_FOLDERS_BYTES });
        }
        if path.split('/').count() > MAX_DEPTH || !self.folders.insert(at) {
            return Err(MediumError::Loop(path.to_owned()));
        }
        Ok(())
    }

    fn add(&mut self, disc: &Disc<'_>, file: MediumFile) -> Result<(), MediumError> {
        if self.files.len() >= MAX_FILES {
            return Err(MediumError::TooMuch { what: "files", limit: MAX_FILES });
        }
        for extent in &file.extents {
            disc.check(&format!("{:?}", file.path), extent.at, extent.len)?;
        }
        self.files.push(file);
        Ok(())
    }

    fn leave_out(&mut self, note: String) {
        if self.left_out.len() < MAX_NOTES {
            self.left_out.push(note);
        }
    }
}

/// A path below a folder.
fn join(folder: &str, name: &str) -> Result<String, MediumError> {
    let bad = |c: char| c.is_control() || matches!(c, '/' | '\\' | '\0');
    if name.is_empty() || name == "." || name == ".." || name.contains(bad) {
        return Err(MediumError::Name(format!("{folder}/{name}").trim_start_matches('/').to_owned()));
    }
    Ok(if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") })
}

/// Adds a stretch, to the one before it when it goes on from there.
fn push_extent(extents: &mut Vec<Extent>, at: u64, len: u64) {
    match extents.last_mut() {
        _ if len == 0 => {}
        Some(last) if last.at + last.len == at => last.len += len,
        _ => extents.push(Extent { at, len }),
    }
}

fn le16(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]))
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from(le32(bytes, at)) | u64::from(le32(bytes, at + 4)) << 32
}

const SECTOR: u64 = 2048;
/// The largest distribution has some 70,000 files on a medium.
const MAX_FILES: usize = 200_000;
const MAX_FOLDER_BYTES: usize = 32 << 20;
const MAX_ALL_FOLDERS_BYTES: usize = 128 << 20;
/// As deep as a client's path may be.
const MAX_DEPTH: usize = 32;
const MAX_TEXT: usize = 64 << 10;
const MAX_NOTES: usize = 20;

#[cfg(test)]
mod tests;
