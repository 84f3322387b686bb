//! The security version number (SVN) of a Windows boot program.

use std::fmt;

use object::LittleEndian;
use object::read::pe::{ImageNtHeaders, PeFile, ResourceDirectoryEntryData, ResourceNameOrId};

/// `BOOTMGRSECURITYVERSIONNUMBER` of a program's resources. A boot manager under the version in
/// `dbx` does not start (KB5025885).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecurityVersion {
    /// The number that revocations count.
    pub major: u16,
    /// The number below it; it decides between equal major numbers.
    pub minor: u16,
}

/// The version in the resources; None for a program without one.
pub(crate) fn read<Pe: ImageNtHeaders>(file: &PeFile<'_, Pe>) -> Option<SecurityVersion> {
    let directory = file.data_directories().resource_directory(file.data(), &file.section_table()).ok()??;
    let types = directory.root().ok()?;
    for kind in types.entries.iter().take(MAX_ENTRIES).filter(|kind| kind.name_or_id().id() == Some(RC_DATA))
    {
        let ResourceDirectoryEntryData::Table(names) = kind.data(directory).ok()? else { continue };
        for named in names.entries.iter().take(MAX_ENTRIES) {
            let ResourceNameOrId::Name(name) = named.name_or_id() else { continue };
            if name.to_string_lossy(directory).ok().as_deref() != Some(NAME) {
                continue;
            }
            let ResourceDirectoryEntryData::Table(languages) = named.data(directory).ok()? else { continue };
            let data = languages.entries.first()?.data(directory).ok()?.data()?;
            let bytes =
                file.section_table().pe_data_at(file.data(), data.offset_to_data.get(LittleEndian))?;
            let [minor_low, minor_high, major_low, major_high] = *bytes.first_chunk::<4>()?;
            return Some(SecurityVersion {
                minor: u16::from_le_bytes([minor_low, minor_high]),
                major: u16::from_le_bytes([major_low, major_high]),
            });
        }
    }
    None
}

impl fmt::Display for SecurityVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

const RC_DATA: u16 = 10;
const NAME: &str = "BOOTMGRSECURITYVERSIONNUMBER";
/// Boot programs have a handful of resources of a kind.
const MAX_ENTRIES: usize = 256;
