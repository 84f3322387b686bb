//! Hardware addresses of Ethernet, and patterns of them.

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

/// Hardware addresses: one, or all that begin with some bytes (`52:54:00:*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MacPattern {
    mac: MacAddr,
    /// How many bytes of it count.
    bytes: usize,
}

/// Text that is neither an Ethernet address nor the beginning of one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is neither a MAC address nor the beginning of one: 52:54:00:12:34:56 or 52:54:00:* was expected"
)]
pub struct InvalidMacPattern(pub String);

impl MacPattern {
    /// Whether an address is one of these.
    pub fn fits(&self, mac: MacAddr) -> bool {
        mac.0[..self.bytes] == self.mac.0[..self.bytes]
    }
}

impl From<MacAddr> for MacPattern {
    fn from(mac: MacAddr) -> Self {
        MacPattern { mac, bytes: 6 }
    }
}

impl FromStr for MacPattern {
    type Err = InvalidMacPattern;

    /// Takes an address in any form, and one to five bytes with `:*` behind them.
    fn from_str(text: &str) -> Result<Self, InvalidMacPattern> {
        if let Ok(mac) = text.parse::<MacAddr>() {
            return Ok(mac.into());
        }
        let invalid = || InvalidMacPattern(text.chars().take(40).collect());
        let begin = text.strip_suffix('*').ok_or_else(invalid)?;
        let groups: Vec<&str> = begin.trim_end_matches([':', '-']).split([':', '-']).collect();
        let is_byte = |group: &&str| group.len() == 2 && group.bytes().all(|byte| byte.is_ascii_hexdigit());
        if groups.len() > 5 || !groups.iter().all(is_byte) {
            return Err(invalid());
        }
        let mut octets = [0; 6];
        for (octet, group) in octets.iter_mut().zip(&groups) {
            *octet = u8::from_str_radix(group, 16).map_err(|_| invalid())?;
        }
        Ok(MacPattern { mac: MacAddr(octets), bytes: groups.len() })
    }
}

impl fmt::Display for MacPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.mac.to_string();
        match self.bytes {
            6 => f.write_str(&text),
            bytes => write!(f, "{}*", &text[..bytes * 3]),
        }
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

    /// Takes `52:54:00:12:34:56`, `52-54-00-12-34-56`, `5254.0012.3456` and `525400123456`, in any
    /// case.
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
    fn a_pattern_is_an_address_or_its_first_bytes() {
        let mac: MacAddr = "52:54:00:12:34:56".parse().unwrap();
        let table = [
            ("52:54:00:12:34:56", Some(true)),
            ("525400123456", Some(true)),
            ("52:54:00:*", Some(true)),
            ("52-54-00-*", Some(true)),
            ("52:54:00", None),
            ("52:54:00:12:34:*", Some(true)),
            ("52:*", Some(true)),
            ("52:54:01:*", Some(false)),
            ("52:54:00:12:34:57", Some(false)),
            ("*", None),
            ("", None),
            ("52:5*", None),
            ("52:54:*:12", None),
            ("52:54:00:12:34:56:*", None),
        ];
        for (text, fits) in table {
            let pattern = text.parse::<MacPattern>();
            assert_eq!(pattern.as_ref().ok().map(|pattern| pattern.fits(mac)), fits, "{text}");
            if let Ok(pattern) = pattern {
                assert_eq!(pattern.to_string().parse(), Ok(pattern), "{text}");
            }
        }
    }

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
