//! The stored files that templates ask about.

use crate::files::Files;
use crate::template::Stored;

/// The files as templates see them.
pub(super) struct InTemplates(pub(super) Files);

impl Stored for InTemplates {
    fn exists(&self, path: &str) -> bool {
        self.0.open_raw(path.as_bytes()).is_ok()
    }

    fn first_line(&self, path: &str) -> String {
        let Ok(file) = self.0.open_raw(path.as_bytes()) else { return String::new() };
        let length = usize::try_from(file.len()).unwrap_or(usize::MAX).min(MAX_FIRST_LINE);
        let mut bytes = vec![0; length];
        if file.read_exact_at(0, &mut bytes).is_err() {
            return String::new();
        }
        String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned()
    }
}

/// The kernel's own limit for its arguments is 2 to 4 KiB.
const MAX_FIRST_LINE: usize = 4096;
