//! A boot program and everything that decides whether a machine starts it.

use object::pe::{self, IMAGE_SUBSYSTEM_EFI_APPLICATION, IMAGE_SUBSYSTEM_EFI_ROM};
use object::read::pe::{ImageNtHeaders, ImageOptionalHeader, PeFile};

use crate::{
    SbatEntry, SecurityVersion, Signature, SignatureError, authenticode, sbat, security_version, signature,
};

/// A PE/COFF program for EFI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// `Machine` of the COFF header: 0x014c is ia32, 0x8664 x64, 0xaa64 ARM64.
    pub machine: u16,
    /// Names of its sections. `.linux` and `.initrd` make it a unified kernel image.
    pub sections: Vec<String>,
    /// Whether it is a Linux kernel that firmware starts (EFI stub).
    pub is_linux_kernel: bool,
    /// SHA-256 of the program without its signatures (Microsoft's Authenticode specification,
    /// "Calculating the PE Image Hash"). `dbx` lists programs by it.
    pub digest: [u8; 32],
    /// Its signatures, in the order of the certificate table.
    pub signatures: Vec<Result<Signature, SignatureError>>,
    /// The `.sbat` section; empty for a program without one.
    pub sbat: Vec<SbatEntry>,
    /// The security version of a Windows boot program.
    pub security_version: Option<SecurityVersion>,
}

/// Why bytes are no boot program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// Its headers are not those of a PE program, or name places outside of the file.
    #[error("not a PE program, or a damaged one")]
    NotPe,
    /// It is a program for another system, such as Windows itself.
    #[error("a program for subsystem {0}, not for EFI")]
    NotEfi(u16),
    /// The certificate table is damaged or holds more than [`Program::MAX_SIGNATURES`] signatures.
    #[error("a damaged certificate table")]
    CertificateTable,
}

impl Program {
    /// Signatures that are read of one program; firmware's own limit is lower.
    pub const MAX_SIGNATURES: usize = 64;

    /// Reads a program; `bytes` is the whole file.
    ///
    /// # Errors
    /// When it is no PE program for EFI, or its certificate table is damaged. A single signature
    /// that cannot be read is an error of that signature alone.
    pub fn read(bytes: &[u8]) -> Result<Self, ProgramError> {
        match object::read::pe::optional_header_magic(bytes) {
            Ok(pe::IMAGE_NT_OPTIONAL_HDR64_MAGIC) => Self::read_as::<pe::ImageNtHeaders64>(bytes),
            Ok(pe::IMAGE_NT_OPTIONAL_HDR32_MAGIC) => Self::read_as::<pe::ImageNtHeaders32>(bytes),
            _ => Err(ProgramError::NotPe),
        }
    }

    /// Reads the signatures of a program from its certificate table alone.
    ///
    /// # Errors
    /// When the table is damaged or holds more than [`Program::MAX_SIGNATURES`] signatures.
    pub fn signatures(table: &[u8]) -> Result<Vec<Result<Signature, SignatureError>>, ProgramError> {
        signature::read_all(table)
    }

    fn read_as<Pe: ImageNtHeaders>(bytes: &[u8]) -> Result<Self, ProgramError> {
        let file = PeFile::<Pe>::parse(bytes).map_err(|_| ProgramError::NotPe)?;
        let subsystem = file.nt_headers().optional_header().subsystem();
        if !(IMAGE_SUBSYSTEM_EFI_APPLICATION..=IMAGE_SUBSYSTEM_EFI_ROM).contains(&subsystem) {
            return Err(ProgramError::NotEfi(subsystem.0));
        }
        let table = signature::table(&file)?;
        let section = |wanted: &[u8]| {
            file.section_table()
                .iter()
                .find(|section| section.raw_name() == wanted)
                .and_then(|section| section.pe_data(bytes).ok())
        };
        Ok(Program {
            machine: file.nt_headers().file_header().machine.get(object::LittleEndian).0,
            sections: file
                .section_table()
                .iter()
                .map(|section| String::from_utf8_lossy(section.raw_name()).into_owned())
                .collect(),
            is_linux_kernel: is_linux_kernel(bytes),
            digest: authenticode::digest(&file, table.clone()).ok_or(ProgramError::NotPe)?,
            signatures: signature::read_all(bytes.get(table).unwrap_or_default())?,
            sbat: section(b".sbat").map(sbat::read).unwrap_or_default(),
            security_version: security_version::read(&file),
        })
    }

    /// Whether it carries a Linux kernel: a unified kernel image (UAPI.5).
    pub fn is_unified_kernel(&self) -> bool {
        self.sections.iter().any(|name| name == ".linux")
    }

    /// The signatures that could be read.
    pub fn signers(&self) -> impl Iterator<Item = &Signature> {
        self.signatures.iter().flatten()
    }

    /// Whether a signature was made for other bytes than these: the file was changed after signing.
    pub fn is_altered(&self) -> bool {
        self.signers().any(|signature| signature.covers(&self.digest) == Some(false))
    }
}

/// The marks of Linux' boot protocols: x86's setup header, ARM64's image header, and the header of
/// a compressed image (zboot).
fn is_linux_kernel(bytes: &[u8]) -> bool {
    let has = |at: usize, mark: &[u8]| bytes.get(at..at + mark.len()) == Some(mark);
    has(0x202, b"HdrS") || has(0x38, b"ARM\x64") || has(4, b"zimg")
}

#[cfg(test)]
mod tests;
