//! SMBIOS system UUIDs and their two byte orders.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A machine's SMBIOS UUID, as option 97 carries it (RFC 4578 §2.3): the first three fields
/// little-endian.
///
/// The text form, which wmic, dmidecode, ConfigMgr and smspxe.log print, has those three fields
/// byte-swapped. By hand: of the uuid crate only hyphens would be used, since both byte orders, the
/// comparison in either one and the placeholders are this type's own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SystemUuid([u8; 16]);

/// Text that is no UUID.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a UUID: 32 hex digits, as in 00112233-4455-6677-8899-aabbccddeeff, were expected")]
pub struct InvalidUuid(pub String);

impl SystemUuid {
    /// From the 16 bytes behind the type byte of option 97.
    pub const fn from_wire(bytes: [u8; 16]) -> Self {
        SystemUuid(bytes)
    }

    /// From bytes in network order, as RFC 4122 prints them.
    pub fn from_network_order(bytes: [u8; 16]) -> Self {
        SystemUuid(SystemUuid(bytes).swapped())
    }

    /// From the whole value of option 97: a type byte of 0 and 16 bytes. Anything else is no usable
    /// UUID.
    pub fn from_option(value: &[u8]) -> Option<Self> {
        match value {
            [0, uuid @ ..] => uuid.try_into().ok().map(SystemUuid),
            _ => None,
        }
    }

    /// The 16 bytes in wire order.
    pub fn wire(self) -> [u8; 16] {
        self.0
    }

    /// The wire bytes written as they come: what PXELINUX asks for under `pxelinux.cfg/`.
    pub fn wire_order_text(self) -> String {
        hyphenate(self.0)
    }

    /// Whether firmware is known to send this value from many machines: it tells nothing about
    /// which one.
    pub fn is_placeholder(self) -> bool {
        /// The GUID of AMI firmware whose field no board vendor filled, in wire order.
        const AMI: [u8; 16] = [0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8, 0, 9];
        let first = self.0[0];
        let uniform = self.0.iter().all(|byte| *byte == first);
        (uniform && matches!(first, 0x00 | 0xfe | 0xff)) || self.0 == AMI
    }

    /// The same bytes for a value and for the one with its first three fields swapped, as some
    /// firmware sends it.
    pub fn in_either_order(self) -> [u8; 16] {
        self.0.min(self.swapped())
    }

    fn swapped(self) -> [u8; 16] {
        let mut bytes = self.0;
        bytes[0..4].reverse();
        bytes[4..6].reverse();
        bytes[6..8].reverse();
        bytes
    }
}

impl fmt::Display for SystemUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hyphenate(self.swapped()))
    }
}

impl fmt::Debug for SystemUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SystemUuid {
    type Err = InvalidUuid;

    /// Takes the text form, with or without hyphens and braces, in any case.
    fn from_str(text: &str) -> Result<Self, InvalidUuid> {
        let invalid = || InvalidUuid(text.chars().take(60).collect());
        let bare = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
        let groups: Vec<&str> = bare.split('-').collect();
        let regular = match groups.as_slice() {
            [whole] => whole.len() == 32,
            [a, b, c, d, e] => [a.len(), b.len(), c.len(), d.len(), e.len()] == [8, 4, 4, 4, 12],
            _ => false,
        };
        let digits = groups.concat();
        if !regular || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        let value = u128::from_str_radix(&digits, 16).map_err(|_| invalid())?;
        Ok(SystemUuid::from_network_order(value.to_be_bytes()))
    }
}

fn hyphenate(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIRE: [u8; 16] =
        [0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];

    #[test]
    fn text_swaps_the_first_three_fields() {
        let uuid = SystemUuid::from_wire(WIRE);
        assert_eq!(uuid.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(uuid.wire_order_text(), "33221100-5544-7766-8899-aabbccddeeff");
        for text in [
            "00112233-4455-6677-8899-aabbccddeeff",
            "{00112233-4455-6677-8899-AABBCCDDEEFF}",
            "00112233445566778899aabbccddeeff",
        ] {
            assert_eq!(text.parse(), Ok(uuid), "{text}");
        }
    }

    #[test]
    fn only_type_zero_with_sixteen_bytes_is_a_uuid() {
        let mut value = vec![0];
        value.extend(WIRE);
        assert_eq!(SystemUuid::from_option(&value), Some(SystemUuid::from_wire(WIRE)));
        assert_eq!(SystemUuid::from_option(&value[..16]), None);
        value[0] = 1;
        assert_eq!(SystemUuid::from_option(&value), None);
        assert_eq!(SystemUuid::from_option(&[]), None);
    }

    #[test]
    fn values_that_many_machines_share_are_placeholders() {
        for text in [
            "03000200-0400-0500-0006-000700080009",
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "FEFEFEFE-FEFE-FEFE-FEFE-FEFEFEFEFEFE",
        ] {
            assert!(text.parse::<SystemUuid>().unwrap().is_placeholder(), "{text}");
        }
        assert!(!SystemUuid::from_wire(WIRE).is_placeholder());
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "0011",
            "00112233-4455-6677-8899-aabbccddeefg",
            "0011-22334455-6677-8899-aabbccddeeff",
            "+0112233445566778899aabbccddeeff",
        ] {
            assert!(text.parse::<SystemUuid>().is_err(), "{text}");
        }
    }
}
