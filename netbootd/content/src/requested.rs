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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_parsed_once_and_keeps_what_the_client_sent() {
        let asked = Requested::new(*b"\\Boot\\x64//pxelinux.0\xff");
        let path = asked.path().unwrap();
        assert_eq!(path.components().count(), 3);
        assert!(std::ptr::eq(path, asked.path().unwrap()), "another parse would make another value");
        let (spelled, text) = asked.spelled().unwrap();
        assert_eq!(text, "Boot/x64/pxelinux.0\\xff");
        assert_eq!(spelled.cleaned().unwrap().to_text(), "Boot/x64/pxelinux.0");
        assert_eq!(asked.raw(), b"\\Boot\\x64//pxelinux.0\xff");
    }

    #[test]
    fn what_is_no_path_keeps_its_bytes_for_what_the_client_may_mean() {
        let asked = Requested::new(*b"../secret");
        assert_eq!(asked.path(), Err(PathError::ParentComponent));
        assert!(asked.spelled().is_err());
        assert_eq!(asked.raw(), b"../secret");
    }
}
