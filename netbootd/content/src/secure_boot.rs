//! The checks of Secure Boot on a boot program, and the site's revocation lists.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use boot_program::{Program, ProgramError, Revocations, RevocationsError, Signature};
use imagestore::{BootFile, Digest, FileEntry, PeHeader};
use netbootd_diagnosis::shim;
use pxe_policy::{Generation, Signers};
use serde::Serialize;
use thiserror::Error;

/// The facts that Secure Boot checks in one boot program, for people and for JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProgramReport {
    /// Its architecture: `x64`, `ia32`, `arm64`, or the machine type in hexadecimal.
    pub architecture: String,
    /// Its signatures; empty for an unsigned program.
    pub signatures: Vec<SignatureReport>,
    /// Why further signatures cannot be read, one each.
    pub unreadable: Vec<String>,
    /// Whether it was changed after it was signed.
    pub altered: bool,
    /// The entries of its `.sbat` section, `component generation`.
    pub sbat: Vec<String>,
    /// The security version of a Windows boot program, `major.minor`.
    pub security_version: Option<String>,
    /// Why machines with current revocations refuse it.
    pub revoked: Option<String>,
    /// SHA-256 by which `dbx` lists it, in hexadecimal.
    pub authenticode_sha256: String,
    /// Whether it is a unified kernel image.
    pub unified_kernel: bool,
    /// Whether it is a Linux kernel that firmware starts (EFI stub).
    pub linux_kernel: bool,
    /// The names of its sections.
    pub sections: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignatureReport {
    /// The certificate that signed.
    pub signer: String,
    /// The authorities above it, the nearest first.
    pub authorities: Vec<String>,
}

/// Why a boot program was not read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It is no boot program for EFI, or a damaged one.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// It is larger than a boot program may be.
    #[error("{0} bytes: larger than a boot program")]
    TooLarge(u64),
    /// The file cannot be read.
    #[error("cannot read the file")]
    File(#[from] imagestore::ReadError),
}

/// Why a revocation list was not added or read.
#[derive(Debug, Error)]
pub enum ListError {
    /// The file is not a revocation list.
    #[error("{}", path.display())]
    List {
        path: PathBuf,
        /// The fault of the file.
        source: RevocationsError,
    },
    /// The file is larger than any list of revocations.
    #[error("{}: larger than {MAX_LIST} bytes", .0.display())]
    TooLarge(PathBuf),
    /// The file or folder cannot be read or written.
    #[error("{}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        source: io::Error,
    },
}

/// Reads a boot program of at most `most` bytes.
///
/// # Errors
/// When it is no boot program, larger, or cannot be read.
pub fn read_program(file: &BootFile, most: u64) -> Result<Program, ReadError> {
    read_part(file, 0, file.len(), most)
}

/// Reads a boot program of `size` bytes that begins at `at` in a file: one inside an ISO.
///
/// # Errors
/// As [`read_program`].
pub fn read_part(file: &BootFile, at: u64, size: u64, most: u64) -> Result<Program, ReadError> {
    let length = usize::try_from(size).ok().filter(|_| size <= most);
    let mut bytes = vec![0; length.ok_or(ReadError::TooLarge(size))?];
    file.read_exact_at(at, &mut bytes)?;
    Ok(Program::read(&bytes)?)
}

/// The authorities behind a program's signatures; `read` fills a buffer from a place in its file.
/// None for a program that is not signed or whose signatures cannot be read.
pub fn signers(
    header: PeHeader,
    read: impl Fn(u64, &mut [u8]) -> Result<(), imagestore::ReadError>,
) -> Option<Signers> {
    let (at, size) = header.certificates;
    if size == 0 || size > MAX_TABLE {
        return None;
    }
    let mut table = vec![0; size as usize];
    read(at.into(), &mut table).ok()?;
    let mut signers = Signers::default();
    for signature in Program::signatures(&table).ok()?.into_iter().flatten() {
        signers.authorities.extend(signature.authorities.first().map(ToString::to_string));
        for authority in &signature.authorities {
            let generation = authority.generation().map(|generation| match generation {
                boot_program::Generation::Of2011 => Generation::Of2011,
                boot_program::Generation::Of2023 => Generation::Of2023,
            });
            signers.generations.extend(generation.filter(|one| !signers.generations.contains(one)));
        }
    }
    (!signers.authorities.is_empty()).then_some(signers)
}

/// The same of a file, whose bytes are there.
pub fn signers_of(file: &BootFile) -> Option<Signers> {
    let length = usize::try_from(file.len()).unwrap_or(usize::MAX).min(PeHeader::LENGTH);
    let mut head = vec![0; length];
    file.read_exact_at(0, &mut head).ok()?;
    signers(PeHeader::of_headers(&head)?, |at, buf| file.read_exact_at(at, buf))
}

