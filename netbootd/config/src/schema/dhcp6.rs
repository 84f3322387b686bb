//! `[dhcp6]` as it is written.

use std::net::Ipv6Addr;
use std::str::FromStr;

use ipnet::Ipv6Net;
use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

use super::{Mode, OneOrMany, Text, Time};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Dhcp6 {
    pub(crate) mode: Option<Mode>,
    pub(crate) subnet: Vec<Subnet6>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Subnet6 {
    pub(crate) subnet: Spanned<Text<Ipv6Net>>,
    pub(crate) pool: Spanned<Text<Pool6>>,
    #[serde(default)]
    pub(crate) dns: OneOrMany<Text<Ipv6Addr>>,
    pub(crate) lease_time: Option<Text<Time>>,
}

/// Addresses in a row, or all of a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pool6 {
    pub(crate) first: Ipv6Addr,
    pub(crate) last: Ipv6Addr,
}

impl FromStr for Pool6 {
    type Err = InvalidPool6;

    fn from_str(text: &str) -> Result<Self, InvalidPool6> {
        let pool = match text.split_once('-') {
            Some((first, last)) => first.trim().parse().ok().zip(last.trim().parse().ok()),
            None => text.trim().parse::<Ipv6Net>().ok().map(|net| (net.network(), net.broadcast())),
        };
        match pool {
            Some((first, last)) if first <= last => Ok(Pool6 { first, last }),
            _ => Err(InvalidPool6(text.to_owned())),
        }
    }
}

/// Text that is no range of IPv6 addresses.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is no range of IPv6 addresses: \
     2001:db8::1000-2001:db8::1fff or 2001:db8::1:0/112 was expected"
)]
pub(crate) struct InvalidPool6(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_two_addresses_or_a_prefix() {
        for (text, first, last) in [
            ("2001:db8::1000-2001:db8::1fff", "2001:db8::1000", "2001:db8::1fff"),
            ("2001:db8::1:0/112", "2001:db8::1:0", "2001:db8::1:ffff"),
        ] {
            let pool = Pool6 { first: first.parse().unwrap(), last: last.parse().unwrap() };
            assert_eq!(text.parse(), Ok(pool));
        }
        for text in ["", "2001:db8::2-2001:db8::1", "10.0.0.0/8", "2001:db8::/129"] {
            assert!(text.parse::<Pool6>().is_err(), "{text}");
        }
    }
}
