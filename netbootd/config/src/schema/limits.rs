//! The table of what a stranger may have.

use std::net::Ipv4Addr;

use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;

use super::{OneOrMany, Size, Text};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Limits {
    pub(crate) subnets: OneOrMany<Text<IpNet>>,
    pub(crate) relays: OneOrMany<Text<Ipv4Addr>>,
    pub(crate) transfers_per_client: Option<Spanned<usize>>,
    pub(crate) transfers_per_subnet: Option<Spanned<usize>>,
    pub(crate) unproved_per_client: Option<Spanned<usize>>,
    pub(crate) unproved_transfers: Option<Spanned<usize>>,
    pub(crate) connections_per_client: Option<Spanned<usize>>,
    pub(crate) connections_per_subnet: Option<Spanned<usize>>,
    pub(crate) bytes_in_flight: Option<Spanned<Text<Size>>>,
    pub(crate) machine_packets: Option<Spanned<Rate>>,
    pub(crate) way_packets: Option<Spanned<Rate>>,
    pub(crate) new_machines: Option<Spanned<Rate>>,
    pub(crate) reply_bytes: Option<Spanned<Rate>>,
    pub(crate) read_requests: Option<Spanned<Rate>>,
    pub(crate) http_requests: Option<Spanned<Rate>>,
    pub(crate) pool_kept: Option<Spanned<u8>>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Rate {
    pub(crate) at_once: u32,
    pub(crate) per_second: u32,
}
