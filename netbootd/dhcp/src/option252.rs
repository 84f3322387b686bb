//! Where a Windows boot manager finds its configuration (BCD): option 252, a path in ASCII with a
//! NUL behind it.

use pxe_policy::{ServedPath, ServedPathError};

/// Reads the value of an option 252, up to its first NUL.
pub fn parse(value: &[u8]) -> Result<ServedPath, ServedPathError> {
    ServedPath::new(value)
}

/// The value of an option 252.
pub fn emit(path: &ServedPath) -> Vec<u8> {
    path.as_str().bytes().chain([0]).collect()
}
