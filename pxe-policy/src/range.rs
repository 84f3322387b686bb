//! Ranges of addresses, as boundaries are written.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use ipnet::Ipv4Net;
use thiserror::Error;

/// A range of IPv4 addresses, both ends in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    /// The lowest address of the range.
    pub first: Ipv4Addr,
    /// The highest address of the range.
    pub last: Ipv4Addr,
}

/// Text that is no range.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no range of addresses: 10.7.0.10-10.7.3.250, 10.7.0.0/22 or one address was expected")]
pub struct InvalidRange(pub String);

impl AddressRange {
    /// Whether an address lies in it.
    pub fn contains(&self, address: impl Into<IpAddr>) -> bool {
        match address.into() {
            IpAddr::V4(address) => (self.first..=self.last).contains(&address),
            IpAddr::V6(_) => false,
        }
    }
}

impl FromStr for AddressRange {
    type Err = InvalidRange;

    /// Takes `first-last`, a network in CIDR notation, or one address.
    fn from_str(text: &str) -> Result<Self, InvalidRange> {
        let invalid = || InvalidRange(text.chars().take(60).collect());
        let address = |text: &str| text.trim().parse::<Ipv4Addr>().map_err(|_| invalid());
        let range = match text.split_once('-') {
            Some((first, last)) => AddressRange { first: address(first)?, last: address(last)? },
            None if text.contains('/') => {
                let network: Ipv4Net = text.trim().parse().map_err(|_| invalid())?;
                AddressRange { first: network.network(), last: network.broadcast() }
            }
            None => AddressRange { first: address(text)?, last: address(text)? },
        };
        if range.first > range.last { Err(invalid()) } else { Ok(range) }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_written_in_three_ways() {
        let table = [
            ("10.7.0.10-10.7.3.250", "10.7.0.10", "10.7.3.250"),
            ("10.7.0.10 - 10.7.3.250", "10.7.0.10", "10.7.3.250"),
            ("10.7.0.0/22", "10.7.0.0", "10.7.3.255"),
            ("10.7.0.10", "10.7.0.10", "10.7.0.10"),
        ];
        for (text, first, last) in table {
            let range: AddressRange = text.parse().unwrap();
            assert_eq!((range.first.to_string(), range.last.to_string()), (first.into(), last.into()));
            assert!(range.contains(range.first) && range.contains(range.last));
        }
        for text in ["", "10.7.0.9-10.7.0.1", "10.7.0.0/33", "10.7", "a-b"] {
            assert!(text.parse::<AddressRange>().is_err(), "{text}");
        }
    }
}
