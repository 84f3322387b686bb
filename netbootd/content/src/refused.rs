//! Why a file is not given.

use netbootd_telemetry::event::Refusal;
use thiserror::Error;

/// Why a client may not have a file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{detail}")]
pub struct Refused {
    /// The kind.
    pub refusal: Refusal,
    /// Details for the log; the client receives less.
    pub detail: String,
}
