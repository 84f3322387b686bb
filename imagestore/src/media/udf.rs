//! UDF 1.02 to 2.01 (ECMA-167) as it is written once: Windows' media are UDF 1.02. Read are plain
//! partitions; the metadata, virtual and sparable partitions of other discs are named and refused.

use super::{Disc, Extent, Listing, MediumError, MediumFile, SECTOR, join, le16, le32, le64, push_extent};

/// Reads the files; gives the volume's label. None when it is no UDF.
pub(super) fn read(disc: &Disc<'_>, listing: &mut Listing) -> Result<Option<String>, MediumError> {
    if !has_nsr(disc) {
        return Ok(None);
    }
    let volume = Volume::read(disc)?;
    let set = volume.block(disc, volume.file_set)?;
    if tag(&set) != Some(FILE_SET) {
        return Err(MediumError::Damaged("UDF's file set descriptor is missing"));
    }
    let mut open = vec![(String::new(), Place::of_long(&set, 400))];
    while let Some((folder, place)) = open.pop() {
        let entry = Entry::read(disc, &volume, place)?;
        listing.enter(&folder, volume.at(place)?, usize::try_from(entry.size).unwrap_or(usize::MAX))?;
        let mut bytes = Vec::new();
        for Extent { at, len } in entry.extents {
            bytes.extend(disc.read(&format!("the folder {folder:?}"), at, len)?);
        }
        for (name, is_folder, place) in names(&bytes) {
            let path = join(&folder, &name)?;
            if is_folder {
                open.push((path, place));
                continue;
            }
            let entry = Entry::read(disc, &volume, place)?;
            if entry.is_file {
                listing.add(disc, MediumFile { path, size: entry.size, extents: entry.extents })?;
            } else {
                listing.leave_out(format!("{path} is neither a file nor a folder and is left out"));
            }
        }
    }
    Ok(Some(volume.label))
}

/// Whether the volume recognition sequence names UDF (ECMA-167 2/8.3.1).
fn has_nsr(disc: &Disc<'_>) -> bool {
    let sectors = FIRST_DESCRIPTOR..FIRST_DESCRIPTOR + MAX_DESCRIPTORS;
    let names = sectors.map_while(|sector| {
        let bytes = disc.sector("a volume descriptor", sector).ok()?;
        Some(bytes[1..6].to_vec()).filter(|name| bytes[0] != 0 || *name != [0; 5])
    });
    names.into_iter().any(|name| matches!(name.as_slice(), b"NSR02" | b"NSR03"))
}

/// A block of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    block: u32,
    /// The number of the partition's map.
    partition: u16,
}

impl Place {
    /// Of a long allocation descriptor (ECMA-167 4/14.14.2).
    fn of_long(bytes: &[u8], at: usize) -> Self {
        Place { block: le32(bytes, at + 4), partition: le16(bytes, at + 8) }
    }
}

#[derive(Debug)]
struct Volume {
    label: String,
    file_set: Place,
    /// The sector at which the partition of each map begins.
    partitions: Vec<u64>,
}

