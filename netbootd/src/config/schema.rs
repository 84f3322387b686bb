//! The configuration file as it is written: one struct a table, unknown keys denied.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::Ipv4Net;
use pxe_policy::{ArchType, Class, MacAddr, SystemUuid};
use serde::de::{Error, IntoDeserializer, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct Document {
    pub(super) server: Server,
    pub(super) dhcp: Dhcp,
    pub(super) tftp: Tftp,
    pub(super) http: Http,
    pub(super) boot: Boot,
    pub(super) image: BTreeMap<Spanned<String>, Image>,
    pub(super) rule: Vec<Rule>,
    pub(super) file: Vec<File>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct Server {
    pub(super) interfaces: Vec<String>,
    pub(super) state_dir: PathBuf,
    pub(super) log: LogFormat,
    pub(super) log_level: Text<tracing::Level>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct Dhcp {
    pub(super) mode: Mode,
    pub(super) ports: Ports,
    pub(super) offer_style: OfferStyle,
    pub(super) conflict_probe: bool,
    pub(super) subnet: Vec<Subnet>,
}

/// What is done about DHCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Boot offers beside a DHCP server that gives the addresses.
    Proxy,
    /// Addresses and boot offers.
    Server,
    /// Nothing for PCs.
    Off,
}

/// Which DHCP ports are bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ports {
    /// 67 and 4011.
    Both,
    /// 4011 only, on a host that runs a DHCP server which sends option 60.
    #[serde(rename = "4011-only")]
    BootServerOnly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum OfferStyle {
    Binl,
    Bypass,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Subnet {
    pub(super) subnet: Spanned<Text<Ipv4Net>>,
    #[serde(default = "no_pool")]
    pub(super) pool: Spanned<OneOrMany<Text<AddressRange>>>,
    pub(super) router: Option<Spanned<Text<Ipv4Addr>>>,
    #[serde(default)]
    pub(super) dns: OneOrMany<Text<Ipv4Addr>>,
    pub(super) domain: Option<String>,
    pub(super) lease_time: Option<Text<LeaseTime>>,
    #[serde(default)]
    pub(super) reservation: Vec<Reservation>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Reservation {
    pub(super) mac: Option<Text<MacAddr>>,
    pub(super) uuid: Option<Text<SystemUuid>>,
    pub(super) address: Spanned<Text<Ipv4Addr>>,
    pub(super) name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct Tftp {
    pub(super) enabled: bool,
    pub(super) port: u16,
    pub(super) max_block_size: Spanned<u16>,
    pub(super) clamp_to_mtu: bool,
    pub(super) max_window_size: Spanned<u16>,
    pub(super) variable_window: bool,
    pub(super) port_range: Option<Spanned<Text<PortRange>>>,
    pub(super) single_port: bool,
    pub(super) max_transfers: Spanned<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct Http {
    pub(super) enabled: bool,
    pub(super) port: u16,
    pub(super) max_connections: usize,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct Boot {
    pub(super) root: Spanned<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Image {
    pub(super) folder: Spanned<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Rule {
    pub(super) name: Spanned<String>,
    #[serde(default, rename = "match")]
    pub(super) matches: Match,
    pub(super) action: Spanned<Action>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct Match {
    pub(super) mac: OneOrMany<Text<MacAddr>>,
    pub(super) uuid: OneOrMany<Text<SystemUuid>>,
    pub(super) arch: OneOrMany<Text<ArchType>>,
    pub(super) class: OneOrMany<Text<Class>>,
    pub(super) subnet: OneOrMany<Text<Ipv4Net>>,
    pub(super) relay: OneOrMany<Text<Ipv4Addr>>,
    pub(super) iface: OneOrMany<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Action {
    Boot(BootAction),
    LocalBoot,
    Ignore,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct BootAction {
    pub(super) file: Spanned<OneOrMany<String>>,
    pub(super) via: Option<Via>,
    pub(super) next_server: Option<Text<Ipv4Addr>>,
    pub(super) image: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Via {
    Tftp,
    Http,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct File {
    pub(super) path: Spanned<String>,
    #[serde(default, rename = "match")]
    pub(super) matches: Match,
    pub(super) template: Option<Spanned<String>>,
    pub(super) template_file: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) fallback: bool,
    pub(super) content_type: Option<String>,
}

/// A value that is written as text and parses itself.
#[derive(Debug, Clone)]
pub(super) struct Text<T>(pub(super) T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Text).map_err(Error::custom)
    }
}

/// One value, or a list of them.
#[derive(Debug, Clone)]
pub(super) struct OneOrMany<T>(pub(super) Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        OneOrMany(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shape<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Shape<T> {
            type Value = OneOrMany<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<OneOrMany<T>, E> {
                T::deserialize(text.into_deserializer()).map(|value| OneOrMany(vec![value]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMany<T>, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = seq.next_element()? {
                    values.push(value);
                }
                Ok(OneOrMany(values))
            }
        }
        deserializer.deserialize_any(Shape(PhantomData))
    }
}

/// Addresses in a row: `10.0.0.10-10.0.0.99`, `10.0.0.128/25`, or one address.
#[derive(Debug, Clone)]
pub(super) struct AddressRange(pub(super) RangeInclusive<Ipv4Addr>);

impl FromStr for AddressRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || {
            format!(
                "{text:?} is no address range: 10.0.0.10-10.0.0.99, 10.0.0.128/25 or one address was expected"
            )
        };
        let range = match text.split_once('-') {
            Some((first, last)) => {
                let first: Ipv4Addr = first.trim().parse().map_err(|_| invalid())?;
                first..=last.trim().parse().map_err(|_| invalid())?
            }
            None if text.contains('/') => {
                let net: Ipv4Net = text.parse().map_err(|_| invalid())?;
                net.network()..=net.broadcast()
            }
            None => {
                let addr = text.parse().map_err(|_| invalid())?;
                addr..=addr
            }
        };
        if range.is_empty() {
            Err(format!("{text:?} ends before it begins"))
        } else {
            Ok(AddressRange(range))
        }
    }
}

/// Ports in a row: `50000-50999`.
#[derive(Debug, Clone)]
pub(super) struct PortRange(pub(super) RangeInclusive<u16>);

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ports = text
            .split_once('-')
            .and_then(|(first, last)| Some(first.trim().parse().ok()?..=last.trim().parse().ok()?));
        match ports {
            Some(ports) if !ports.is_empty() && *ports.start() > 0 => Ok(PortRange(ports)),
            _ => Err(format!("{text:?} is no port range: 50000-50999 was expected")),
        }
    }
}

/// How long a lease lasts: `1h`, `30m`.
#[derive(Debug, Clone)]
pub(super) struct LeaseTime(pub(super) Duration);

impl FromStr for LeaseTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = humantime::parse_duration(text)
            .map_err(|error| format!("{text:?} is no time: {error}; 1h or 30m was expected"))?;
        let sane = Duration::from_secs(60)..=Duration::from_secs(365 * 24 * 3600);
        if sane.contains(&time) {
            Ok(LeaseTime(time))
        } else {
            Err(format!("{text:?} is not between 1m and 365d"))
        }
    }
}

fn no_pool() -> Spanned<OneOrMany<Text<AddressRange>>> {
    Spanned::new(0..0, OneOrMany::default())
}

impl Default for Server {
    fn default() -> Self {
        Server {
            interfaces: Vec::new(),
            state_dir: PathBuf::from("/var/lib/netbootd"),
            log: LogFormat::Text,
            log_level: Text(tracing::Level::INFO),
        }
    }
}

impl Default for Dhcp {
    fn default() -> Self {
        Dhcp {
            mode: Mode::Proxy,
            ports: Ports::Both,
            offer_style: OfferStyle::Binl,
            conflict_probe: true,
            subnet: Vec::new(),
        }
    }
}

impl Default for Tftp {
    fn default() -> Self {
        Tftp {
            enabled: true,
            port: 69,
            max_block_size: Spanned::new(0..0, 65464),
            clamp_to_mtu: true,
            max_window_size: Spanned::new(0..0, 64),
            variable_window: true,
            port_range: None,
            single_port: false,
            max_transfers: Spanned::new(0..0, 4096),
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Http { enabled: true, port: 80, max_connections: 4096 }
    }
}

impl Default for Boot {
    fn default() -> Self {
        Boot { root: Spanned::new(0..0, PathBuf::from("/srv/netboot")) }
    }
}
