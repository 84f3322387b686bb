//! The configuration file as it is written: one struct a table, unknown keys denied.

mod defaults;
mod dhcp6;
mod directories;
mod limits;
mod menu;
mod operators;
mod values;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use pxe_policy::{AddressRange, ArchType, Generation, ImageSelector, MacAddr, MacPattern, SystemUuid};
use serde::Deserialize;
use toml::Spanned;

use crate::paths::{BOOT_ROOT, STATE_DIR};

pub(super) use dhcp6::{Dhcp6, Subnet6};
pub(super) use directories::{
    ActiveDirectory, ConfigMgr, Devices, Inventory, LocalBoot, Policy, ProgramPrompt, Prompt, UnknownMachines,
};
pub(super) use limits::{Limits, Rate};
pub(super) use menu::{BootFiles, Menu};
pub use operators::LogFormat;
pub(super) use operators::{AtLeast, Database, Diagnosis, Relay, Reports, Status, Webhook};
pub(super) use values::{Classes, Interval, Lasting, OneOrMany, PortRange, Round, Size, Text, Time};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct Document {
    pub(super) server: Server,
    pub(super) dhcp: Dhcp,
    pub(super) dhcp6: Dhcp6,
    pub(super) tftp: Tftp,
    pub(super) http: Http,
    pub(super) https: Option<Https>,
    pub(super) limits: Limits,
    pub(super) boot: Boot,
    pub(super) netboot: Netboot,
    pub(super) policy: Policy,
    pub(super) boundary: BTreeMap<String, OneOrMany<Text<AddressRange>>>,
    pub(super) devices: Option<Devices>,
    pub(super) configmgr: Option<ConfigMgr>,
    pub(super) active_directory: Option<ActiveDirectory>,
    pub(super) store: Store,
    pub(super) winpe: WinPe,
    pub(super) boot_media: BootMedia,
    pub(super) relay: Option<Relay>,
    pub(super) diagnosis: Diagnosis,
    pub(super) reports: Reports,
    pub(super) webhook: Vec<Webhook>,
    pub(super) status: Option<Status>,
    pub(super) database: Option<Database>,
    pub(super) image: BTreeMap<Spanned<String>, Image>,
    pub(super) menu: Menu,
    pub(super) rule: Vec<Rule>,
    pub(super) file: Vec<File>,
    pub(super) unattended: BTreeMap<Spanned<String>, Spanned<PathBuf>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct Server {
    pub(super) interfaces: Vec<Spanned<String>>,
    pub(super) state_dir: PathBuf,
    pub(super) stop_timeout: Option<Text<Lasting>>,
    pub(super) user: Option<String>,
    #[serde(alias = "confine")]
    pub(super) sandbox: bool,
    pub(super) log: LogFormat,
    pub(super) log_file: Option<Spanned<PathBuf>>,
    pub(super) log_level: Text<tracing::Level>,
    pub(super) log_max_size: Option<Text<Size>>,
    pub(super) log_keep: Option<usize>,
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

/// `dhcp.mode`: whether netbootd gives addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Boot offers beside a DHCP server that gives the addresses.
    Proxy,
    /// Addresses and boot offers.
    Server,
    /// PCs get no answer.
    Off,
}

/// Which DHCP ports are bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ports {
    /// The usual ports: 67 and 4011.
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
    pub(super) lease_time: Option<Text<Time>>,
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
    pub(super) max_connections: Spanned<usize>,
    pub(super) send_timeout: Option<Spanned<Text<Lasting>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Https {
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    pub(super) port: Option<Spanned<u16>>,
    pub(super) name: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) certificate: Vec<ServerCertificate>,
    pub(super) authority: Option<Spanned<PathBuf>>,
}

