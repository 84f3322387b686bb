//! Why a request for a file is refused, by TFTP and HTTP alike.

use imagestore::ReadError;
use netbootd_content::Refused;
use netbootd_telemetry::event::{Refusal, SharedError};
use thiserror::Error;
use tokio::task::JoinError;

use crate::limits::session_limits::Full;

/// Why a request for a file is refused.
#[derive(Debug, Error)]
pub(super) enum RequestError {
    /// netbootd ends, so nothing new begins.
    #[error("netbootd ends")]
    Stopping,
    /// HTTP: the path is not percent-encoded as RFC 3986 has it.
    #[error("a % without two hex digits")]
    PercentEncoding,
    /// TFTP: the mode is unknown.
    #[error("the mode is neither octet nor netascii")]
    Mode,
    /// TFTP: other transfers took the last places while this one began.
    #[error("its places were taken while it began")]
    PlacesTaken(Full),
    /// TFTP: netascii is for texts.
    #[error("a file of {0} bytes is too large for netascii, ask for octet")]
    TooLargeForNetascii(u64),
    /// TFTP: a file in netascii is translated in memory, which is bounded.
    #[error("other files that are translated fill the memory for it")]
    TranslationFull,
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file may not be had.
    #[error(transparent)]
    Content(#[from] Refused),
    /// The thread that opened the file panicked.
    #[error(transparent)]
    Broken(#[from] JoinError),
}

impl RequestError {
    /// The kind, which decides what the client receives.
    pub(super) fn refusal(&self) -> Refusal {
        match self {
            RequestError::Stopping => Refusal::Stopping,
            RequestError::PercentEncoding | RequestError::Mode => Refusal::Malformed,
            RequestError::PlacesTaken(full) => Refusal::from(*full),
            RequestError::TranslationFull => Refusal::Busy,
            RequestError::TooLargeForNetascii(_) | RequestError::Read(_) | RequestError::Broken(_) => {
                Refusal::Failed
            }
            RequestError::Content(refused) => refused.refusal(),
        }
    }

    /// As events carry it.
    pub(super) fn shared(self) -> SharedError {
        SharedError::new(self)
    }
}
