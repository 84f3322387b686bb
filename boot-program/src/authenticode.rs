//! The hash that a signature covers and that `dbx` lists.

use std::ops::Range;

use object::pe::IMAGE_DIRECTORY_ENTRY_SECURITY;
use object::read::pe::{ImageNtHeaders, ImageOptionalHeader, PeFile};
use object::{LittleEndian, pe};
use sha2::{Digest, Sha256};

/// SHA-256 as Microsoft's "Windows Authenticode Portable Executable Signature Format" describes it:
/// the headers without checksum and certificate table entry, the sections by their place in the
/// file, then what follows them, without the certificate table. None for a program that names
/// places outside of itself.
pub(crate) fn digest<Pe: ImageNtHeaders>(file: &PeFile<'_, Pe>, table: Range<usize>) -> Option<[u8; 32]> {
    let bytes = file.data();
    let optional = usize::try_from(file.dos_header().nt_headers_offset())
        .ok()?
        .checked_add(4 + size_of::<pe::ImageFileHeader>())?;
    let checksum = optional.checked_add(CHECKSUM)?;
    let wide = file.nt_headers().is_type_64();
    let directories = optional.checked_add(if wide { DIRECTORIES_64 } else { DIRECTORIES_32 })?;
    let entry = directories.checked_add(IMAGE_DIRECTORY_ENTRY_SECURITY * ENTRY)?;
    let headers = usize::try_from(file.nt_headers().optional_header().size_of_headers()).ok()?;

    let mut hash = Sha256::new();
    hash.update(bytes.get(..checksum)?);
    // The entry is left out of an unsigned program's hash, too, so that signing does not change it.
    if file.data_directories().len() > IMAGE_DIRECTORY_ENTRY_SECURITY {
        hash.update(bytes.get(checksum + 4..entry)?);
        hash.update(bytes.get(entry + ENTRY..headers)?);
    } else {
        hash.update(bytes.get(checksum + 4..headers)?);
    }

    let mut sections = Vec::new();
    for section in file.section_table().iter() {
        let begin = usize::try_from(section.pointer_to_raw_data.get(LittleEndian)).ok()?;
        let length = usize::try_from(section.size_of_raw_data.get(LittleEndian)).ok()?;
        if length > 0 {
            sections.push(begin..begin.checked_add(length)?);
        }
    }
    sections.sort_unstable_by_key(|range| range.start);
    let mut hashed = headers;
    for range in sections {
        hashed = hashed.checked_add(range.len())?;
        // Sections that overlap would let a small file cost much time; no linker makes them.
        (hashed <= bytes.len()).then_some(())?;
        hash.update(bytes.get(range)?);
    }
    let end = bytes.len().checked_sub(table.len())?;
    hash.update(bytes.get(hashed..end.max(hashed))?);
    Some(hash.finalize().into())
}

/// `CheckSum` in the optional header, the same place in both forms.
const CHECKSUM: usize = 64;
const DIRECTORIES_32: usize = 96;
const DIRECTORIES_64: usize = 112;
/// The size of a data directory's entry.
const ENTRY: usize = 8;
