//! Microsoft's readable form of `dbx`: `dbx_info_msft_*.json` of its Secure Boot objects.

use std::collections::HashMap;

use serde::Deserialize;

use super::{Revocations, RevocationsError, signature_list};
use crate::Authority;

#[derive(Deserialize)]
struct List {
    images: HashMap<String, Vec<Image>>,
    #[serde(default)]
    certificates: Vec<Certificate>,
    #[serde(default)]
    svns: Vec<Version>,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "authenticodeHash")]
    hash: String,
}

#[derive(Deserialize)]
struct Certificate {
    /// The common name of the certificate's subject.
    #[serde(rename = "subjectName", alias = "subject", alias = "value")]
    name: Option<String>,
}

/// A security version, as the entry of `dbx` in hexadecimal.
#[derive(Deserialize)]
struct Version {
    value: Option<String>,
}

pub(super) fn read(text: &[u8]) -> Result<Revocations, RevocationsError> {
    let list: List = serde_json::from_slice(text)?;
    let mut revocations = Revocations::default();
    for image in list.images.values().flatten() {
        signature_list::insert(&mut revocations, hash(&image.hash)?);
    }
    for version in list.svns.iter().filter_map(|version| version.value.as_deref()) {
        signature_list::insert(&mut revocations, hash(version)?);
    }
    let names = list.certificates.iter().filter_map(|certificate| certificate.name.as_deref());
    revocations.authorities.extend(names.map(|name| Authority::named(common_name(name))));
    Ok(revocations)
}

/// The common name of a distinguished name such as `CN = Cisco Virtual UEFI SubCA, O = Cisco`.
fn common_name(name: &str) -> &str {
    let value =
        name.split(',').find_map(|part| part.trim().strip_prefix("CN")?.trim_start().strip_prefix('='));
    value.map_or(name, str::trim)
}

fn hash(text: &str) -> Result<[u8; 32], RevocationsError> {
    let wrong = || RevocationsError::Hash(text.to_owned());
    let digits = text.trim().trim_start_matches("0x").as_bytes();
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != 32 || !rest.is_empty() {
        return Err(wrong());
    }
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(pairs) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        let value = digit(0).zip(digit(1)).map(|(high, low)| high * 16 + low).ok_or_else(wrong)?;
        *byte = u8::try_from(value).map_err(|_| wrong())?;
    }
    Ok(hash)
}
