//! The lists of revoked programs: hashes and security versions of `dbx`, and the SBAT level.

mod json;
mod signature_list;

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use crate::{Authority, Program, SbatEntry, SecurityVersion};

/// The boot programs that firmware with current updates refuses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revocations {
    /// Authenticode SHA-256 of revoked programs.
    hashes: HashSet<[u8; 32]>,
    /// Revoked authorities: their common names.
    authorities: Vec<Authority>,
    /// The lowest security version that starts, by boot program.
    security_versions: BTreeMap<WindowsProgram, SecurityVersion>,
    /// The lowest generation that shim starts, by component.
    sbat: Vec<SbatEntry>,
}

/// A Windows boot program whose security version `dbx` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WindowsProgram {
    /// `bootmgfw.efi`, which also starts installed systems.
    BootManager,
    /// `cdboot.efi`, for optical media.
    CdBoot,
    /// `wdsmgfw.efi`, of Windows Deployment Services.
    Wds,
}

/// Why a machine with current revocations refuses a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// `dbx` lists the program by its hash.
    Hash,
    /// All of its signatures are by authorities that `dbx` lists.
    Authority(Authority),
    /// Its security version is lower than the one in `dbx`.
    SecurityVersion {
        /// The version in the program's resources.
        has: SecurityVersion,
        /// The lowest version that starts.
        needs: SecurityVersion,
    },
    /// A component of its `.sbat` section is older than the SBAT level.
    Sbat {
        /// The component as the program has it.
        has: SbatEntry,
        /// The lowest generation that starts.
        needs: u32,
    },
}

/// Why a revocation list cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RevocationsError {
    /// Neither Microsoft's JSON, nor a `dbx` update, nor an SBAT level.
    #[error(
        "not a revocation list: expected Microsoft's dbx_info JSON, a dbx update (.bin) or an SBAT level (.csv)"
    )]
    Unknown,
    /// A JSON list without the fields of Microsoft's.
    #[error("not Microsoft's dbx_info JSON")]
    Json(#[from] serde_json::Error),
    /// A hash that is not 64 hexadecimal digits.
    #[error("not a SHA-256 in hexadecimal: {0:.80}")]
    Hash(String),
    /// A `dbx` update that ends in the middle of a list.
    #[error("a damaged list of signatures at byte {0}")]
    SignatureList(usize),
}

impl Revocations {
    /// The SBAT level and security versions known when this program was built. Hashes are not
    /// among them: `dbx` updates name hundreds, and change monthly.
    pub fn bundled() -> Self {
        Revocations {
            sbat: SBAT_LEVEL.lines().filter_map(SbatEntry::parse).collect(),
            security_versions: BTreeMap::from([
                (WindowsProgram::BootManager, SecurityVersion { major: 9, minor: 0 }),
                (WindowsProgram::CdBoot, SecurityVersion { major: 3, minor: 0 }),
                (WindowsProgram::Wds, SecurityVersion { major: 3, minor: 0 }),
            ]),
            ..Revocations::default()
        }
    }

    /// Reads a list: Microsoft's `dbx_info_msft_*.json`, a `dbx` update as firmware takes it
    /// (`DBXUpdate.bin`, with or without its authentication header), or an SBAT level as text.
    ///
    /// # Errors
    /// When it is none of them, or damaged.
    pub fn read(bytes: &[u8]) -> Result<Self, RevocationsError> {
        let text = bytes.trim_ascii_start();
        if text.starts_with(b"{") {
            return json::read(text);
        }
        if text.starts_with(b"sbat,") {
            let sbat = String::from_utf8_lossy(text).lines().filter_map(SbatEntry::parse).collect();
            return Ok(Revocations { sbat, ..Revocations::default() });
        }
        signature_list::read(bytes)
    }

