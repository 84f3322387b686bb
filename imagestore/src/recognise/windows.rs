//! Windows' media: Setup, Windows PE, ConfigMgr's boot media; and what a WIM says of itself.

use std::io;

use super::{Contents, Recognised};
use crate::About;

/// Windows' media, by `sources/boot.wim`. Its name comes from its WIMs ([`editions`]).
pub(super) fn windows(contents: &dyn Contents, _: Option<&str>) -> Option<Recognised> {
    contents.find("sources/boot.wim")?;
    let product = if contents.has("SMS/data/TsmBootstrap.ini") {
        "ConfigMgr boot media"
    } else if INSTALLS.iter().any(|path| contents.has(path)) {
        "Windows Setup"
    } else {
        "Windows PE"
    };
    let note = (product == "Windows Setup").then(|| {
        "Windows PE boots from here; its Setup takes install.wim from a network share or a disk, not by HTTP".to_owned()
    });
    Some(Recognised {
        about: About { product: product.into(), ..About::default() },
        note,
        needs_disc: true,
        ..Recognised::default()
    })
}

/// Where Setup has what it installs.
pub(crate) const INSTALLS: [&str; 3] = ["sources/install.wim", "sources/install.esd", "sources/install.swm"];

/// The facts in a WIM's XML.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct WimHeader {
    /// The names of its images.
    pub(crate) names: Vec<String>,
    /// The version of Windows, such as `10.0.22631.2861`.
    pub(crate) version: String,
    /// The architecture, such as `x64`.
    pub(crate) arch: String,
    /// The languages of the first image, the default one first.
    pub(crate) languages: Vec<String>,
}

impl WimHeader {
    /// Reads the header and the XML behind it; `read` gives bytes of the file from a place on. None
    /// for what is no WIM, or has no XML that can be read.
    pub(crate) fn read(size: u64, mut read: impl FnMut(u64, usize) -> io::Result<Vec<u8>>) -> Option<Self> {
        let header = read(0, HEADER).ok()?;
        if header.get(..8)? != b"MSWIM\0\0\0" {
            return None;
        }
        // The resource of the XML: seven bytes of length, flags, offset, original length.
        let mut length = [0; 8];
        length[..7].copy_from_slice(header.get(72..79)?);
        let length = usize::try_from(u64::from_le_bytes(length)).ok().filter(|length| *length <= MAX_XML)?;
        let mut offset = [0; 8];
        offset.copy_from_slice(header.get(80..88)?);
        let offset = u64::from_le_bytes(offset);
        if offset.checked_add(length as u64)? > size {
            return None;
        }
        let bytes = read(offset, length).ok()?;
        let units: Vec<u16> =
            bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        Some(WimHeader::of_xml(&String::from_utf16_lossy(&units)))
    }

    fn of_xml(xml: &str) -> Self {
        let images: Vec<&str> = xml.split("<IMAGE ").skip(1).collect();
        let name = |image: &&str| {
            let name = element(image, "DISPLAYNAME").or_else(|| element(image, "NAME"))?;
            Some(name.chars().filter(|c| !c.is_control()).take(80).collect())
        };
        let first = images.first().copied().unwrap_or_default();
        let number = |key: &str| element(first, key).unwrap_or_default();
        let parts = ["MAJOR", "MINOR", "BUILD", "SPBUILD"].map(number);
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let arch = match element(first, "ARCH") {
            Some("0") => "x86",
            Some("9") => "x64",
            Some("12") => "arm64",
            _ => "",
        };
        WimHeader {
            names: images.iter().filter_map(name).take(MAX_NAMES).collect(),
            version: parts.join("."),
            arch: arch.to_owned(),
            languages: languages(first),
        }
    }
}

/// `en-US`, the default one first; at most [`MAX_LANGUAGES`].
fn languages(image: &str) -> Vec<String> {
    let is_tag = |text: &&str| {
        !text.is_empty() && text.len() < 16 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let default = element(image, "DEFAULT").filter(is_tag);
    let all = image.split("<LANGUAGE>").skip(1).filter_map(|rest| rest.split('<').next()).map(str::trim);
    let others = all.filter(is_tag).filter(|tag| Some(*tag) != default);
    default.into_iter().chain(others).take(MAX_LANGUAGES).map(str::to_owned).collect()
}

/// Completes what a medium is with what its WIMs say: those of `install` if there is one, else
/// those of the Windows PE.
pub(crate) fn editions(about: &mut About, install: Option<WimHeader>, pe: Option<WimHeader>) {
    if let Some(pe) = pe {
        (about.version, about.arch) = (pe.version, pe.arch);
    }
    let Some(install) = install else { return };
    // `Windows 11 Home`, `Windows 11 Pro`: what they have in common is the product.
    if let Some(first) = install.names.first() {
        let common =
            install.names.iter().skip(1).fold(first.split(' ').collect::<Vec<_>>(), |common, name| {
                let same = common.iter().zip(name.split(' ')).take_while(|(a, b)| **a == *b).count();
                common[..same].to_vec()
            });
        let common = common.join(" ");
        if !common.is_empty() {
            about.product = if install.names.len() > 1 { common } else { first.clone() };
        }
    }
    if !install.version.is_empty() {
        (about.version, about.arch) = (install.version, install.arch);
    }
    about.editions = install.names;
}

/// The text of the first element of a name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let begin = xml.split_once(&format!("<{name}>"))?.1;
    Some(begin.split_once('<')?.0.trim())
}

const HEADER: usize = 208;
const MAX_XML: usize = 8 << 20;
const MAX_LANGUAGES: usize = 16;
/// Editions of one medium that are named.
const MAX_NAMES: usize = 64;
