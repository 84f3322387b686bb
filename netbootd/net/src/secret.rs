//! Passwords and tokens, which no log prints.

use std::fmt;
use std::path::PathBuf;

/// Text that is shown nowhere: it prints as `***`, and cannot be serialized.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    text: String,
    file: Option<PathBuf>,
}

impl Secret {
    /// Keeps a text that nothing prints.
    pub fn new(text: impl Into<String>) -> Self {
        Secret { text: text.into(), file: None }
    }

    /// With the file that it was read from.
    #[must_use]
    pub fn read_from(self, file: PathBuf) -> Self {
        Secret { file: Some(file), ..self }
    }

    /// The file that it was read from.
    pub fn file(&self) -> Option<&PathBuf> {
        self.file.as_ref()
    }

    /// The text, for whom it is meant.
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
