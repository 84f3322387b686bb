//! `dbx` as firmware keeps it: lists of signatures (UEFI 2.10 §32.4.1), in an update behind an
//! authentication header (§8.2.2).

use super::{Revocations, RevocationsError, WindowsProgram};
use crate::{Authority, SecurityVersion};

/// Reads a list, with or without the header of an update.
pub(super) fn read(bytes: &[u8]) -> Result<Revocations, RevocationsError> {
    let begin = authentication_header(bytes).unwrap_or(0);
    let mut revocations = Revocations::default();
    let mut at = begin;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let damaged =
            || if at == begin { RevocationsError::Unknown } else { RevocationsError::SignatureList(at) };
        let kind: &[u8; 16] = rest.first_chunk().ok_or_else(damaged)?;
        let long = |from: usize| {
            let field = rest.get(from..from + 4)?.first_chunk::<4>()?;
            usize::try_from(u32::from_le_bytes(*field)).ok()
        };
        let length = long(16).ok_or_else(damaged)?;
        let header = long(20).ok_or_else(damaged)?;
        let size = long(24).filter(|&size| size > OWNER).ok_or_else(damaged)?;
        let list = rest
            .get(..length)
            .and_then(|list| list.get(LIST_HEADER.checked_add(header)?..))
            .ok_or_else(damaged)?;
        match *kind {
            SHA_256 if size == OWNER + 32 => {
                for entry in list.chunks_exact(size) {
                    if let Some(value) = entry[OWNER..].first_chunk::<32>() {
                        insert(&mut revocations, *value);
                    }
                }
            }
            X509 => {
                revocations.authorities.extend(list.chunks_exact(size).filter_map(|c| subject(&c[OWNER..])));
            }
            // Hashes of other kinds are of certificates that no boot program of today is signed by.
            _ if at == begin && !KNOWN_KINDS.contains(kind) => return Err(RevocationsError::Unknown),
            _ => {}
        }
        at += length;
    }
    if at == 0 { Err(RevocationsError::Unknown) } else { Ok(revocations) }
}

/// Takes an entry of `dbx`: a hash, or a security version in the shape of one.
pub(super) fn insert(revocations: &mut Revocations, value: [u8; 32]) {
    let program = PROGRAMS.iter().find(|(prefix, _)| value.starts_with(prefix)).map(|(_, program)| *program);
    match (program, value) {
        (
            Some(program),
            [.., minor_low, minor_high, major_low, major_high, _, _, _, _, _, _, _, _, _, _, _],
        ) => {
            let version = SecurityVersion {
                minor: u16::from_le_bytes([minor_low, minor_high]),
                major: u16::from_le_bytes([major_low, major_high]),
            };
            revocations.raise(program, version);
        }
        (None, hash) => {
            revocations.hashes.insert(hash);
        }
    }
}

/// The common name of a certificate in DER form.
fn subject(der: &[u8]) -> Option<Authority> {
    let certificate: x509_cert::Certificate = der::Decode::from_der(der).ok()?;
    Some(Authority::named(&crate::signature::common_name(&certificate.tbs_certificate.subject)))
}

/// The length of `EFI_VARIABLE_AUTHENTICATION_2`: a time of 16 bytes and a certificate that names
/// its own length.
fn authentication_header(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(*bytes.get(16..20)?.first_chunk()?);
    let kind = u16::from_le_bytes(*bytes.get(22..24)?.first_chunk()?);
    (kind == WIN_CERT_TYPE_EFI_GUID).then(|| usize::try_from(length).ok()?.checked_add(16))?
}

const WIN_CERT_TYPE_EFI_GUID: u16 = 0x0ef1;
/// Type, list size, header size, signature size.
const LIST_HEADER: usize = 28;
/// The owner's GUID before each signature.
const OWNER: usize = 16;
/// `EFI_CERT_SHA256_GUID` in wire order: hashes of programs.
const SHA_256: [u8; 16] = *b"\x26\x16\xc4\xc1\x4c\x50\x92\x40\xac\xa9\x41\xf9\x36\x93\x43\x28";
/// `EFI_CERT_X509_GUID` in wire order: whole certificates.
const X509: [u8; 16] = *b"\xa1\x59\xc0\xa5\xe4\x94\xa7\x4a\x87\xb5\xab\x15\x5c\x2b\xf0\x72";
/// `EFI_CERT_X509_SHA256_GUID` in wire order: hashes of certificates.
const X509_SHA_256: [u8; 16] = *b"\x92\xa4\xd2\x3b\xc0\x96\x79\x40\xb4\x20\xfc\xf9\x8e\xf1\x03\xed";
const KNOWN_KINDS: [[u8; 16]; 3] = [SHA_256, X509, X509_SHA_256];

/// An entry that begins with 1 and one of these GUIDs is a security version (KB5025885).
const PROGRAMS: [([u8; 17], WindowsProgram); 3] = [
    (*b"\x01\x61\x2b\x13\x9d\xd5\x59\x88\x43\xab\x1c\x18\x5c\x3c\xb2\xeb\x92", WindowsProgram::BootManager),
    (*b"\x01\x9d\x2e\xf8\xe8\x27\xe1\x58\x41\xa4\x88\x4c\x18\xab\xe2\xf2\x84", WindowsProgram::CdBoot),
    (*b"\x01\xc2\xca\x99\xc9\xfe\x7f\x6f\x49\x81\x27\x9e\x2a\x8a\x53\x59\x76", WindowsProgram::Wds),
];
