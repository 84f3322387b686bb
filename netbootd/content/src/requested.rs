//! The path of one request.

use std::sync::OnceLock;

use imagestore::{BootPath, OpenError, PathError, RequestedPath};

/// The path that a client asks for. It is parsed once, when it is first needed, and travels from
/// the listener to the file.
#[derive(Debug)]
pub struct Requested {
    raw: Box<[u8]>,
    parsed: OnceLock<Result<Parsed, PathError>>,
}

#[derive(Debug)]
struct Parsed {
    path: RequestedPath,
    text: String,
}

impl Requested {
    /// The path as the packet, or the decoded URL, has it.
    pub fn new(raw: impl Into<Box<[u8]>>) -> Self {
        Requested { raw: raw.into(), parsed: OnceLock::new() }
    }

    /// Its bytes as the client sent them.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The path in the boot tree.
    pub fn path(&self) -> Result<&BootPath, PathError> {
        self.parsed().map(|parsed| parsed.path.as_sent())
    }

    /// The path with its spellings, and as text.
    pub(crate) fn spelled(&self) -> Result<(&RequestedPath, &str), OpenError> {
        let parsed = self.parsed().map_err(OpenError::Path)?;
        Ok((&parsed.path, &parsed.text))
    }

    fn parsed(&self) -> Result<&Parsed, PathError> {
        let parsed = self.parsed.get_or_init(|| {
            let path = RequestedPath::parse(&self.raw)?;
            let text = path.as_sent().to_text();
            Ok(Parsed { path, text })
        });
        parsed.as_ref().map_err(|error| *error)
    }
}
