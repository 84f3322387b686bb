//! Why one of the responder's files does not come.

use std::io;
use std::sync::Arc;

use netbootd_telemetry::event::Refusal;
use tftp::ErrorCode;
use thiserror::Error;

use crate::fetch::FetchError;

/// Why one of the responder's files does not come.
#[derive(Debug, Clone, Error)]
pub enum ResponderError {
    /// The cache holds as many files as it may.
    #[error("{0} files have come through lately")]
    TooManyFiles(usize),
    /// The cache has no room, and every file in it is in use.
    #[error("no room for {size} bytes: {taken} of {limit} are coming in or being read")]
    NoRoom {
        /// Bytes of the file.
        size: u64,
        /// Bytes of the files in use.
        taken: u64,
        /// Bytes that the cache may have.
        limit: u64,
    },
    /// The path does not fit a read request.
    #[error("{0} is too long for a TFTP request")]
    PathTooLong(String),
    /// The responder's name leads nowhere.
    #[error(transparent)]
    Address(Arc<NoAddress>),
    /// The TFTP transfer failed.
    #[error(transparent)]
    Fetch(Arc<FetchError>),
    /// The responder did not answer in time.
    #[error("{0} did not begin to send")]
    Silent(String),
    /// The transfer ended without a byte.
    #[error("nothing came")]
    Nothing,
}

impl ResponderError {
    /// The kind. A file that the responder lacks is one that this server lacks too: clients look
    /// for optional files.
    pub fn refusal(&self) -> Refusal {
        match self {
            ResponderError::TooManyFiles(_) | ResponderError::NoRoom { .. } => Refusal::Busy,
            ResponderError::Fetch(error) => match **error {
                FetchError::Refused { code: ErrorCode::FILE_NOT_FOUND, .. } => Refusal::NotFound,
                _ => Refusal::Failed,
            },
            ResponderError::PathTooLong(_)
            | ResponderError::Address(_)
            | ResponderError::Silent(_)
            | ResponderError::Nothing => Refusal::Failed,
        }
    }
}

impl From<NoAddress> for ResponderError {
    fn from(error: NoAddress) -> Self {
        ResponderError::Address(Arc::new(error))
    }
}

impl From<FetchError> for ResponderError {
    fn from(error: FetchError) -> Self {
        ResponderError::Fetch(Arc::new(error))
    }
}

/// Why the responder's name leads nowhere.
#[derive(Debug, Error)]
pub enum NoAddress {
    /// The resolver refuses or does not answer.
    #[error("{name}: {error}")]
    Lookup {
        /// The name in the configuration.
        name: String,
        /// The error of the resolver.
        error: io::Error,
    },
    /// It has addresses of IPv6 only; ConfigMgr's responder speaks IPv4.
    #[error("{name} has no IPv4 address")]
    NoIpv4 {
        /// The name in the configuration.
        name: String,
    },
}
