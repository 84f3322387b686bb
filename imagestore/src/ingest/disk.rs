//! Disk images, served as they are: the part that says whether they are whole is looked at, and
//! nothing else.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use thiserror::Error;

use super::{IngestError, Taken, folder, read_error};
use crate::ImageKind;
use crate::platform::FileExt;
use crate::store::{Observer, Writer};

/// The format of a disk image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskImage {
    /// Apple's compressed or read-only disk image: it ends in a `koly` trailer.
    Udif,
    /// A volume or a partitioned disk without a trailer, as Macs write to.
    RawDisk,
    /// An optical medium (ISO 9660).
    Iso,
}

/// Why a disk image is refused.
#[derive(Debug, Error)]
pub enum DiskImageError {
    /// It cannot be read.
    #[error("cannot read it")]
    Io(#[from] io::Error),
    /// Nothing says what it is.
    #[error("it is no disk image: neither a koly trailer, nor a volume, nor ISO 9660")]
    Unknown,
    /// The trailer speaks of bytes that are not there.
    #[error("it is cut short: the trailer speaks of {need} bytes, there are {have}")]
    Truncated {
        /// The bytes that are needed.
        need: u64,
        /// The bytes that are there.
        have: u64,
    },
}

impl DiskImage {
    /// Looks at an image of `len` bytes.
    pub fn read(file: &File, len: u64) -> Result<Self, DiskImageError> {
        if let Some(at) = len.checked_sub(KOLY)
            && let Some(trailer) = read::<512>(file, at)?
            && trailer.starts_with(b"koly")
        {
            return udif(&trailer, at);
        }
        if read::<5>(file, ISO_VOLUME + 1)?.is_some_and(|id| id == *b"CD001") {
            return Ok(DiskImage::Iso);
        }
        let hfs = read::<2>(file, 1024)?.is_some_and(|signature| matches!(&signature, b"H+" | b"HX" | b"BD"));
        let apfs = read::<4>(file, 32)?.is_some_and(|signature| signature == *b"NXSB");
        let map = read::<2>(file, 0)?.is_some_and(|signature| signature == *b"ER");
        let gpt = read::<8>(file, 512)?.is_some_and(|signature| signature == *b"EFI PART");
        if hfs || apfs || map || gpt { Ok(DiskImage::RawDisk) } else { Err(DiskImageError::Unknown) }
    }

    /// The kind in words, for the findings of an import.
    pub fn described(self) -> String {
        match self {
            DiskImage::Udif => "an Apple disk image (UDIF)".into(),
            DiskImage::RawDisk => "a raw disk or volume".into(),
            DiskImage::Iso => "an optical medium (ISO 9660)".into(),
        }
    }
}

pub(super) fn import(
    writer: &mut Writer,
    path: &Path,
    observer: &mut dyn Observer,
) -> Result<Taken, IngestError> {
    let file = File::open(path).map_err(read_error(path))?;
    let len = fs::metadata(path).map_err(read_error(path))?.len();
    if len == 0 {
        return Err(IngestError::Empty(path.to_owned()));
    }
    let found =
        DiskImage::read(&file, len).map_err(|source| IngestError::Disk { path: path.to_owned(), source })?;
    let taken = folder::take_file(writer, path, observer)?;
    Ok(Taken { kind: ImageKind::Raw, findings: vec![found.described()], ..taken })
}

/// The trailer says where the data and the property list are (offsets 24, 32, 216 and 224,
/// big-endian).
fn udif(trailer: &[u8; 512], before: u64) -> Result<DiskImage, DiskImageError> {
    let number = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&trailer[at..at + 8]);
        u64::from_be_bytes(bytes)
    };
    let ends = [number(24).saturating_add(number(32)), number(216).saturating_add(number(224))];
    match ends.into_iter().max() {
        Some(need) if need > before => {
            Err(DiskImageError::Truncated { need: need.saturating_add(KOLY), have: before + KOLY })
        }
        _ => Ok(DiskImage::Udif),
    }
}

/// Bytes at a place; None when the file ends before.
fn read<const N: usize>(file: &File, at: u64) -> io::Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    match file.read_exact_at(&mut bytes, at) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

const KOLY: u64 = 512;
const SECTOR: u64 = 2048;
const ISO_VOLUME: u64 = 16 * SECTOR;
