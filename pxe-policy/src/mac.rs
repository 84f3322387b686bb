//! Ethernet addresses.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A 48-bit Ethernet address, as in the first six bytes of `chaddr` (RFC 2131 §2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr(pub [u8; 6]);

/// Text that is no Ethernet address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a MAC address: six hex pairs such as 52:54:00:12:34:56 were expected")]
pub struct InvalidMac(pub String);

impl MacAddr {
    /// The octets in wire order.
    pub fn octets(self) -> [u8; 6] {
        self.0
    }

    /// Whether it is of Raspberry Pi Ltd or the Foundation (IEEE MA-L registry).
    pub fn is_raspberry_pi(self) -> bool {
        RASPBERRY_PI.contains(&[self.0[0], self.0[1], self.0[2]])
    }
}

const RASPBERRY_PI: [[u8; 3]; 6] = [
    [0xb8, 0x27, 0xeb],
    [0xdc, 0xa6, 0x32],
    [0xe4, 0x5f, 0x01],
    [0xd8, 0x3a, 0xdd],
    [0x2c, 0xcf, 0x67],
    [0x28, 0xcd, 0xc1],
];

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, octet) in self.0.iter().enumerate() {
            let separator = if index > 0 { ":" } else { "" };
            write!(f, "{separator}{octet:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MacAddr {
    type Err = InvalidMac;

    /// Takes `52:54:00:12:34:56`, `52-54-00-12-34-56`, `5254.0012.3456` and `525400123456`, in any case.
    fn from_str(text: &str) -> Result<Self, InvalidMac> {
        let invalid = || InvalidMac(text.chars().take(40).collect());
        let groups: Vec<&str> = text.split([':', '-', '.']).collect();
        let width = 12 / groups.len().max(1);
        let regular = matches!(groups.len(), 1 | 3 | 6) && groups.iter().all(|group| group.len() == width);
        let digits: String = groups.concat();
        if !regular || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        let value = u64::from_str_radix(&digits, 16).map_err(|_| invalid())?;
        let [_, _, a, b, c, d, e, f] = value.to_be_bytes();
        Ok(MacAddr([a, b, c, d, e, f]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_spelling_is_one_address() {
        let expected = MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0xab]);
        for text in ["52:54:00:12:34:ab", "52-54-00-12-34-AB", "5254.0012.34ab", "5254001234Ab"] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        assert_eq!(expected.to_string(), "52:54:00:12:34:ab");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "52:54:00:12:34",
            "52:54:00:12:34:zz",
            "52:54:00:12:34:5",
            "+25400123456",
            "5:2540012:3456",
            "é",
            "52:54:00:12:34:56:78",
        ] {
            assert!(text.parse::<MacAddr>().is_err(), "{text}");
        }
    }
}
