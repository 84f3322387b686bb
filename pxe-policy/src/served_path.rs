//! A path that one boot server names to a client: the boot file, and what options 243 and 252 hold.

use thiserror::Error;

/// A path such as `\SMSTemp\2022.11.14.03.34.58.03.{5391141E-…}.boot.bcd`: printable ASCII, with
/// either kind of slash, and never out of the folders of boot files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedPath(String);

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ServedPathError {
    /// The path holds no byte.
    #[error("the path is empty")]
    Empty,
    /// It is no printable ASCII.
    #[error("the path holds byte {0:#04x}")]
    NotText(u8),
    /// It leads out of the folders of boot files.
    #[error("the path holds \"..\"")]
    LeadsOut,
    /// It does not fit an option.
    #[error("the path has {0} bytes, more than 254")]
    TooLong(usize),
}

impl ServedPath {
    /// Takes a path up to its first NUL.
    pub fn new(path: &[u8]) -> Result<Self, ServedPathError> {
        let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
        if path.is_empty() {
            return Err(ServedPathError::Empty);
        }
        if path.len() > MAX_LENGTH {
            return Err(ServedPathError::TooLong(path.len()));
        }
        if let Some(byte) = path.iter().find(|byte| !(0x20..0x7f).contains(*byte)) {
            return Err(ServedPathError::NotText(*byte));
        }
        if path.split(|byte| matches!(byte, b'\\' | b'/')).any(|part| part == b"..") {
            return Err(ServedPathError::LeadsOut);
        }
        Ok(ServedPath(String::from_utf8_lossy(path).into_owned()))
    }

    /// As it was named.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its parts, without the slashes.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split(['\\', '/']).filter(|part| !part.is_empty() && *part != ".")
    }
}

/// An option holds 255 bytes, one of them the NUL.
const MAX_LENGTH: usize = 254;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_out_or_are_no_text_are_refused() {
        let table = [
            (&b""[..], ServedPathError::Empty),
            (b"\0", ServedPathError::Empty),
            (b"\\SMSTemp\\..\\..\\x", ServedPathError::LeadsOut),
            (b"../x", ServedPathError::LeadsOut),
            (b"a\nb", ServedPathError::NotText(b'\n')),
            (b"a\xffb", ServedPathError::NotText(0xff)),
        ];
        for (value, error) in table {
            assert_eq!(ServedPath::new(value), Err(error), "{value:?}");
        }
        assert_eq!(ServedPath::new(&[b'a'; 255]), Err(ServedPathError::TooLong(255)));
    }

    #[test]
    fn parts_are_the_same_with_either_slash() {
        let parts =
            |path: &[u8]| ServedPath::new(path).unwrap().parts().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(parts(b"\\SMSBoot\\x64\\a.com"), ["SMSBoot", "x64", "a.com"]);
        assert_eq!(parts(b"SMSBoot/./x64//a.com\0rest"), ["SMSBoot", "x64", "a.com"]);
    }
}
