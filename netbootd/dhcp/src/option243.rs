//! Where ConfigMgr put a machine's variables file: option 243, tag, length, value, without an end
//! byte.
//!
//! Tag 1 is the path. Tag 2 stands before it where the distribution point has no password for PXE:
//! a secret that opens the file, wrapped in a way that anybody can unwrap. It is passed on and
//! never read here.

use std::fmt;

use pxe_policy::{ServedPath, ServedPathError};
use thiserror::Error;

use crate::tlv::{self, Truncated};

/// An option 243 in the order of the wire.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct VariablesFile(pub Vec<(u8, Vec<u8>)>);

/// Why an option 243 is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Option243Error {
    /// The option holds no byte.
    #[error("option 243 is empty")]
    Empty,
    /// A length goes beyond the end.
    #[error("option 243: tag {tag} claims {need} bytes, {have} are left")]
    Truncated {
        /// The tag that is cut.
        tag: u8,
        /// Bytes that its length byte claims.
        need: usize,
        /// Bytes that are left of the option.
        have: usize,
    },
    /// On emitting: a value is longer than its length byte can say.
    #[error("option 243: the value of tag {tag} has {have} bytes, more than 255")]
    TooLong {
        /// The tag whose value is too long.
        tag: u8,
        /// The bytes that are there.
        have: usize,
    },
}

impl VariablesFile {
    /// Reads the value of an option 243.
    pub fn parse(mut rest: &[u8]) -> Result<Self, Option243Error> {
        let mut items = Vec::new();
        while let [tag, after @ ..] = rest {
            let (value, after) = tlv::value(*tag, after)
                .map_err(|Truncated { tag, need, have }| Option243Error::Truncated { tag, need, have })?;
            items.push((*tag, value.to_vec()));
            rest = after;
        }
        if items.is_empty() { Err(Option243Error::Empty) } else { Ok(VariablesFile(items)) }
    }

    /// The value of an option 243.
    pub fn emit(&self) -> Result<Vec<u8>, Option243Error> {
        let mut bytes = Vec::new();
        for (tag, value) in &self.0 {
            tlv::put(&mut bytes, *tag, value).map_err(|have| Option243Error::TooLong { tag: *tag, have })?;
        }
        Ok(bytes)
    }

    /// The path of the variables file, when one is named.
    pub fn path(&self) -> Option<Result<ServedPath, ServedPathError>> {
        let (_, path) = self.0.iter().find(|(tag, _)| *tag == PATH)?;
        Some(ServedPath::new(path))
    }

    /// Whether it hands out the secret that opens the file.
    pub fn has_secret(&self) -> bool {
        self.0.iter().any(|(tag, _)| *tag == SECRET)
    }
}

/// Without the secret: what is printed for somebody ends in a log.
impl fmt::Debug for VariablesFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for (tag, value) in &self.0 {
            match *tag {
                PATH => list.entry(&(tag, value.escape_ascii().to_string())),
                _ => list.entry(&(tag, format_args!("*** ({} bytes)", value.len()))),
            };
        }
        list.finish()
    }
}

const PATH: u8 = 1;
const SECRET: u8 = 2;
