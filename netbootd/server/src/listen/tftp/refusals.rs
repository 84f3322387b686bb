//! The words of refusals: TFTP's error for the client, and the client's name for a file as it is
//! shown.

use netbootd_telemetry::event::Refusal;
use tftp::ErrorCode;

/// The error that a client gets for a refusal.
pub(super) fn error_for(refusal: Refusal) -> (ErrorCode, &'static str) {
    match refusal {
        Refusal::NotFound | Refusal::ImageComing | Refusal::ImageRefused => {
            (ErrorCode::FILE_NOT_FOUND, "file not found")
        }
        Refusal::AccessDenied => (ErrorCode::ACCESS_VIOLATION, "access violation"),
        Refusal::WriteRefused => (ErrorCode::ACCESS_VIOLATION, "this server is read-only"),
        Refusal::NotForMachine => (ErrorCode::ACCESS_VIOLATION, "not for this machine"),
        Refusal::Malformed => (ErrorCode::ILLEGAL_OPERATION, "illegal TFTP operation"),
        Refusal::Busy
        | Refusal::ClientFull
        | Refusal::SubnetFull
        | Refusal::Unproved
        | Refusal::TooOften
        | Refusal::NotAllowed => (ErrorCode::UNDEFINED, "too many transfers"),
        Refusal::Failed => (ErrorCode::UNDEFINED, "the file cannot be read"),
        Refusal::Stopping => (ErrorCode::UNDEFINED, "this server is stopping"),
    }
}

/// A client's name for a file, escaped and cut short.
pub(super) fn shown(filename: &[u8]) -> String {
    filename[..filename.len().min(MAX_SHOWN)].escape_ascii().to_string()
}

/// The outcome of transfers that nobody had acknowledged when newer ones needed their places.
pub(super) const EVICTED: &str = "evicted";
/// First acknowledgements that came while the server had no place for another transfer.
pub(super) const DEFERRED: &str = "deferred";
const MAX_SHOWN: usize = 128;
