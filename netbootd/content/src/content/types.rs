//! The types that files have for HTTP.

/// UEFI firmware goes by type or extension and refuses what has neither; see EDK2's HttpBootDxe.
pub(super) fn type_of(path: &str) -> &'static str {
    let extension = path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref() {
        Some("efi") => PROGRAM,
        Some("iso") => "application/vnd.efi-iso",
        Some("img") => "application/vnd.efi-img",
        Some("ipxe" | "cfg" | "txt") => TEXT,
        _ => UNKNOWN,
    }
}

pub(super) const PROGRAM: &str = "application/efi";
pub(super) const UNKNOWN: &str = "application/octet-stream";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
