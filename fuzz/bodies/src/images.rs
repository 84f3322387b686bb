//! The inputs from images: a reader's listings, programs' headers, and the INI files of a content
//! library.

use boot_program::{Program, Revocations};
use imagestore::library::ini;
use imagestore::wim::listing;
use imagestore::{BootPath, Digest, Signature, ingest};

/// Any answer of a reader that has been taken over.
pub fn wim_listing(bytes: &[u8]) {
    let complaint = listing::complaint(bytes).unwrap_or_default();
    assert!(!complaint.contains(char::is_control) && complaint.chars().count() <= 300);
    let mut rest = bytes;
    let Ok((images, entries)) = listing::read(&mut rest) else { return };
    assert!(images.len() + entries.len() <= bytes.len() / 5);
    let frames = bytes.len() - rest.len();
    assert_eq!(listing::read(&mut &bytes[..frames]).ok(), Some((images, entries.clone())));
    for entry in &entries {
        assert!(entry.exact.is_none() || entry.path.contains('\u{fffd}'));
        if let Ok(path) = BootPath::parse(entry.path.as_bytes()) {
            assert!(path.components().all(|part| part != b".."));
        }
    }
    let roles = ingest::roles_of(entries.iter().map(|entry| entry.path.as_str()));
    assert!(roles.iter().filter(|(_, filled)| *filled).count() <= entries.len());
}

/// Any first bytes of a boot program.
pub fn program_header(bytes: &[u8]) {
    let found = Signature::of_headers(bytes);
    if found != Signature::NotAProgram {
        assert!(bytes.starts_with(b"MZ"));
        assert_eq!(Signature::of_headers(&bytes[..bytes.len().min(0x3c)]), Signature::NotAProgram);
    }
}

/// Any boot program, signature or list of revocations.
pub fn boot_program(bytes: &[u8]) {
    let revocations = Revocations::read(bytes).unwrap_or_else(|_| Revocations::bundled());
    if let Ok(program) = Program::read(bytes) {
        assert!(program.signatures.len() <= Program::MAX_SIGNATURES);
        let _ = revocations.check("bootmgfw.efi", &program);
    }
    if let Ok(signature) = boot_program::Signature::read(bytes) {
        assert!(!signature.authorities.is_empty());
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
