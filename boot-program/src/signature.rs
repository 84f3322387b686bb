//! The signatures of a program's certificate table, and the authorities behind them.

use std::ops::Range;

use cms::cert::CertificateChoices;
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier};
use der::asn1::{ObjectIdentifier, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use der::{Decode, SliceReader, Tag, Tagged};
use object::LittleEndian;
use object::pe::IMAGE_DIRECTORY_ENTRY_SECURITY;
use object::read::pe::{ImageNtHeaders, PeFile};
use x509_cert::Certificate;
use x509_cert::name::Name;

use crate::{Authority, Program, ProgramError};

/// One Authenticode signature of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Common name of the certificate that signed.
    pub signer: String,
    /// Authorities above the signer, the nearest first. Firmware that trusts one of them, and
    /// revokes none, starts the program.
    pub authorities: Vec<Authority>,
    /// End of the signer's certificate, seconds since 1970. Firmware does not compare it.
    pub not_after: i64,
    /// The SHA-256 the signature covers; None for another algorithm.
    pub digest: Option<[u8; 32]>,
}

/// Why a signature cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Another kind of entry than PKCS#7 signed data.
    #[error("a certificate table entry of type {0:#06x}")]
    Kind(u16),
    /// The entry is larger than [`MAX_SIGNATURE`] bytes.
    #[error("a signature of {0} bytes")]
    TooLarge(usize),
    /// It is not the DER form of signed data (RFC 5652).
    #[error("a signature that is not PKCS#7 signed data")]
    Malformed,
    /// It names a signer whose certificate it does not carry.
    #[error("a signature without its signer's certificate")]
    NoSigner,
}

/// Where the certificate table lies in the file; empty for an unsigned program.
pub(crate) fn table<Pe: ImageNtHeaders>(file: &PeFile<'_, Pe>) -> Result<Range<usize>, ProgramError> {
    let Some(entry) = file.data_directory(IMAGE_DIRECTORY_ENTRY_SECURITY) else { return Ok(0..0) };
    // The one directory whose address is a place in the file.
    let begin = entry.virtual_address.get(LittleEndian) as usize;
    let length = entry.size.get(LittleEndian) as usize;
    if length == 0 {
        return Ok(0..0);
    }
    let end = begin.checked_add(length).filter(|&end| end <= file.data().len());
    end.map(|end| begin..end).ok_or(ProgramError::CertificateTable)
}

/// Reads the entries of a certificate table (`WIN_CERTIFICATE`, each on a boundary of eight bytes).
pub(crate) fn read_all(mut table: &[u8]) -> Result<Vec<Result<Signature, SignatureError>>, ProgramError> {
    let mut signatures = Vec::new();
    while let Some(&[a, b, c, d, _, _, kind_low, kind_high]) = table.first_chunk::<HEADER>() {
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let content = table.get(HEADER..length).ok_or(ProgramError::CertificateTable)?;
        if signatures.len() == Program::MAX_SIGNATURES {
            return Err(ProgramError::CertificateTable);
        }
        signatures.push(match u16::from_le_bytes([kind_low, kind_high]) {
            _ if length > MAX_SIGNATURE => Err(SignatureError::TooLarge(length)),
            PKCS_SIGNED_DATA => Signature::read(content),
            other => Err(SignatureError::Kind(other)),
        });
        table = table.get(length.next_multiple_of(8)..).unwrap_or_default();
    }
    Ok(signatures)
}

impl Signature {
    /// Reads the DER form of a signature; bytes after it are padding.
    ///
    /// # Errors
    /// When it is no signed data, or does not carry its signer's certificate.
    pub fn read(der: &[u8]) -> Result<Self, SignatureError> {
        let signed = signed_data(der).map_err(|_| SignatureError::Malformed)?;
        let certificates: Vec<&Certificate> = signed
            .certificates
            .iter()
            .flat_map(|set| set.0.iter())
            .filter_map(|choice| match choice {
                CertificateChoices::Certificate(certificate) => Some(certificate),
                CertificateChoices::Other(_) => None,
            })
            .take(MAX_CERTIFICATES)
            .collect();
        let signer = signed.signer_infos.0.iter().next().ok_or(SignatureError::NoSigner)?;
        let SignerIdentifier::IssuerAndSerialNumber(id) = &signer.sid else {
            return Err(SignatureError::NoSigner);
        };
        let signer = certificates
            .iter()
            .map(|certificate| &certificate.tbs_certificate)
            .find(|tbs| tbs.issuer == id.issuer && tbs.serial_number == id.serial_number)
            .ok_or(SignatureError::NoSigner)?;
        Ok(Signature {
            signer: common_name(&signer.subject),
            authorities: chain(&signer.issuer, &certificates),
            not_after: i64::try_from(signer.validity.not_after.to_unix_duration().as_secs())
                .unwrap_or(i64::MAX),
            digest: covered_digest(&signed),
        })
    }

