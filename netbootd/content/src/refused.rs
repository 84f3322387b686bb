//! Why a file is not given.

use netbootd_telemetry::event::Refusal;
use thiserror::Error;

/// Why a client may not have a file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{detail}")]
pub struct Refused {
    /// The kind.
    pub refusal: Refusal,
    /// The words, for the record; a client is told less.
    pub detail: String,
}
