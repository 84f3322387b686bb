//! Boot media of Configuration Manager: an ISO that starts task sequences without a PXE responder.
//!
//! `SMS/data/Variables.dat` names management points and holds the media's certificate. A blank
//! password opens it, so it becomes no file of the image: what is in an image is served to anybody,
//! and copied to other servers. For the same reason the whole ISO is not kept.

use std::error::Error as _;
use std::path::Path;

use super::medium::{copy, finding_of, take_windows_pe};
use super::{IngestError, Recognition, Taken, stem};
use crate::media::{Medium, MediumFile};
use crate::recognise::{WimHeader, editions};
use crate::store::{MediaSecrets, Observer, Writer};
use crate::wim::Wim;
use crate::wim::overlay::{Added, Overlay, OverlayError, overlay};
use crate::{About, BootMedia, BootMethod, BootPath, Digest, ImageKind, WindowsRole};

/// Whether an ISO is boot media.
pub(super) fn is_one(medium: &Medium<'_>) -> bool {
    medium.find(BOOTSTRAP).is_some() && medium.find(BOOT_WIM).is_some()
}

pub(super) fn import(
    writer: &mut Writer,
    medium: &Medium<'_>,
    path: &Path,
    observer: &mut dyn Observer,
) -> Result<Taken, IngestError> {
    let lacks = |file, what| IngestError::BootMedia { path: path.to_owned(), file, what };
    let bootstrap = medium.find(BOOTSTRAP).ok_or_else(|| lacks("TsmBootstrap.ini", "is missing"))?;
    let bootstrap = read(medium, bootstrap).ok_or_else(|| lacks("TsmBootstrap.ini", "cannot be read"))?;
    let media = parse(&bootstrap);
    let variables = medium.find(VARIABLES).ok_or_else(|| lacks("Variables.dat", "is missing"))?;
    let variables = read(medium, variables).filter(|bytes| !bytes.is_empty());
    let variables = variables.ok_or_else(|| lacks("Variables.dat", "cannot be read"))?;
    let header = medium.find(BOOT_WIM).and_then(|file| WimHeader::open(medium, file));
    let mut about = About {
        product: "ConfigMgr boot media".into(),
        ways: vec![BootMethod::Wimboot],
        media: Some(media.clone()),
        ..About::default()
    };
    editions(&mut about, None, header);
    let mut taken = Taken {
        name: stem(path),
        kind: ImageKind::WinPe,
        files: Vec::new(),
        findings: vec![finding_of(&about)],
        found: Recognition::default(),
    };
    taken.findings.push(
        "Variables.dat is kept outside of the image: a machine gets it once policy boots it from here".into(),
    );
    if !media.password_required {
        taken.findings.push(
            "the media has no password, so its Variables.dat alone opens it; no machine gets it \
             unless boot-media.allow-without-password says so"
                .into(),
        );
    }
    taken.findings.extend(medium.left_out().iter().cloned());
    about.windows = take_windows_pe(writer, medium, &mut taken, observer)?;
    if let Some(facts) = &mut about.windows {
        facts.role = WindowsRole::ConfigmgrBootMedia;
    }
    for file in medium.files().iter().filter(|file| is_public(&file.path)) {
        let known = taken.files.iter().any(|known| known.path.eq_ignore_ascii_case(&file.path));
        let fits =
            BootPath::parse(file.path.as_bytes()).is_ok_and(|path| path.as_bytes() == file.path.as_bytes());
        if !known && fits {
            let entry = copy(writer, medium, file, observer)?;
            taken.files.push(entry);
        }
    }
    let overlay = match overlay_of(writer, &taken, &bootstrap, &variables) {
        Some(Ok(overlay)) => Some(overlay),
        Some(Err(error)) => {
            taken.findings.push(format!(
                "Windows' own boot manager cannot start task sequences from it, wimboot can: {}",
                chain(&error)
            ));
            None
        }
        None => None,
    };
    let media = Some(MediaSecrets { variables, overlay });
    Ok(Taken { found: Recognition { about: Some(about), boot: None, media }, ..taken })
}