/// A certificate of this server's own.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ServerCertificate {
    pub(super) chain: Spanned<PathBuf>,
    pub(super) key: Spanned<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct Boot {
    pub(super) root: Spanned<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct Netboot {
    pub(super) enabled: bool,
    pub(super) share: Vec<Share>,
    pub(super) server_name: Option<String>,
    pub(super) tftp_prefix: Spanned<String>,
    pub(super) max_block_size: Spanned<u16>,
    pub(super) default_image: DefaultImage,
    pub(super) disabled_models: DisabledModels,
    pub(super) priority: u16,
    pub(super) shadow: Option<Spanned<String>>,
    pub(super) netboot_1: bool,
    pub(super) binding_lifetime: Option<Text<Time>>,
    pub(super) rescan: Text<Interval>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct Store {
    pub(super) folder: Option<PathBuf>,
    pub(super) quota: Option<Text<Size>>,
    pub(super) keep_free: Option<Text<Size>>,
    pub(super) drop_folder: Option<Spanned<PathBuf>>,
    pub(super) content_library: Option<Spanned<PathBuf>>,
    pub(super) content_library_drives: Vec<PathBuf>,
    pub(super) content_library_images: Vec<String>,
    pub(super) watch: Option<Text<Interval>>,
    pub(super) scrub: Option<Text<Round>>,
    pub(super) remote: Option<Remote>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct WinPe {
    pub(super) block_size: Option<Spanned<u16>>,
    pub(super) window_size: Option<NonZeroU16>,
    pub(super) bcd_integers: BcdIntegers,
    pub(super) wimboot: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct BootMedia {
    pub(super) allow_without_password: bool,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum BcdIntegers {
    #[default]
    Format,
    Printed,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Remote {
    pub(super) url: Spanned<String>,
    pub(super) endpoint: Option<String>,
    pub(super) region: Option<String>,
    #[serde(default)]
    pub(super) allow_http: bool,
    pub(super) ca: Option<Spanned<PathBuf>>,
    pub(super) cache_limit: Option<Text<Size>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Share {
    pub(super) name: Spanned<String>,
    pub(super) folder: Spanned<PathBuf>,
    pub(super) nfs_export: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum DefaultImage {
    ModelFirst,
    Apple,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum DisabledModels {
    Obey,
    Ignore,
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
    pub(super) mac: OneOrMany<Text<MacPattern>>,
    pub(super) tags: OneOrMany<String>,
    pub(super) uuid: OneOrMany<Text<SystemUuid>>,
    pub(super) arch: OneOrMany<Text<ArchType>>,
    pub(super) class: OneOrMany<Text<Classes>>,
    pub(super) subnet: OneOrMany<Text<IpNet>>,
    pub(super) relay: OneOrMany<Text<IpAddr>>,
    pub(super) iface: Option<Spanned<OneOrMany<String>>>,
    pub(super) boundary: Option<Spanned<OneOrMany<String>>>,
    pub(super) known: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(clippy::large_enum_variant)] // there are few rules, and most hand out a file
pub(super) enum Action {
    Boot(BootAction),
    LocalBoot,
    Ignore,
    Relay,
    Directories,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct BootAction {
    #[serde(default = "no_file")]
    pub(super) file: Spanned<BootFiles>,
    pub(super) kernel: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) initrd: OneOrMany<String>,
    pub(super) cmdline: Option<Spanned<String>>,
    pub(super) menu: Option<Spanned<OneOrMany<String>>>,
    pub(super) via: Option<Via>,
    pub(super) https: Option<Spanned<bool>>,
    pub(super) next_server: Option<Text<Ipv4Addr>>,
    pub(super) image: Option<String>,
    pub(super) unattended: Option<Spanned<PathBuf>>,
    pub(super) refer: Option<Text<Ipv4Addr>>,
    pub(super) images: Option<Spanned<OneOrMany<String>>>,
    pub(super) default_image: Option<Text<ImageSelector>>,
    pub(super) signed_by: Option<Text<Generation>>,
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

fn yes() -> bool {
    true
}

fn no_file() -> Spanned<BootFiles> {
    Spanned::new(0..0, BootFiles::default())
}

fn no_pool() -> Spanned<OneOrMany<Text<AddressRange>>> {
    Spanned::new(0..0, OneOrMany::default())
}
