//! The header of an EFI program: its processor, and whether it carries a signature (Microsoft's
//! PE/COFF specification, "COFF File Header" and "Attribute Certificate Table").
//!
//! A machine with Secure Boot fetches an unsigned program whole and then refuses it; nothing on the
//! wire tells why. By hand: three fields of a program's first bytes, which may be all that is here;
//! the crate boot-program parses whole programs.

use std::ops::RangeInclusive;

use crate::BootFile;

/// The signature of a file, as far as Secure Boot needs one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// An EFI program with a signature; by whom is not looked at.
    Present,
    /// An EFI program without one.
    Missing,
    /// The bytes are no EFI program.
    NotAProgram,
}

impl BootFile {
    /// Whether firmware can start it: a PE program for EFI, whatever its name. A file that cannot
    /// be read is none.
    pub fn is_efi_program(&self) -> bool {
        let mut magic = [0; 2];
        // Most files are none, and are not read further.
        self.read_exact_at(0, &mut magic).is_ok()
            && magic == *b"MZ"
            && self
                .headers()
                .and_then(|head| subsystem(&head))
                .is_some_and(|known| EFI_SUBSYSTEMS.contains(&known))
    }

    /// Looks for a signature. A file that cannot be read is no program.
    pub fn signature(&self) -> Signature {
        self.headers().map_or(Signature::NotAProgram, |head| Signature::of_headers(&head))
    }

    /// The machine type in an EFI program's COFF header: 0x014c is ia32, 0x8664 x64, 0xaa64 ARM64.
    /// None for what is no PE program.
    pub fn machine_type(&self) -> Option<u16> {
        let head = self.headers()?;
        short(&head, pe_header(&head)?.checked_add(4)?)
    }

    fn headers(&self) -> Option<Vec<u8>> {
        let length = usize::try_from(self.len()).unwrap_or(usize::MAX).min(HEADERS);
        let mut head = vec![0; length];
        self.read_exact_at(0, &mut head).ok().map(|()| head)
    }
}

/// The header of a PE program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeHeader {
    /// `Machine` of the COFF header: 0x8664 is x64, 0x14c x86, 0xaa64 ARM64.
    pub machine: u16,
    /// Whether it has a certificate table.
    pub signed: bool,
    /// Where the certificate table begins in the file, and its size, in bytes; zeros without one.
    pub certificates: (u32, u32),
}

impl PeHeader {
    /// Reads a program's first bytes, [`PeHeader::LENGTH`] of them; None for what is no PE program.
    pub fn of_headers(head: &[u8]) -> Option<Self> {
        let certificates = certificate_table(head)?;
        let pe = usize::try_from(long(head, 0x3c)?).ok()?;
        Some(PeHeader { machine: short(head, pe.checked_add(4)?)?, signed: certificates.1 > 0, certificates })
    }

    /// The headers of every boot program known lie in so many first bytes.
    pub const LENGTH: usize = HEADERS;
}

impl Signature {
    /// Looks for a signature in a program's first bytes.
    pub fn of_headers(head: &[u8]) -> Self {
        match PeHeader::of_headers(head) {
            None => Signature::NotAProgram,
            Some(PeHeader { signed: false, .. }) => Signature::Missing,
            Some(PeHeader { signed: true, .. }) => Signature::Present,
        }
    }
}

/// The subsystem that a program runs under; the field has the same place in both forms of the
/// optional header.
fn subsystem(head: &[u8]) -> Option<u16> {
    short(head, pe_header(head)?.checked_add(24 + 68)?)
}

/// Where the certificate table begins in the file, and its size, in bytes; zeros when there is
/// none. None for what is no PE program.
fn certificate_table(head: &[u8]) -> Option<(u32, u32)> {
    let optional = pe_header(head)?.checked_add(24)?;
    let directories = match short(head, optional)? {
        0x20b => optional.checked_add(112)?,
        0x10b => optional.checked_add(96)?,
        _ => return None,
    };
    let count = long(head, directories.checked_sub(4)?)?;
    if count <= CERTIFICATE_TABLE {
        return Some((0, 0));
    }
    let entry = directories.checked_add(CERTIFICATE_TABLE as usize * 8)?;
    Some((long(head, entry)?, long(head, entry.checked_add(4)?)?))
}

/// Where the PE header begins.
fn pe_header(head: &[u8]) -> Option<usize> {
    if !head.starts_with(b"MZ") {
        return None;
    }
    let pe = usize::try_from(long(head, 0x3c)?).ok()?;
    (head.get(pe..pe.checked_add(4)?)? == b"PE\0\0").then_some(pe)
}

fn short(head: &[u8], at: usize) -> Option<u16> {
    head.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_le_bytes)
}

fn long(head: &[u8], at: usize) -> Option<u32> {
    head.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

/// Applications, boot and run-time drivers, and ROM images.
const EFI_SUBSYSTEMS: RangeInclusive<u16> = 10..=13;
/// The table's number among the data directories.
const CERTIFICATE_TABLE: u32 = 4;
const HEADERS: usize = 4096;

#[cfg(test)]
mod tests;
