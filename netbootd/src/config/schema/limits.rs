//! The table of what a stranger may have.

use std::net::Ipv4Addr;

use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;

use super::{OneOrMany, Size, Text};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(in crate::config) struct Limits {
    pub(in crate::config) subnets: OneOrMany<Text<IpNet>>,
    pub(in crate::config) relays: OneOrMany<Text<Ipv4Addr>>,
    pub(in crate::config) transfers_per_client: Option<Spanned<usize>>,
    pub(in crate::config) transfers_per_subnet: Option<Spanned<usize>>,
    pub(in crate::config) unproved_per_client: Option<Spanned<usize>>,
    pub(in crate::config) unproved_transfers: Option<Spanned<usize>>,
    pub(in crate::config) connections_per_client: Option<Spanned<usize>>,
    pub(in crate::config) connections_per_subnet: Option<Spanned<usize>>,
    pub(in crate::config) bytes_in_flight: Option<Spanned<Text<Size>>>,
    pub(in crate::config) machine_packets: Option<Spanned<Rate>>,
    pub(in crate::config) way_packets: Option<Spanned<Rate>>,
    pub(in crate::config) new_machines: Option<Spanned<Rate>>,
    pub(in crate::config) reply_bytes: Option<Spanned<Rate>>,
    pub(in crate::config) read_requests: Option<Spanned<Rate>>,
    pub(in crate::config) http_requests: Option<Spanned<Rate>>,
    pub(in crate::config) pool_kept: Option<Spanned<u8>>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Rate {
    pub(in crate::config) at_once: u32,
    pub(in crate::config) per_second: u32,
}
