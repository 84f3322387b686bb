//! Paths as clients spell them.

use std::fmt;

use thiserror::Error;

/// A path in the boot tree: relative, `/` between its components, none of them empty, `.` or `..`.
///
/// Boot programs of Windows ask for `\boot\x64\wdsnbp.com`, GRUB puts a `/` in front, iPXE does
/// not, and wdsnbp mixes both; all of them mean the same file. Bytes beyond ASCII are kept as they
/// are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BootPath(Vec<u8>);

/// A path as a client sent it, parsed once for all that look it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedPath {
    sent: BootPath,
    cleaned: Option<BootPath>,
}

/// Why bytes are no path in the boot tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PathError {
    /// Nothing is left of it.
    #[error("the path is empty")]
    Empty,
    /// It is longer than any client's.
    #[error("the path has more than {MAX_LENGTH} bytes or {MAX_COMPONENTS} components")]
    TooLong,
    /// It leads out of the tree.
    #[error("the path leads out of the boot tree by \"..\"")]
    ParentComponent,
    /// The path holds a control byte.
    #[error("the path holds the control byte {0:#04x}")]
    ControlByte(u8),
    /// A name that Windows takes for a device; on Windows also a `:`, which it takes for a stream.
    #[error("the path names a device or a stream")]
    DeviceOrStream,
}

impl BootPath {
    /// Reads a requested path up to its first NUL.
    pub fn parse(raw: &[u8]) -> Result<Self, PathError> {
        let raw = raw.split(|byte| *byte == 0).next().unwrap_or(raw);
        if raw.len() > MAX_LENGTH {
            return Err(PathError::TooLong);
        }
        if let Some(control) = raw.iter().find(|byte| **byte < 0x20 || **byte == 0x7f) {
            return Err(PathError::ControlByte(*control));
        }
        let mut components: Vec<&[u8]> = Vec::new();
        for component in raw.split(|byte| matches!(byte, b'/' | b'\\')) {
            match if components.is_empty() { without_drive(component) } else { component } {
                b"" | b"." => {}
                b".." => drop(components.pop().ok_or(PathError::ParentComponent)?),
                name if (cfg!(windows) && name.contains(&b':')) || is_device(name) => {
                    return Err(PathError::DeviceOrStream);
                }
                name => components.push(name),
            }
        }
        match components.len() {
            0 => Err(PathError::Empty),
            1..=MAX_COMPONENTS => Ok(BootPath(components.join(&b'/'))),
            _ => Err(PathError::TooLong),
        }
    }

    /// The same without rubbish at its end: some ROMs run past the file name into the next option
    /// (`name\xff`). None when there is none.
    fn without_trailing_rubbish(raw: &[u8]) -> Option<Self> {
        let raw = raw.split(|byte| *byte == 0).next().unwrap_or(raw);
        let rubbish = |byte: &u8| *byte >= 0x80 || *byte < 0x20;
        let kept = raw.len() - raw.iter().rev().take_while(|byte| rubbish(byte)).count();
        if kept == raw.len() {
            return None;
        }
        BootPath::parse(&raw[..kept]).ok()
    }

    /// The path as text: as it is when it is UTF-8, with escapes where it is not.
    pub fn to_text(&self) -> String {
        std::str::from_utf8(&self.0).map_or_else(|_| self.to_string(), str::to_owned)
    }

    /// The path's bytes, with `/` between its components.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The names of folders and file, in order.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/')
    }
}

impl RequestedPath {
    /// Reads a requested path up to its first NUL.
    pub fn parse(raw: &[u8]) -> Result<Self, PathError> {
        let sent = BootPath::parse(raw)?;
        Ok(RequestedPath { sent, cleaned: BootPath::without_trailing_rubbish(raw) })
    }

    /// The path as it was sent.
    pub fn as_sent(&self) -> &BootPath {
        &self.sent
    }

    /// The path without the rubbish at its end, when it has some: to be tried only when the path as
    /// sent is not there.
    pub fn cleaned(&self) -> Option<&BootPath> {
        self.cleaned.as_ref()
    }
}

impl fmt::Display for BootPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// A path's first component without `C:` before it.
fn without_drive(mut component: &[u8]) -> &[u8] {
    while let [drive, b':', rest @ ..] = component
        && drive.is_ascii_alphabetic()
    {
        component = rest;
    }
    component
}

/// The names that Windows never takes for files, whatever their extension.
fn is_device(component: &[u8]) -> bool {
    let stem = component.split(|byte| *byte == b'.').next().unwrap_or(component).to_ascii_uppercase();
    match stem.as_slice() {
        b"CON" | b"PRN" | b"AUX" | b"NUL" => true,
        [b'C', b'O', b'M', digit] | [b'L', b'P', b'T', digit] => matches!(digit, b'1'..=b'9'),
        _ => false,
    }
}

/// A TFTP request has 512 bytes at most; HTTP clients are held to the same.
const MAX_LENGTH: usize = 512;
const MAX_COMPONENTS: usize = 32;

#[cfg(test)]
mod tests;