impl Volume {
    fn read(disc: &Disc<'_>) -> Result<Self, MediumError> {
        let last = (disc.len / SECTOR).saturating_sub(1);
        let mut anchors = [256, last, last.saturating_sub(256)]
            .into_iter()
            .filter_map(|at| disc.sector("the anchor", at).ok());
        let anchor = anchors.find(|bytes| tag(bytes) == Some(ANCHOR));
        let anchor = anchor.ok_or_else(|| MediumError::Truncated {
            what: "UDF's anchor".into(),
            need: disc.len.saturating_add(1).max(257 * SECTOR),
            have: disc.len,
        })?;
        let (length, first) = (u64::from(le32(&anchor, 16)), u64::from(le32(&anchor, 20)));
        let (mut starts, mut logical) = (Vec::new(), None);
        for sector in first..first.saturating_add((length / SECTOR).min(MAX_DESCRIPTORS)) {
            let bytes = disc.sector("UDF's volume descriptors", sector)?;
            match tag(&bytes) {
                Some(PARTITION) => starts.push((le16(&bytes, 22), u64::from(le32(&bytes, 188)))),
                Some(LOGICAL_VOLUME) => logical = Some(bytes),
                Some(TERMINATOR) | None => break,
                Some(_) => {}
            }
        }
        let logical = logical.ok_or(MediumError::Damaged("UDF's logical volume descriptor is missing"))?;
        if u64::from(le32(&logical, 212)) != SECTOR {
            return Err(MediumError::Damaged("its UDF blocks are not of 2048 bytes"));
        }
        let mut partitions = Vec::new();
        let end = 440 + usize::try_from(le32(&logical, 264)).unwrap_or_default();
        let mut maps = logical.get(440..end.min(logical.len())).unwrap_or_default();
        while let [kind, length, ..] = maps {
            let map = maps.get(..usize::from(*length)).filter(|map| map.len() >= 6);
            let map = map.ok_or(MediumError::Damaged("UDF's partition maps"))?;
            if *kind != 1 {
                return Err(MediumError::Damaged(
                    "its UDF has a metadata, virtual or sparable partition, which is not supported",
                ));
            }
            let number = le16(map, 4);
            let start = starts.iter().find(|(known, _)| *known == number);
            partitions.push(start.ok_or(MediumError::Damaged("UDF's partition is missing"))?.1);
            maps = &maps[map.len()..];
        }
        let label = dstring(logical.get(84..212).unwrap_or_default());
        Ok(Volume { label, file_set: Place::of_long(&logical, 248), partitions })
    }

    /// Where a block lies, in bytes.
    fn at(&self, place: Place) -> Result<u64, MediumError> {
        let start = self.partitions.get(usize::from(place.partition));
        let start = start.ok_or(MediumError::Damaged("a UDF address of no partition"))?;
        Ok((start + u64::from(place.block)) * SECTOR)
    }

    fn block(&self, disc: &Disc<'_>, place: Place) -> Result<Vec<u8>, MediumError> {
        disc.read("a UDF block", self.at(place)?, SECTOR)
    }
}

/// A file entry (ECMA-167 4/14.9 and 4/14.17).
#[derive(Debug)]
struct Entry {
    is_file: bool,
    size: u64,
    extents: Vec<Extent>,
}

impl Entry {
    fn read(disc: &Disc<'_>, volume: &Volume, place: Place) -> Result<Self, MediumError> {
        let bytes = volume.block(disc, place)?;
        let fixed = match tag(&bytes) {
            Some(FILE_ENTRY) => 176,
            Some(EXTENDED_FILE_ENTRY) => 216,
            _ => return Err(MediumError::Damaged("a UDF file entry is missing")),
        };
        let size = le64(&bytes, 56);
        let attributes = usize::try_from(le32(&bytes, fixed - 8)).unwrap_or(usize::MAX);
        let begin = fixed.saturating_add(attributes);
        let length = usize::try_from(le32(&bytes, fixed - 4)).unwrap_or(usize::MAX);
        let area = bytes.get(begin..begin.saturating_add(length));
        let area = area.ok_or(MediumError::Damaged("a UDF file entry is longer than its block"))?;
        let mut extents = Vec::new();
        match le16(&bytes, 34) & 7 {
            IN_THE_ENTRY => push_extent(&mut extents, volume.at(place)? + begin as u64, area.len() as u64),
            form @ (SHORT | LONG) => {
                descriptors(disc, volume, place.partition, area, form, size, &mut extents)?;
            }
            _ => return Err(MediumError::Damaged("a UDF file entry of an unknown form")),
        }
        // The last extent is as long as its blocks.
        let mut left = size;
        for extent in &mut extents {
            extent.len = extent.len.min(left);
            left -= extent.len;
        }
        extents.retain(|extent| extent.len > 0);
        if left > 0 {
            return Err(MediumError::Damaged("a UDF file is longer than its bytes"));
        }
        Ok(Entry { is_file: bytes[27] == REGULAR, size, extents })
    }
}