    /// Whether it was made for a program with this hash; None when it uses another algorithm.
    pub fn covers(&self, digest: &[u8; 32]) -> Option<bool> {
        self.digest.map(|covered| covered == *digest)
    }
}

fn signed_data(der: &[u8]) -> der::Result<SignedData> {
    let mut reader = SliceReader::new(der)?;
    let content = ContentInfo::decode(&mut reader)?;
    content.content.decode_as()
}

/// The issuers from `issuer` upward, as far as the signature carries their certificates.
fn chain(issuer: &Name, certificates: &[&Certificate]) -> Vec<Authority> {
    let mut authorities = Vec::new();
    let mut issuer = issuer;
    // A chain is no longer than the certificates there are; rings end here.
    for _ in 0..=certificates.len() {
        authorities.push(Authority::named(&common_name(issuer)));
        let above = certificates
            .iter()
            .map(|certificate| &certificate.tbs_certificate)
            .find(|tbs| tbs.subject == *issuer && tbs.issuer != tbs.subject);
        let Some(above) = above else { break };
        issuer = &above.issuer;
    }
    authorities
}

/// The `messageDigest` of `SpcIndirectDataContent`, when it is SHA-256: its last 32 bytes, as the
/// structure ends in an OCTET STRING.
fn covered_digest(signed: &SignedData) -> Option<[u8; 32]> {
    let content = &signed.encap_content_info;
    if content.econtent_type != INDIRECT_DATA {
        return None;
    }
    let mut reader = SliceReader::new(content.econtent.as_ref()?.value()).ok()?;
    let _data = der::AnyRef::decode(&mut reader).ok()?;
    let digest_info = der::AnyRef::decode(&mut reader).ok()?;
    let mut fields = SliceReader::new(digest_info.value()).ok()?;
    let algorithm = der::AnyRef::decode(&mut fields).ok()?;
    let mut algorithm = SliceReader::new(algorithm.value()).ok()?;
    if ObjectIdentifier::decode(&mut algorithm).ok()? != SHA_256 {
        return None;
    }
    der::asn1::OctetStringRef::decode(&mut fields).ok()?.as_bytes().try_into().ok()
}

/// The common name, else the whole name as text, without control characters and of a bounded
/// length.
pub(crate) fn common_name(name: &Name) -> String {
    let common = name
        .0
        .iter()
        .flat_map(|part| part.0.iter())
        .filter(|attribute| attribute.oid == COMMON_NAME)
        .find_map(|attribute| match attribute.value.tag() {
            Tag::Utf8String => {
                Utf8StringRef::try_from(&attribute.value).ok().map(|text| text.as_str().to_owned())
            }
            Tag::PrintableString => {
                PrintableStringRef::try_from(&attribute.value).ok().map(|text| text.as_str().to_owned())
            }
            Tag::TeletexString => {
                TeletexStringRef::try_from(&attribute.value).ok().map(|text| text.as_str().to_owned())
            }
            _ => None,
        });
    let text = common.unwrap_or_else(|| name.to_string());
    text.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect()
}

/// `WIN_CERTIFICATE`: length, revision, type.
const HEADER: usize = 8;
const PKCS_SIGNED_DATA: u16 = 2;
/// Signatures of boot programs have about 10 kB.
pub(crate) const MAX_SIGNATURE: usize = 1 << 20;
const MAX_CERTIFICATES: usize = 32;
/// RFC 5280, ub-common-name, and room for a whole name.
const MAX_NAME: usize = 256;
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const INDIRECT_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.4");
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
