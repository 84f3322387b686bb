//! The boot catalogue of El Torito: what PCs boot of a medium as a disc.

use super::{Disc, MediumError, SECTOR, le32};

/// The kinds of PCs that boot a medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Boots {
    /// Whether BIOS PCs boot from it.
    pub bios: bool,
    /// Whether UEFI PCs boot from it.
    pub uefi: bool,
}

/// Reads the catalogue in a sector. The validation entry names the platform of the default entry
/// behind it; later sections name their own.
pub(super) fn read(disc: &Disc<'_>, sector: u32) -> Result<Boots, MediumError> {
    let catalogue = disc.sector("the boot catalogue", u64::from(sector))?;
    let mut entries = catalogue.chunks_exact(32);
    let mut platform = entries.next().map_or(0xff, |validation| validation[1]);
    let mut boots = Boots::default();
    for entry in entries {
        match entry[0] {
            0x88 => {
                let image = u64::from(le32(entry, 8)).saturating_mul(SECTOR);
                disc.check("the boot image", image, SECTOR)?;
                boots.bios |= platform == BIOS;
                boots.uefi |= platform == UEFI;
            }
            0x90 | 0x91 => platform = entry[1],
            _ => {}
        }
    }
    Ok(boots)
}

const BIOS: u8 = 0;
const UEFI: u8 = 0xef;
