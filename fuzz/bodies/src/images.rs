//! What is read of images: wimlib's listings, programs' headers, and the INI files of a content library.

use std::fmt::Write as _;

use imagestore::library::ini;
use imagestore::wim::listing::{self, ArchiveEntry, WimImage};
use imagestore::{BootPath, Digest, Signature, ingest};

/// Any words of wimlib about a Windows image.
pub fn wim_listing(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let images = listing::images(&text);
    assert_eq!(listing::images(&images_as_printed(&images)), images);
    let entries = listing::entries(1, &text);
    assert_eq!(listing::entries(1, &entries_as_printed(&entries)), entries);
    for entry in &entries {
        if let Ok(path) = BootPath::parse(entry.path.as_bytes()) {
            assert!(path.components().all(|part| part != b".."));
        }
    }
    let roles = ingest::roles_of(entries.iter().map(|entry| entry.path.as_str()));
    assert!(roles.iter().filter(|(_, filled)| *filled).count() <= entries.len());
    let complaint = listing::complaint(bytes);
    assert!(!complaint.contains(char::is_control) && complaint.chars().count() <= 300);
}

fn images_as_printed(images: &[WimImage]) -> String {
    let mut text = String::new();
    if let Some(image) = images.iter().find(|image| image.boot) {
        put(&mut text, format_args!("Boot Index:     {}", image.index));
    }
    for image in images {
        put(&mut text, format_args!("Index:                  {}", image.index));
        put(&mut text, format_args!("Name:                   {}", image.name));
        if let Some(architecture) = &image.architecture {
            put(&mut text, format_args!("Architecture:           {architecture}"));
        }
    }
    text
}

fn entries_as_printed(entries: &[ArchiveEntry]) -> String {
    let mut text = String::new();
    for entry in entries {
        put(&mut text, format_args!("Full Path           = \"{}\"", entry.path));
        if entry.link {
            put(&mut text, format_args!("    FILE_ATTRIBUTE_REPARSE_POINT is set"));
        }
        put(&mut text, format_args!("\tUnnamed data stream:"));
        put(&mut text, format_args!("Uncompressed size = {} bytes", entry.size));
        put(&mut text, format_args!("Offset in WIM     = {} bytes", entry.offset));
    }
    text
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a string takes everything");
}

/// Any first bytes of a boot program.
pub fn program_header(bytes: &[u8]) {
    let found = Signature::of_headers(bytes);
    if found != Signature::NotAProgram {
        assert!(bytes.starts_with(b"MZ"));
        assert_eq!(Signature::of_headers(&bytes[..bytes.len().min(0x3c)]), Signature::NotAProgram);
    }
}

/// Any INI file of a content library: the same in each encoding.
pub fn library_ini(bytes: &[u8]) {
    let text = ini::decode(bytes);
    let little: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!(ini::decode(&little), text);
    let big: Vec<u8> =
        [0xfe, 0xff].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect();
    assert_eq!(ini::decode(&big), text);

    let packages = ini::keys(&text, "Packages");
    let listed: String = packages.iter().map(|id| format!("{id}\r\n")).collect();
    let again = ini::keys(&format!("[packages]\n{listed}"), "Packages");
    assert!(again.len() <= packages.len(), "lines without a key are no lines any more");
    let hash = ini::value(&text, "File", "Hash");
    if let Some(digest) = hash.and_then(|hash| hash.parse::<Digest>().ok()) {
        assert_eq!(digest.to_string().parse(), Ok(digest));
        let written = format!("[File]\nHash={digest}\nSize=7\n");
        assert_eq!(ini::value(&written, "file", "hash"), Some(digest.to_string()));
    }
}