/// The overlay that puts both files where TSBootShell looks for them after a network boot, with the
/// digest of the media's Windows PE. None without a Windows PE.
fn overlay_of(
    writer: &Writer,
    taken: &Taken,
    bootstrap: &[u8],
    variables: &[u8],
) -> Option<Result<(Digest, Overlay), OverlayError>> {
    let digest = taken.files.iter().find(|file| file.path == BOOT_WIM)?.digest;
    let files = [("TsmBootstrap.ini", bootstrap), ("Variables.dat", variables)];
    let files = files.map(|(name, bytes)| Added { name, bytes });
    let wim = Wim::open(&writer.place_of(&digest)).map_err(OverlayError::from);
    let made = wim.and_then(|wim| overlay(&wim, &["sms", "data"], &files));
    Some(made.map(|overlay| (digest, overlay)))
}

fn chain(error: &OverlayError) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// Whether clients may fetch a file of the media: the boot files, and of `SMS/data` the one file
/// that holds no secret.
fn is_public(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path == BOOTSTRAP.to_ascii_lowercase() || !path.starts_with("sms/") && path.ne(BOOT_WIM)
}

fn read(medium: &Medium<'_>, file: &MediumFile) -> Option<Vec<u8>> {
    let length = usize::try_from(file.size).ok().filter(|length| *length <= LARGEST)?;
    medium.read(file, 0, length).ok()
}

/// `[MediaInfo]` of `TsmBootstrap.ini`, in UTF-8 or, with its mark, UTF-16.
fn parse(bytes: &[u8]) -> BootMedia {
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => {
            let units = rest.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
            String::from_utf16_lossy(&units.collect::<Vec<_>>())
        }
        bytes => String::from_utf8_lossy(bytes).into_owned(),
    };
    let mut in_section = false;
    let mut media = BootMedia::default();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            in_section = line.trim_start_matches('\u{feff}').eq_ignore_ascii_case("[MediaInfo]");
        }
        let Some((key, value)) = line.split_once('=').filter(|_| in_section) else { continue };
        let (key, value) = (key.trim(), value.trim());
        let is_true = ["true", "1", "yes"].iter().any(|word| value.eq_ignore_ascii_case(word));
        match key.to_ascii_lowercase().as_str() {
            "passwordrequired" => media.password_required = is_true,
            "unattended" => media.unattended = is_true,
            "mediatype" => media.kind = value.chars().filter(|c| !c.is_control()).take(40).collect(),
            _ => {}
        }
    }
    media
}

const BOOTSTRAP: &str = "SMS/data/TsmBootstrap.ini";
const VARIABLES: &str = "SMS/data/Variables.dat";
const BOOT_WIM: &str = "sources/boot.wim";
/// Either file has some kilobytes.
const LARGEST: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_says_whether_it_has_a_password() {
        let text = "[MediaInfo]\r\nMediaType=BootMedia\r\nPasswordRequired=true\r\nUnattended=false\r\n";
        let expected = BootMedia { password_required: true, unattended: false, kind: "BootMedia".into() };
        assert_eq!(parse(text.as_bytes()), expected);
        let wide: Vec<u8> =
            [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        assert_eq!(parse(&wide), expected);
        assert_eq!(parse(b"[Other]\nPasswordRequired=true\n"), BootMedia::default());
        assert_eq!(parse(b"\xff\xff=\x00"), BootMedia::default());
    }

    #[test]
    fn nothing_of_the_medias_secrets_is_public() {
        for path in
            ["SMS/data/Variables.dat", "sms/DATA/VARIABLES.DAT", "SMS/data/Policy.xml", "SMS/bin/x64/a.exe"]
        {
            assert!(!is_public(path), "{path}");
        }
        for path in ["SMS/data/TsmBootstrap.ini", "EFI/microsoft/boot/bcd", "boot/boot.sdi", "MediaLabel.txt"]
        {
            assert!(is_public(path), "{path}");
        }
    }
}
