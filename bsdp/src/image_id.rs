//! Boot image ids (option 43, sub-options 7, 8 and 9).
//!
//! ```text
//!  bit 31   30..24   23..16     15..0
//! +-------+--------+----------+-------+
//! | inst. |  kind  | reserved | index |
//! +-------+--------+----------+-------+
//! ```

use std::fmt;

/// The 4-byte id of an image in BSDP messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BootImageId {
    /// Whether the image installs a system, rather than running one.
    pub install: bool,
    /// The system that the image boots.
    pub kind: ImageKind,
    /// Its number on this server; 1 to 4095 belong to one server, higher ones are the same image on
    /// several.
    pub index: u16,
    /// Bits 16 to 23, kept as they came.
    pub reserved: u8,
}

/// Which system an image holds; seven bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageKind(u8);

impl ImageKind {
    /// The image boots Mac OS X.
    pub const MAC_OS_X: ImageKind = ImageKind(1);
    /// The image runs hardware diagnostics.
    pub const DIAGNOSTICS: ImageKind = ImageKind(3);

    /// Of a number below 128.
    pub fn new(number: u8) -> Option<Self> {
        (number < 0x80).then_some(ImageKind(number))
    }

    /// The number in BSDP's four bytes.
    pub fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for BootImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.wire()))
    }
}

impl BootImageId {
    /// The upper half, which a client's attributes filter is compared with.
    pub fn attributes(self) -> u16 {
        let [flags, reserved, ..] = self.wire();
        u16::from_be_bytes([flags, reserved])
    }

    /// Whether the same id on another server is another image: each is its own line of the menu.
    pub fn is_local_to_server(self) -> bool {
        self.index < 4096
    }

    /// Of the four bytes on the wire.
    pub fn from_wire(bytes: [u8; 4]) -> Self {
        let [flags, reserved, high, low] = bytes;
        BootImageId {
            install: flags & 0x80 != 0,
            kind: ImageKind(flags & 0x7f),
            index: u16::from_be_bytes([high, low]),
            reserved,
        }
    }

    /// The four bytes on the wire.
    pub fn wire(self) -> [u8; 4] {
        let [high, low] = self.index.to_be_bytes();
        [u8::from(self.install) << 7 | self.kind.0, self.reserved, high, low]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_says_what_it_is() {
        let id = BootImageId::from_wire([0x81, 0, 0x10, 0x07]);
        assert_eq!((id.install, id.kind, id.index), (true, ImageKind::MAC_OS_X, 0x1007));
        assert_eq!(ImageKind::new(0x80), None);
        assert_eq!(ImageKind::new(3), Some(ImageKind::DIAGNOSTICS));
    }

    proptest! {
        #[test]
        fn any_id_comes_back(bytes: [u8; 4]) {
            prop_assert_eq!(BootImageId::from_wire(bytes).wire(), bytes);
        }
    }
}