/// The stretches that allocation descriptors name. A list may go on in another block.
fn descriptors(
    disc: &Disc<'_>,
    volume: &Volume,
    partition: u16,
    area: &[u8],
    form: u16,
    size: u64,
    extents: &mut Vec<Extent>,
) -> Result<(), MediumError> {
    let length_of_one = if form == SHORT { 8 } else { 16 };
    let mut area = area.to_vec();
    let mut found = 0_u64;
    for _ in 0..MAX_LISTS {
        let mut goes_on = None;
        for descriptor in area.chunks_exact(length_of_one) {
            let word = le32(descriptor, 0);
            let (kind, length) = (word >> 30, u64::from(word & 0x3fff_ffff));
            let place = match form {
                SHORT => Place { block: le32(descriptor, 4), partition },
                _ => Place::of_long(descriptor, 0),
            };
            match kind {
                _ if length == 0 || found >= size => break,
                0 => push_extent(extents, volume.at(place)?, length),
                3 => {
                    goes_on = Some(place);
                    break;
                }
                _ => return Err(MediumError::Damaged("a UDF file with holes")),
            }
            found = found.saturating_add(length);
        }
        let Some(place) = goes_on else { return Ok(()) };
        let block = volume.block(disc, place)?;
        if tag(&block) != Some(ALLOCATION_EXTENT) {
            return Err(MediumError::Damaged("UDF's further allocation descriptors are missing"));
        }
        let length = usize::try_from(le32(&block, 20)).unwrap_or(usize::MAX);
        area = block.get(24..24_usize.saturating_add(length)).unwrap_or_default().to_vec();
    }
    Err(MediumError::Damaged("a UDF file in too many pieces"))
}

/// The names in a folder (ECMA-167 4/14.4), with whether each is a folder.
fn names(mut bytes: &[u8]) -> Vec<(String, bool, Place)> {
    let mut found = Vec::new();
    while tag(bytes) == Some(FILE_IDENTIFIER) && bytes.len() >= 38 {
        let (flags, name_length) = (bytes[18], usize::from(bytes[19]));
        let begin = 38 + usize::from(le16(bytes, 36));
        let Some(name) = bytes.get(begin..begin + name_length) else { break };
        if flags & (DELETED | PARENT) == 0 {
            found.push((characters(name), flags & FOLDER != 0, Place::of_long(bytes, 20)));
        }
        let length = (begin + name_length).next_multiple_of(4);
        bytes = bytes.get(length..).unwrap_or_default();
    }
    found
}

/// Compressed Unicode (UDF 2.1.1): a byte or two for each character.
fn characters(bytes: &[u8]) -> String {
    match bytes {
        [16, rest @ ..] => {
            let units = rest.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            String::from_utf16_lossy(&units.collect::<Vec<_>>())
        }
        [_, rest @ ..] => rest.iter().map(|byte| char::from(*byte)).collect(),
        [] => String::new(),
    }
}

/// Characters in a field of fixed length, whose last byte says how many bytes are in use.
fn dstring(field: &[u8]) -> String {
    let length = field.last().map_or(0, |length| usize::from(*length));
    characters(field.get(..length).unwrap_or_default()).trim().to_owned()
}

/// The identifier of a descriptor whose tag is whole (ECMA-167 3/7.2).
fn tag(bytes: &[u8]) -> Option<u16> {
    let tag = bytes.get(..16)?;
    let sum = tag
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != 4)
        .fold(0_u8, |sum, (_, byte)| sum.wrapping_add(*byte));
    (sum == tag[4]).then(|| le16(tag, 0)).filter(|id| *id != 0)
}

const FIRST_DESCRIPTOR: u64 = 16;
const MAX_DESCRIPTORS: u64 = 64;
/// Lists of allocation descriptors: each names more than 100 stretches of a gigabyte.
const MAX_LISTS: usize = 64;
/// The identifiers of UDF's descriptors (ECMA-167 3/7.2.1).
const ANCHOR: u16 = 2;
const PARTITION: u16 = 5;
const LOGICAL_VOLUME: u16 = 6;
const TERMINATOR: u16 = 8;
const FILE_SET: u16 = 256;
const FILE_IDENTIFIER: u16 = 257;
const ALLOCATION_EXTENT: u16 = 258;
const FILE_ENTRY: u16 = 261;
const EXTENDED_FILE_ENTRY: u16 = 266;
/// How a file entry names its bytes (the low bits of the flags of its ICB tag).
const SHORT: u16 = 0;
const LONG: u16 = 1;
const IN_THE_ENTRY: u16 = 3;
/// A file's type in its ICB tag.
const REGULAR: u8 = 5;
/// Characteristics of a name.
const FOLDER: u8 = 2;
const DELETED: u8 = 4;
const PARENT: u8 = 8;
