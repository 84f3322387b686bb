//! Where a Windows boot manager finds its configuration (BCD): option 252, a path in ASCII with a NUL behind it.

use thiserror::Error;

/// The path in an option 252, such as `\SMSTemp\2022.11.14.03.34.58.03.{5391141E-…}.boot.bcd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BcdPath(String);

/// What is wrong with an option 252.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Option252Error {
    /// Nothing is there.
    #[error("option 252 is empty")]
    Empty,
    /// It is no printable ASCII.
    #[error("option 252 holds byte {0:#04x}")]
    NotText(u8),
    /// It leads out of the folders of boot files.
    #[error("option 252 holds a path with \"..\"")]
    LeadsOut,
    /// It does not fit an option.
    #[error("the path has {0} bytes, more than 254")]
    TooLong(usize),
}

impl BcdPath {
    /// Takes a path, with either kind of slash.
    pub fn new(path: &str) -> Result<Self, Option252Error> {
        if path.is_empty() {
            return Err(Option252Error::Empty);
        }
        if path.len() > MAX_LENGTH {
            return Err(Option252Error::TooLong(path.len()));
        }
        if let Some(byte) = path.bytes().find(|byte| !(0x20..0x7f).contains(byte)) {
            return Err(Option252Error::NotText(byte));
        }
        if path.split(['\\', '/']).any(|part| part == "..") {
            return Err(Option252Error::LeadsOut);
        }
        Ok(BcdPath(path.to_owned()))
    }

    /// Reads the value of an option 252, up to its first NUL.
    pub fn parse(value: &[u8]) -> Result<Self, Option252Error> {
        let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
        match text.iter().find(|byte| !byte.is_ascii()) {
            Some(byte) => Err(Option252Error::NotText(*byte)),
            None => BcdPath::new(&String::from_utf8_lossy(text)),
        }
    }

    /// The value of an option 252.
    pub fn emit(&self) -> Vec<u8> {
        self.0.bytes().chain([0]).collect()
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An option holds 255 bytes, one of them the NUL.
const MAX_LENGTH: usize = 254;

#[cfg(test)]
mod tests {
    use super::*;

    /// As a ConfigMgr distribution point sent it (public log of engrit-illinois/Get-MacsFromSmsPxeLog).
    const CAPTURED: &[u8] =
        b"\\SMSTemp\\2022.11.14.03.34.58.03.{5391141E-1089-4A89-AC33-DACA8D9DC578}.boot.bcd\0";

    #[test]
    fn a_captured_path_reads_and_writes_as_it_was() {
        let path = BcdPath::parse(CAPTURED).unwrap();
        assert!(path.as_str().ends_with(".boot.bcd") && !path.as_str().contains('\0'));
        assert_eq!(path.emit(), CAPTURED);
        assert_eq!(BcdPath::parse(b"\\Boot\\BCD\0rest").unwrap().as_str(), "\\Boot\\BCD");
    }

    #[test]
    fn paths_that_lead_out_or_are_no_text_are_refused() {
        let table = [
            (&b""[..], Option252Error::Empty),
            (b"\0", Option252Error::Empty),
            (b"\\SMSTemp\\..\\..\\x", Option252Error::LeadsOut),
            (b"../x", Option252Error::LeadsOut),
            (b"a\nb", Option252Error::NotText(b'\n')),
            (b"a\xffb", Option252Error::NotText(0xff)),
        ];
        for (value, error) in table {
            assert_eq!(BcdPath::parse(value), Err(error), "{value:?}");
        }
        assert_eq!(BcdPath::new(&"a".repeat(255)), Err(Option252Error::TooLong(255)));
    }
}