    /// Adds a list to this one. Of two bounds the higher one counts, so that an older list
    /// takes nothing back.
    pub fn add(&mut self, other: Revocations) {
        self.hashes.extend(other.hashes);
        for authority in other.authorities {
            if !self.authorities.contains(&authority) {
                self.authorities.push(authority);
            }
        }
        for (program, version) in other.security_versions {
            self.raise(program, version);
        }
        for entry in other.sbat {
            match self.sbat.iter_mut().find(|known| known.component == entry.component) {
                Some(known) => known.generation = known.generation.max(entry.generation),
                None => self.sbat.push(entry),
            }
        }
    }

    /// Why a machine with these revocations refuses the program called `name` (a path or a file
    /// name); None when it does not.
    pub fn check(&self, name: &str, program: &Program) -> Option<Revocation> {
        if self.hashes.contains(&program.digest) {
            return Some(Revocation::Hash);
        }
        if let Some(revoked) = self.revoked_authority(program) {
            return Some(Revocation::Authority(revoked));
        }
        if let (Some(has), Some(kind)) = (program.security_version, WindowsProgram::named(name))
            && let Some(&needs) = self.security_versions.get(&kind)
            && has < needs
        {
            return Some(Revocation::SecurityVersion { has, needs });
        }
        program.sbat.iter().find_map(|has| {
            let needs = self.sbat.iter().find(|bound| bound.component == has.component)?.generation;
            (has.generation < needs).then(|| Revocation::Sbat { has: has.clone(), needs })
        })
    }

    /// How many programs it lists by hash.
    pub fn hashes(&self) -> usize {
        self.hashes.len()
    }

    /// The lowest generations that shim starts.
    pub fn sbat(&self) -> &[SbatEntry] {
        &self.sbat
    }

    /// The authorities that it revokes.
    pub fn authorities(&self) -> &[Authority] {
        &self.authorities
    }

    /// The lowest security version that starts, by boot program.
    pub fn security_versions(&self) -> impl Iterator<Item = (WindowsProgram, SecurityVersion)> {
        self.security_versions.iter().map(|(program, version)| (*program, *version))
    }

    /// An authority of the program, when every signature has a revoked one.
    fn revoked_authority(&self, program: &Program) -> Option<Authority> {
        let mut revoked = None;
        for signature in program.signers() {
            revoked =
                Some(signature.authorities.iter().find(|known| self.authorities.contains(known))?.clone());
        }
        revoked
    }

    fn raise(&mut self, program: WindowsProgram, version: SecurityVersion) {
        let known = self.security_versions.entry(program).or_insert(version);
        *known = (*known).max(version);
    }
}

impl WindowsProgram {
    /// Its usual file name.
    pub fn file_name(self) -> &'static str {
        match self {
            WindowsProgram::BootManager => "bootmgfw.efi",
            WindowsProgram::CdBoot => "cdboot.efi",
            WindowsProgram::Wds => "wdsmgfw.efi",
        }
    }

    fn named(path: &str) -> Option<Self> {
        let name = path.rsplit(['/', '\\']).next().unwrap_or(path).to_ascii_lowercase();
        match name.strip_suffix(".efi")?.trim_end_matches("_ex") {
            "bootmgfw" | "bootmgr" | "bootx64" | "bootaa64" => Some(WindowsProgram::BootManager),
            "cdboot" | "cdboot_noprompt" => Some(WindowsProgram::CdBoot),
            "wdsmgfw" => Some(WindowsProgram::Wds),
            _ => None,
        }
    }
}

impl fmt::Display for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Revocation::Hash => f.write_str("revoked by its hash in dbx"),
            Revocation::Authority(authority) => write!(f, "signed by {authority}, which dbx revokes"),
            Revocation::SecurityVersion { has, needs } => {
                write!(f, "security version {has}; machines with current updates need {needs}")
            }
            Revocation::Sbat { has, needs } => {
                write!(f, "SBAT {has}; machines with current updates need {} {needs}", has.component)
            }
        }
    }
}

/// `SbatLevel_Variable.txt` of shim, the newest line.
const SBAT_LEVEL: &str = "sbat,1,2025051000\nshim,4\ngrub,5\ngrub.proxmox,2\n";

#[cfg(test)]
mod tests;
