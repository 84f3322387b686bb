//! Why a file is not given.

use std::sync::Arc;

use imagestore::{OpenError, PathError, ReadError};
use netbootd_telemetry::event::Refusal;
use thiserror::Error;

use crate::relay::ResponderError;

/// Why a client may not have a file: for the log and the page; the client receives less.
#[derive(Debug, Clone, Error)]
pub enum Refused {
    /// Neither the boot folder nor the image store gives it.
    #[error(transparent)]
    Open(Arc<OpenError>),
    /// It was opened and cannot be read.
    #[error(transparent)]
    Read(Arc<ReadError>),
    /// Its template cannot be rendered for the machine.
    #[error("the template fails: {0}")]
    Template(Arc<minijinja::Error>),
    /// Its answer file cannot be rendered for the machine.
    #[error("the answer file fails: {0}")]
    AnswerFile(Arc<minijinja::Error>),
    /// The image is there, the file is not in it.
    #[error("the image {0} has no such file")]
    NotInImage(String),
    /// The boot menu offers no such image.
    #[error("no such image in the menu")]
    NotInMenu,
    /// Its image is being imported.
    #[error("{origin} is being imported: {bytes} of {total} bytes")]
    Importing {
        /// Where the image comes from: a path, or a content id.
        origin: String,
        /// Bytes that are read already.
        bytes: u64,
        /// Bytes to be read, as far as is known.
        total: u64,
    },
    /// The import of its image failed. The store keeps the words, also over a restart.
    #[error("{origin} was not imported: {why}")]
    NotImported {
        /// Where the image comes from: a path, or a content id.
        origin: String,
        /// Why the import failed.
        why: String,
    },
    /// The secret of boot media, for a machine that must not have it.
    #[error("the variables of the boot media {image} are not given: {why}")]
    NotForMachine {
        /// The name of the image.
        image: String,
        /// The reason of the refusal.
        why: NotForMachine,
    },
    /// The distribution point's responder does not give it.
    #[error(transparent)]
    Responder(#[from] ResponderError),
}

/// Why a machine does not get the variables of boot media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotForMachine {
    /// The media asks for no password.
    #[error(
        "the media has no password, so anybody can open them; boot-media.allow-without-password allows it"
    )]
    NoPassword,
    /// The address is not that of the machine that the path was made for.
    #[error("another address asks than the machine's")]
    OtherMachine,
    /// Policy boots the machine from something else.
    #[error("no policy boots this machine from it")]
    OtherImage,
    /// The image was made when such files were part of it.
    #[error("an earlier version imported the media whole; import the ISO again, and remove the old version")]
    FormerImport,
    /// The image came from another server: the variables stay where they were imported.
    #[error("they are kept on the server that imported the ISO; import it here as well")]
    NotHere,
}

impl Refused {
    /// The kind, which decides what the client receives.
    pub fn refusal(&self) -> Refusal {
        match self {
            Refused::Open(error) => match **error {
                OpenError::NotFound | OpenError::NotAFile | OpenError::Removed => Refusal::NotFound,
                OpenError::Path(PathError::Empty) => Refusal::NotFound,
                OpenError::Path(_) | OpenError::OutsideTree | OpenError::Permission => Refusal::AccessDenied,
                OpenError::Io(_) | OpenError::Withdrawn | OpenError::BeingWritten | OpenError::Replaced => {
                    Refusal::Failed
                }
            },
            Refused::Read(_) | Refused::Template(_) | Refused::AnswerFile(_) => Refusal::Failed,
            Refused::NotInImage(_) | Refused::NotInMenu => Refusal::NotFound,
            Refused::NotForMachine { .. } => Refusal::NotForMachine,
            Refused::Importing { .. } => Refusal::ImageComing,
            Refused::NotImported { .. } => Refusal::ImageRefused,
            Refused::Responder(error) => error.refusal(),
        }
    }
}

impl From<OpenError> for Refused {
    fn from(error: OpenError) -> Self {
        Refused::Open(Arc::new(error))
    }
}

impl From<ReadError> for Refused {
    fn from(error: ReadError) -> Self {
        Refused::Read(Arc::new(error))
    }
}
