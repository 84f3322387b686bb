//! The checks of firmware, shim and the Windows boot manager on a boot program before they start
//! it.
//!
//! A boot program is a PE/COFF image for EFI. Firmware with Secure Boot compares its signers with
//! `db` and its hash with `dbx` (UEFI 2.10 §32.4); shim compares its `.sbat` section with the SBAT
//! level (shim's SBAT.md); Windows compares its security version with the one in `dbx`.
//! This crate reads these values and compares them with a list of revocations. It does not verify
//! the signature's mathematics: firmware does that, and a wrong signature never starts.
//!
//! Pure: bytes in, values out. Any input gives a value or an error.
#![warn(missing_docs)]

mod authenticode;
mod authority;
mod program;
mod revocations;
mod sbat;
mod security_version;
mod signature;

pub use authority::{Authority, Generation};
pub use program::{Program, ProgramError};
pub use revocations::{Revocation, Revocations, RevocationsError, WindowsProgram};
pub use sbat::SbatEntry;
pub use security_version::SecurityVersion;
pub use signature::{Signature, SignatureError};
