//! A Windows image with files added, as what differs from the original: another header in front, and
//! further bytes behind it.
//!
//! The original stays as it is, byte for byte. The files follow it, then the metadata of the bootable
//! image with their names, then the table of all resources; the header leads there.
//! Windows and wimlib append to an image in the same way.

mod metadata;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use sha1::{Digest as _, Sha1};
use thiserror::Error;
use wim_protocol::{MAX_UNPACKED, Packed};

use super::{Wim, WimError};

/// The length of a Windows image's header, in bytes.
pub const HEADER: usize = 208;

/// The bytes that differ from the original's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// Takes the place of the original's first bytes.
    pub header: [u8; HEADER],
    /// Follows the original's last byte.
    pub tail: Vec<u8>,
}

/// Why no files can be added to an image.
#[derive(Debug, Error)]
pub enum OverlayError {
    /// The image is of a kind that a boot manager does not start either.
    #[error("the image {0}")]
    Unsuitable(&'static str),
    /// The tables of the image contradict each other.
    #[error("the image is damaged: {0}")]
    Damaged(&'static str),
    /// Its metadata cannot be unpacked.
    #[error(transparent)]
    Wim(#[from] WimError),
    /// The file cannot be read.
    #[error("cannot read the image")]
    Io(#[from] std::io::Error),
}

/// A file to add.
#[derive(Debug, Clone, Copy)]
pub struct Added<'a> {
    /// Its name in the folder.
    pub name: &'a str,
    /// Its bytes, which are not compressed.
    pub bytes: &'a [u8],
}

/// Adds files to a folder of the bootable image. A folder that is missing is made; a file of the same
/// name is replaced.
///
/// # Errors
/// When the image has no bootable one, consists of several parts, is solid or damaged.
pub fn overlay(wim: &Wim, folder: &[&str], files: &[Added<'_>]) -> Result<Overlay, OverlayError> {
    let mut file = File::open(wim.path())?;
    let length = file.metadata()?.len();
    let mut header = [0; HEADER];
    file.read_exact(&mut header).map_err(|_| OverlayError::Damaged("it has no header"))?;
    let boot_index = check(&header)?;
    let table = Resource::at(&header, TABLE);
    if table.flags & (PACKED | SOLID) != 0 || table.size > MAX_UNPACKED {
        return Err(OverlayError::Damaged("its table of resources"));
    }
    let mut table = read(&mut file, table)?;
    table.truncate(table.len() / ENTRY * ENTRY);
    let resource = Resource::at(&table, metadata_entry(&table, boot_index)?);
    let old = match resource.flags & (PACKED | SOLID) {
        0 => read(&mut file, resource)?,
        PACKED => wim.unpack(packed(&header, resource)?)?,
        _ => return Err(OverlayError::Unsuitable("is solid, which no boot manager starts")),
    };
    let hashes: Vec<[u8; HASH]> = files.iter().map(|file| Sha1::digest(file.bytes).into()).collect();
    let (new, replaced) = metadata::with_files(old, folder, files, &hashes)?;
    // An empty file has no bytes in the table.
    let with_bytes = replaced.iter().filter(|hash| **hash != [0; HASH]);
    with_bytes.for_each(|hash| release(&mut table, hash));
    let mut tail = Vec::new();
    for (file, hash) in files.iter().zip(&hashes) {
        if file.bytes.is_empty() || counted_once_more(&mut table, hash) {
            continue;
        }
        let stored = Resource::stored(file.bytes.len(), length + tail.len() as u64);
        tail.extend(file.bytes);
        table.extend(entry(stored, hash));
    }
    let at = metadata_entry(&table, boot_index)?;
    let stored = Resource::stored(new.len(), length + tail.len() as u64);
    let stored = Resource { flags: METADATA, ..stored };
    table[at..at + ENTRY].copy_from_slice(&entry(stored, &Sha1::digest(&new).into()));
    tail.extend(new);
    let place = Resource::stored(table.len(), length + tail.len() as u64);
    tail.extend(table);

    header[TABLE..TABLE + RESOURCE].copy_from_slice(&place.bytes());
    header[BOOT..BOOT + RESOURCE].copy_from_slice(&stored.bytes());
    // The table of checksums is that of the original.
    header[INTEGRITY..INTEGRITY + RESOURCE].fill(0);
    // It is another image, and the same one each time.
    header[GUID..GUID + 16].copy_from_slice(&Sha1::digest(&tail)[..16]);
    Ok(Overlay { header, tail })
}

/// The number of the bootable image.
fn check(header: &[u8; HEADER]) -> Result<u32, OverlayError> {
    if !header.starts_with(MAGIC) || number(header, 8) as usize != HEADER {
        return Err(OverlayError::Unsuitable("has no plain header (it may be pipable)"));
    }
    if header[PARTS..PARTS + 4] != [1, 0, 1, 0] {
        return Err(OverlayError::Unsuitable("consists of several parts"));
    }
    match number(header, BOOT_INDEX) {
        0 => Err(OverlayError::Unsuitable("says of no part that it boots")),
        index if index > number(header, IMAGES) => Err(OverlayError::Damaged("the number of what boots")),
        index => Ok(index),
    }
}

/// Where the entry of the metadata of an image begins in the table: they are in the images' order.
fn metadata_entry(table: &[u8], image: u32) -> Result<usize, OverlayError> {
    let entries = (0..table.len() / ENTRY).map(|entry| entry * ENTRY);
    let mut metadata = entries.filter(|at| Resource::at(table, *at).flags & METADATA != 0);
    metadata.nth(image as usize - 1).ok_or(OverlayError::Damaged("the metadata of what boots is missing"))
}

/// The image may have the same bytes already; then one more name leads to them.
fn counted_once_more(table: &mut [u8], hash: &[u8; HASH]) -> bool {
    let mut entries = table.chunks_exact_mut(ENTRY);
    let Some(entry) = entries.find(|entry| entry[ENTRY - HASH..] == *hash) else { return false };
    let count = number(entry, COUNT).saturating_add(1);
    entry[COUNT..COUNT + 4].copy_from_slice(&count.to_le_bytes());
    true
}

/// One name less leads to these bytes; without a name they have no line.
fn release(table: &mut Vec<u8>, hash: &[u8; HASH]) {
    let Some(line) = table.chunks_exact(ENTRY).position(|entry| entry[ENTRY - HASH..] == *hash) else {
        return;
    };
    let at = line * ENTRY;
    match number(table, at + COUNT) {
        0 | 1 => drop(table.drain(at..at + ENTRY)),
        count => table[at + COUNT..at + COUNT + 4].copy_from_slice(&(count - 1).to_le_bytes()),
    }
}

/// A line of the table: the resource, its part, its count, its hash.
fn entry(resource: Resource, hash: &[u8; HASH]) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    entry[..RESOURCE].copy_from_slice(&resource.bytes());
    entry[RESOURCE] = 1;
    entry[COUNT] = 1;
    entry[ENTRY - HASH..].copy_from_slice(hash);
    entry
}

fn packed(header: &[u8; HEADER], resource: Resource) -> Result<Packed, OverlayError> {
    let flags = number(header, 16);
    let kinds = [(0x20000, 1), (0x40000, 2), (0x80000, 3)];
    let compression = kinds.iter().find(|(flag, _)| flags & flag != 0);
    let (_, compression) = *compression.ok_or(OverlayError::Damaged("its compression"))?;
    let chunk = match number(header, 20) {
        0 => 32 << 10,
        chunk => chunk,
    };
    if resource.unpacked > MAX_UNPACKED {
        return Err(OverlayError::Unsuitable("has more metadata than a Windows PE"));
    }
    let Resource { at, size, unpacked, .. } = resource;
    Ok(Packed { compression, chunk, at, packed: size, size: unpacked })
}

fn read(file: &mut File, resource: Resource) -> Result<Vec<u8>, OverlayError> {
    let damaged = || OverlayError::Damaged("a resource beyond its end");
    let size = usize::try_from(resource.size).ok().filter(|_| resource.size <= MAX_UNPACKED);
    let length = file.metadata()?.len();
    let ends = resource.at.checked_add(resource.size).ok_or_else(damaged)?;
    let size = size.filter(|_| ends <= length).ok_or_else(damaged)?;
    let mut bytes = vec![0; size];
    file.seek(SeekFrom::Start(resource.at))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Where bytes lie in the file: seven bytes of length, flags, offset, length when unpacked.
#[derive(Debug, Clone, Copy)]
struct Resource {
    size: u64,
    flags: u8,
    at: u64,
    unpacked: u64,
}

impl Resource {
    /// The bytes there are at least [`RESOURCE`].
    fn at(bytes: &[u8], at: usize) -> Self {
        let long = |at: usize| u64::from(number(bytes, at)) | u64::from(number(bytes, at + 4)) << 32;
        let first = long(at);
        Resource {
            size: first & (u64::MAX >> 8),
            flags: bytes[at + 7],
            at: long(at + 8),
            unpacked: long(at + 16),
        }
    }

    fn stored(length: usize, at: u64) -> Self {
        let size = length as u64;
        Resource { size, flags: 0, at, unpacked: size }
    }

    fn bytes(self) -> [u8; RESOURCE] {
        let mut bytes = [0; RESOURCE];
        bytes[..8].copy_from_slice(&self.size.to_le_bytes());
        bytes[7] = self.flags;
        bytes[8..16].copy_from_slice(&self.at.to_le_bytes());
        bytes[16..].copy_from_slice(&self.unpacked.to_le_bytes());
        bytes
    }
}

/// The bytes there are at least four.
fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

const MAGIC: &[u8] = b"MSWIM\0\0\0";
/// Places in the header.
const GUID: usize = 24;
const PARTS: usize = 40;
const IMAGES: usize = 44;
const TABLE: usize = 48;
const BOOT: usize = 96;
const BOOT_INDEX: usize = 120;
const INTEGRITY: usize = 124;
/// Lengths: of a resource's place, of an entry of the table, of SHA-1.
const RESOURCE: usize = 24;
const ENTRY: usize = 50;
const HASH: usize = 20;
/// Where an entry has its count.
const COUNT: usize = 26;
/// Flags of a resource.
const METADATA: u8 = 0x02;
const PACKED: u8 = 0x04;
const SOLID: u8 = 0x10;

#[cfg(test)]
mod tests;
