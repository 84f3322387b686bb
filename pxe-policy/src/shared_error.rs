//! The error that an event or a piece of evidence carries.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// An error that the log, the page and the diagnosis share. Its words are made where they are
/// shown; two are equal when they read the same.
#[derive(Clone)]
pub struct SharedError(Arc<dyn Error + Send + Sync>);

impl SharedError {
    /// Shares an error of any layer.
    pub fn new(error: impl Error + Send + Sync + 'static) -> Self {
        SharedError(Arc::new(error))
    }

    /// Shares an error that another holder has.
    pub fn from_arc(error: Arc<dyn Error + Send + Sync>) -> Self {
        SharedError(error)
    }

    /// The error itself, when it is of this type.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Error for SharedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl PartialEq for SharedError {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.to_string() == other.to_string()
    }
}

impl Eq for SharedError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ServedPathError;

    #[test]
    fn a_shared_error_keeps_its_words_and_its_type() {
        let error = SharedError::new(ServedPathError::LeadsOut);
        assert_eq!(error.to_string(), ServedPathError::LeadsOut.to_string());
        assert_eq!(error.downcast_ref(), Some(&ServedPathError::LeadsOut));
        assert_eq!(error, SharedError::new(ServedPathError::LeadsOut));
        assert_ne!(error, SharedError::new(ServedPathError::Empty));
    }
}
