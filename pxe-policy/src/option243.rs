//! Where ConfigMgr put a machine's variables file: option 243.
//!
//! Type 1 is a path of its own (the file is protected by a password); other types are kept as bytes.

use thiserror::Error;

/// The value of an option 243.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariablesFile {
    /// Type 1: the path, up to 255 bytes.
    Path(Vec<u8>),
    /// Another type, with what follows it.
    Other {
        /// The type.
        kind: u8,
        /// The rest.
        value: Vec<u8>,
    },
}

/// What is wrong with an option 243.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Option243Error {
    /// Nothing is there.
    #[error("option 243 is empty")]
    Empty,
    /// The path's length is not the one that is said.
    #[error("the path claims {need} bytes, {have} are there")]
    Length {
        /// Bytes claimed.
        need: usize,
        /// Bytes there.
        have: usize,
    },
}

impl VariablesFile {
    /// Reads the value of an option 243.
    pub fn parse(value: &[u8]) -> Result<Self, Option243Error> {
        match value {
            [] => Err(Option243Error::Empty),
            [PATH, length, path @ ..] if path.len() == usize::from(*length) => {
                Ok(VariablesFile::Path(path.to_vec()))
            }
            [PATH, length, path @ ..] => {
                Err(Option243Error::Length { need: usize::from(*length), have: path.len() })
            }
            [PATH] => Err(Option243Error::Length { need: 1, have: 0 }),
            [kind, rest @ ..] => Ok(VariablesFile::Other { kind: *kind, value: rest.to_vec() }),
        }
    }

    /// The value of an option 243; None for a path over 255 bytes.
    pub fn emit(&self) -> Option<Vec<u8>> {
        match self {
            VariablesFile::Path(path) => {
                let length = u8::try_from(path.len()).ok()?;
                Some([&[PATH, length], path.as_slice()].concat())
            }
            VariablesFile::Other { kind, value } => Some([&[*kind], value.as_slice()].concat()),
        }
    }
}

const PATH: u8 = 1;
