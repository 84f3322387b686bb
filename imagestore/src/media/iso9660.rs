//! ISO 9660 (ECMA-119), with Joliet's names or Rock Ridge's.

use super::rock_ridge::{self, Found};
use super::{Disc, Listing, MediumError, MediumFile, SECTOR, join, le32, push_extent};

/// The volume descriptors of an ISO 9660 file system.
#[derive(Debug)]
pub(super) struct Volumes {
    label: String,
    root: Record,
    joliet: Option<Record>,
    /// The sector of El Torito's catalogue.
    pub(super) boot_catalogue: Option<u32>,
}

/// A directory record (ECMA-119 §9.1).
#[derive(Debug, Clone)]
struct Record {
    at: u64,
    len: u64,
    flags: u8,
    name: Vec<u8>,
    /// The fields of Rock Ridge.
    system_use: Vec<u8>,
}

impl Volumes {
    /// Of a medium; None when it is no ISO 9660.
    pub(super) fn read(disc: &Disc<'_>) -> Result<Option<Self>, MediumError> {
        if disc.len < (FIRST_DESCRIPTOR + 1) * SECTOR {
            return Ok(None);
        }
        let mut volumes: Option<Volumes> = None;
        let (mut joliet, mut boot_catalogue) = (None, None);
        for sector in FIRST_DESCRIPTOR..FIRST_DESCRIPTOR + MAX_DESCRIPTORS {
            let Ok(bytes) = disc.sector("a volume descriptor", sector) else { break };
            if bytes[1..6] != *b"CD001" {
                break;
            }
            match bytes[0] {
                0 if bytes[7..30] == *b"EL TORITO SPECIFICATION" => {
                    boot_catalogue = boot_catalogue.or(Some(le32(&bytes, 71)));
                }
                1 if volumes.is_none() => {
                    let need = u64::from(le32(&bytes, 80)) * SECTOR;
                    disc.check("the volume", 0, need)?;
                    let (root, _) = Record::parse(&bytes[156..190])
                        .ok_or(MediumError::Damaged("the root folder has no record"))?;
                    let label = text(&bytes[40..72]).trim().to_owned();
                    volumes = Some(Volumes { label, root, joliet: None, boot_catalogue: None });
                }
                // Joliet: UCS-2 at level 1, 2 or 3.
                2 if matches!(&bytes[88..91], b"%/@" | b"%/C" | b"%/E") => {
                    joliet = Record::parse(&bytes[156..190]).map(|(root, _)| root);
                }
                255 => break,
                _ => {}
            }
        }
        Ok(volumes.map(|volumes| Volumes { joliet, boot_catalogue, ..volumes }))
    }
}

/// Reads the files; gives the volume's label. Rock Ridge's names go before Joliet's.
pub(super) fn read(disc: &Disc<'_>, volumes: &Volumes, listing: &mut Listing) -> Result<String, MediumError> {
    let root = records(disc, "", &volumes.root)?;
    let skip = root.first().and_then(|own| rock_ridge::sharing(&own.system_use));
    let (root, names) = match (skip, &volumes.joliet) {
        (Some(skip), _) => (&volumes.root, Names::RockRidge { skip }),
        (None, Some(joliet)) => (joliet, Names::Joliet),
        (None, None) => (&volumes.root, Names::Plain),
    };
    let mut links = Vec::new();
    let mut open = vec![(String::new(), root.clone())];
    while let Some((folder, record)) = open.pop() {
        listing.enter(&folder, record.at, usize::try_from(record.len).unwrap_or(usize::MAX))?;
        let mut unfinished: Option<MediumFile> = None;
        for record in records(disc, &folder, &record)?.into_iter().skip(2) {
            let found = names.name(disc, &record)?;
            let path = join(&folder, &found.name)?;
            if let Some(target) = found.link {
                links.push((path, target));
            } else if let Some(child) = found.child {
                // A folder that was moved up because it lay too deep: its record is of a file.
                let own = disc.sector("a folder that was moved", u64::from(child))?;
                let (own, _) = Record::parse(&own).ok_or(MediumError::Damaged("a moved folder"))?;
                open.push((path, own));
            } else if record.flags & DIRECTORY != 0 {
                if !found.relocated {
                    open.push((path, record));
                }
            } else {
                let mut file = match unfinished.take() {
                    Some(before) if before.path == path => before,
                    _ => MediumFile { path, size: 0, extents: Vec::new() },
                };
                file.size += record.len;
                push_extent(&mut file.extents, record.at, record.len);
                if record.flags & GOES_ON != 0 {
                    unfinished = Some(file);
                } else {
                    listing.add(disc, file)?;
                }
            }
        }
    }
    rock_ridge::follow(disc, listing, links)?;
    Ok(volumes.label.clone())
}

/// The records of a folder. None crosses a sector's end.
fn records(disc: &Disc<'_>, path: &str, folder: &Record) -> Result<Vec<Record>, MediumError> {
    let what = if path.is_empty() { "the root folder".to_owned() } else { format!("the folder {path:?}") };
    let bytes = disc.read(&what, folder.at, folder.len)?;
    let mut records = Vec::new();
    for sector in bytes.chunks(SECTOR as usize) {
        let mut rest = sector;
        while let Some((record, length)) = Record::parse(rest) {
            records.push(record);
            rest = &rest[length..];
        }
    }
    Ok(records)
}

impl Record {
    /// The first record of some bytes, and its length; None when there is none.
    fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let length = usize::from(*bytes.first()?);
        let record = bytes.get(..length).filter(|record| record.len() >= 34)?;
        let name_end = 33 + usize::from(record[32]);
        let name = record.get(33..name_end)?.to_vec();
        // A name of even length has a byte of padding behind it.
        let system_use =
            record.get(name_end + usize::from(name.len().is_multiple_of(2))..).unwrap_or_default();
        let at = (u64::from(le32(record, 2)) + u64::from(record[1])) * SECTOR;
        let len = u64::from(le32(record, 10));
        Some((Record { at, len, flags: record[25], name, system_use: system_use.to_vec() }, length))
    }
}

/// Where the names come from.
#[derive(Debug, Clone, Copy)]
enum Names {
    RockRidge { skip: usize },
    Joliet,
    Plain,
}

impl Names {
    fn name(self, disc: &Disc<'_>, record: &Record) -> Result<Found, MediumError> {
        let found = match self {
            Names::RockRidge { skip } => rock_ridge::fields(disc, &record.system_use, skip)?,
            Names::Joliet => {
                let units = record.name.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
                Found {
                    name: without_version(&String::from_utf16_lossy(&units.collect::<Vec<_>>())),
                    ..Found::default()
                }
            }
            Names::Plain => Found::default(),
        };
        if !found.name.is_empty() {
            return Ok(found);
        }
        // Boot programs look for files of plain ISO 9660 in small letters.
        Ok(Found { name: without_version(&text(&record.name)).to_ascii_lowercase(), ..found })
    }
}

/// The name without its version: `FILE` of `FILE.;1`.
fn without_version(name: &str) -> String {
    let name = name.rsplit_once(';').map_or(name, |(name, _)| name);
    name.strip_suffix('.').unwrap_or(name).to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const FIRST_DESCRIPTOR: u64 = 16;
const MAX_DESCRIPTORS: u64 = 64;
/// Flags of a record (ECMA-119 §9.1.6).
const DIRECTORY: u8 = 2;
const GOES_ON: u8 = 0x80;