/// The report about a program called `name`.
pub fn report(name: &str, program: &Program, revocations: &Revocations) -> ProgramReport {
    let signature = |signature: &Signature| SignatureReport {
        signer: signature.signer.clone(),
        authorities: signature.authorities.iter().map(ToString::to_string).collect(),
    };
    ProgramReport {
        architecture: match program.machine {
            0x014c => "ia32".to_owned(),
            0x8664 => "x64".to_owned(),
            0xaa64 => "arm64".to_owned(),
            other => format!("{other:#06x}"),
        },
        signatures: program.signers().map(signature).collect(),
        unreadable: program
            .signatures
            .iter()
            .filter_map(|read| read.as_ref().err())
            .map(ToString::to_string)
            .collect(),
        altered: program.is_altered(),
        sbat: program.sbat.iter().map(ToString::to_string).collect(),
        security_version: program.security_version.map(|version| version.to_string()),
        revoked: revocations.check(name, program).map(|revocation| revocation.to_string()),
        authenticode_sha256: program.digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        unified_kernel: program.is_unified_kernel(),
        linux_kernel: program.is_linux_kernel,
        sections: program.sections.iter().map(|name| name.trim_end_matches('\0').to_owned()).collect(),
    }
}

/// Warnings about the programs in an image that is imported: iPXE's own shim starts the iPXE beside it
/// by a name made of its own, and is of no use without it.
pub fn missing_pairs(files: &[FileEntry]) -> Vec<String> {
    let is_there = |path: &str| files.iter().any(|file| file.path.eq_ignore_ascii_case(path));
    let pairs = files.iter().filter_map(|file| Some((&file.path, shim::ipxe_of_shim(&file.path)?)));
    pairs
        .filter(|(_, pair)| !is_there(pair))
        .map(|(shim, pair)| {
            format!("{shim} starts {pair}, which is not in the image: import both files as one folder")
        })
        .collect()
}

/// The bundled revocations with the lists that the site added.
///
/// # Errors
/// When a list is damaged or cannot be read.
pub fn revocations(state_dir: &Path) -> Result<Revocations, ListError> {
    let mut revocations = Revocations::bundled();
    for path in lists(state_dir)? {
        revocations.add(read_list(&path)?.1);
    }
    Ok(revocations)
}

/// The same; a damaged list, which check-config names, leaves the bundled ones.
pub fn revocations_or_bundled(state_dir: &Path) -> Revocations {
    revocations(state_dir).unwrap_or_else(|_| Revocations::bundled())
}

/// Adds a list; the same list again changes nothing. Returns what the file holds.
///
/// # Errors
/// When the file is not a revocation list, or the state folder cannot be written.
pub fn add_list(state_dir: &Path, file: &Path) -> Result<Revocations, ListError> {
    let (bytes, list) = read_list(file)?;
    let folder = state_dir.join(FOLDER);
    let place = folder.join(Digest::compute(&bytes).to_string());
    let new = place.with_extension("new");
    let written = fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&new, &bytes))
        .and_then(|()| fs::File::open(&new)?.sync_all())
        .and_then(|()| fs::rename(&new, &place));
    written.map_err(|source| ListError::File { path: place, source })?;
    Ok(list)
}

/// The lists that the site added.
fn lists(state_dir: &Path) -> Result<Vec<PathBuf>, ListError> {
    let folder = state_dir.join(FOLDER);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|source| ListError::File { path: folder, source })?,
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_none())
        .collect();
    paths.sort();
    Ok(paths)
}

fn read_list(path: &Path) -> Result<(Vec<u8>, Revocations), ListError> {
    let file = |source| ListError::File { path: path.to_owned(), source };
    let size = fs::metadata(path).map_err(file)?.len();
    if size > MAX_LIST {
        return Err(ListError::TooLarge(path.to_owned()));
    }
    let bytes = fs::read(path).map_err(file)?;
    let list =
        Revocations::read(&bytes).map_err(|source| ListError::List { path: path.to_owned(), source })?;
    Ok((bytes, list))
}

/// The largest boot program that is read for a list or a check: unified kernels may be larger.
pub const MAX_PROGRAM: u64 = 16 << 20;
/// Certificate tables have about 20 kB, in bytes.
const MAX_TABLE: u32 = 1 << 20;
/// Microsoft's list has about 300 kB.
const MAX_LIST: u64 = 8 << 20;
/// In the state folder.
const FOLDER: &str = "revocations";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_counts_once_it_is_added_and_a_file_that_is_none_is_refused() {
        let state = tempfile::tempdir().unwrap();
        let bundled = revocations(state.path()).unwrap();
        let list = state.path().join("level.csv");
        fs::write(&list, "sbat,1,2030010100\nshim,9\n").unwrap();
        add_list(state.path(), &list).unwrap();
        add_list(state.path(), &list).unwrap();
        assert_eq!(lists(state.path()).unwrap().len(), 1);
        let now = revocations(state.path()).unwrap();
        assert_ne!(now, bundled);
        assert!(now.sbat().iter().any(|entry| entry.to_string() == "shim 9"));

        fs::write(&list, "hello").unwrap();
        assert!(matches!(add_list(state.path(), &list), Err(ListError::List { .. })));
        assert_eq!(revocations(state.path()).unwrap(), now);
    }
}
