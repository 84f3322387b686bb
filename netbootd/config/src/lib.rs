//! The configuration: one TOML file, or the built-in default.
//!
//! `check-config` and the start share this code: what the one reports, the other refuses. `schema`
//! is the file as it is written, `check` builds what the crates below are opened with (their
//! `settings`) and reports every [`Finding`] with its place. [`registry`] gives defaults of a
//! Windows distribution point, [`paths`] those of the system. [`Source`] says which configuration
//! is in force.

mod check;
mod directories;
mod finding;
mod limits;
pub mod paths;
mod read;
pub mod registry;
mod reports;
mod schema;
mod source;
mod status;
mod words;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use imagestore::Mount;
use imagestore::platform::is_open_to as open;
use netbootd_content::settings::{GeneratedFile, Netboot, Relay, Store};
use netbootd_content::unattended::AnswerFile;
use netbootd_content::winpe;
use netbootd_dhcp::v4::boot_info::{OfferStyle, Origin};
use netbootd_dhcp::{Subnet, Subnet6};
use netbootd_directory::settings::{ActiveDirectory, ConfigMgr};
use netbootd_net::Secret;
use netbootd_net::server_tls::{CertificateFiles, Pair, PairError, certificate_der};
use netbootd_state::shared::Database;
use pxe_policy::{Bans, Rules};

use crate::paths::BUILT_IN_ROOT;
pub use directories::Policy;
pub use finding::{Finding, Findings, Severity};
pub use limits::{Bounds, Limits, Rate, Unproved};
pub use reports::{Reports, Webhook};
pub use schema::{LogFormat, Mode, Ports};
pub use source::Source;
pub use status::{Operator, Role, Status};

/// A whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The daemon itself: interfaces, state folder, user.
    pub server: Server,
    /// DHCP on IPv4, as proxy or server.
    pub dhcp: Dhcp,
    /// DHCPv6, as proxy or server.
    pub dhcp6: Dhcp6,
    /// TFTP: port, limits of options, range of ports.
    pub tftp: Tftp,
    /// HTTP: port, connections, time-outs.
    pub http: Http,
    /// HTTPS beside it; None when there is none.
    pub https: Option<Https>,
    /// The limits on strangers.
    pub limits: Limits,
    /// Macs: BSDP and the shares of their images.
    pub netboot: Netboot,
    /// The image store with its sources.
    pub store: Store,
    /// How Windows PE is fetched.
    pub winpe: winpe::Settings,
    /// Where wimboot is in the boot tree, when the operator has put it there.
    pub wimboot: Option<String>,
    /// Whether boot media of ConfigMgr that has no password is handed out.
    pub media_without_password: bool,
    /// The distribution point's own responder behind this server.
    pub relay: Option<Relay>,
    /// How long silences may last before they count.
    pub diagnosis: netbootd_diagnosis::Patience,
    /// The reports that machines may send.
    pub reports: Reports,
    /// Where findings are sent.
    pub webhooks: Vec<Webhook>,
    /// Whether a machine whose switch port blocked is handed a build of iPXE that keeps the link
    /// up.
    pub keep_link: bool,
    /// The status port; None when there is none.
    pub status: Option<Status>,
    /// The folders of the boot tree.
    pub mounts: Vec<Mount>,
    /// Machines that are never answered, and GUIDs that lookups ignore.
    pub bans: Bans,
    /// How decisions are made.
    pub policy: Policy,
    /// The device file, when there is one.
    pub devices: Option<PathBuf>,
    /// Whether the devices are those of the database.
    pub shared_devices: bool,
    /// The database that several servers share; None when everything is kept in the state folder.
    pub database: Option<Database>,
    /// The site of Configuration Manager.
    pub configmgr: Option<ConfigMgr>,
    /// The domain of Active Directory.
    pub active_directory: Option<ActiveDirectory>,
    /// The boot menu: images, heading, password.
    pub menu: netbootd_content::menu::Settings,
    /// The rules, in order.
    pub rules: Rules,
    /// The generated files, in order.
    pub files: Vec<GeneratedFile>,
    /// The answer files of installers.
    pub unattended: Arc<[AnswerFile]>,
    /// Files whose text is part of it, and which a reload reads again: templates, lists, secrets.
    pub texts: Vec<PathBuf>,
    /// Tells this text of it from another: its file, and the time and size of all its texts as they
    /// were read.
    pub stamp: String,
}

/// The settings of the daemon itself.
#[derive(Debug, Clone)]
pub struct Server {
    /// The interfaces served; empty for every one that has an address, but loopback.
    pub interfaces: Vec<String>,
    /// Where leases and what Macs chose are kept.
    pub state_dir: PathBuf,
    /// How long transfers may take to end at a stop.
    pub stop_timeout: Duration,
    /// The account to run as when root starts it; None for `netbootd`, where there is such a user.
    pub user: Option<String>,
    /// Whether it gives up what it does not need.
    pub sandbox: bool,
    /// How log lines look.
    pub log: LogFormat,
    /// Where they go; None for the standard error.
    pub log_file: Option<PathBuf>,
    /// The least important line that is written.
    pub log_level: tracing::Level,
    /// The file is put aside from so many bytes on.
    pub log_max_size: u64,
    /// So many files that were put aside are kept.
    pub log_keep: usize,
}

/// The settings of DHCP on IPv4.
#[derive(Debug, Clone)]
pub struct Dhcp {
    /// Whether netbootd is a proxy, an address server, or neither.
    pub mode: Mode,
    /// Which ports are bound.
    pub ports: Ports,
    /// How a proxy offers.
    pub offer_style: OfferStyle,
    /// Whether a new address is probed before it is offered.
    pub conflict_probe: bool,
    /// The subnets that addresses are given in.
    pub subnets: Vec<Subnet>,
}

/// The settings of DHCPv6.
#[derive(Debug, Clone)]
pub struct Dhcp6 {
    /// Whether netbootd is a proxy, an address server, or neither.
    pub mode: Mode,
    /// Whether the configuration says so.
    pub chosen: bool,
    /// The links that addresses are given in.
    pub subnets: Vec<Subnet6>,
}

/// The settings of TFTP.
#[derive(Debug, Clone)]
pub struct Tftp {
    /// Whether it is served.
    pub enabled: bool,
    /// The UDP port that requests come to.
    pub port: u16,
    /// The largest values of options that are granted.
    pub limits: tftp::ServerLimits,
    /// Whether blocks are kept small enough for the path's MTU.
    pub clamp_to_mtu: bool,
    /// The ports that transfers use; None lets the system choose.
    pub port_range: Option<RangeInclusive<u16>>,
    /// Whether transfers use the request's port.
    pub single_port: bool,
    /// How many transfers run at a time.
    pub max_transfers: usize,
}

/// The settings of HTTP.
#[derive(Debug, Clone)]
pub struct Http {
    /// Whether it is served.
    pub enabled: bool,
    /// The TCP port that clients connect to.
    pub port: u16,
    /// How many connections are held at a time.
    pub max_connections: usize,
    /// A client that takes nothing of its answer for so long is left.
    pub send_timeout: Duration,
}

/// HTTPS for boot files, beside HTTP.
#[derive(Debug, Clone)]
pub struct Https {
    /// The TCP port that clients connect to.
    pub port: u16,
    /// The host in the URLs of rules that want HTTPS: a DNS name or an address that every
    /// certificate is for.
    pub name: Option<String>,
    /// The certificates, one for each kind of key.
    pub certificates: Vec<CertificateFiles>,
    /// The certificate (PEM) of the authority that machines trust.
    pub authority: Option<PathBuf>,
}

impl Https {
    /// The beginning of URLs for rules that want HTTPS.
    pub fn origin(&self) -> Option<Origin> {
        self.name.as_deref().map(|name| Origin::https(name, self.port))
    }

    /// The certificate (DER) to enroll in machines: the authority's or, without one, the last of a
    /// chain.
    pub fn authority_der(&self) -> Result<Vec<u8>, PairError> {
        match (&self.authority, self.certificates.first()) {
            (Some(file), _) => certificate_der(file),
            (None, Some(files)) => Ok(Pair::load(files)?.chain.pop().unwrap_or_default()),
            (None, None) => Err(PairError::Empty(PathBuf::new())),
        }
    }

    /// Every file of it: certificates, keys, the authority.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let pairs = self.certificates.iter().flat_map(|files| [&files.chain, &files.key]);
        pairs.chain(&self.authority)
    }
}

impl Config {
    /// Files with secrets that everybody on this host may read, and a configuration that everybody
    /// may change, in words.
    pub fn open_to_others(&self, file: &Path) -> Vec<String> {
        let status = self.status.as_ref();
        let accounts = [
            self.configmgr.as_ref().map(|site| &site.account),
            self.active_directory.as_ref().map(|directory| &directory.account),
        ];
        let of_accounts = accounts.into_iter().flatten().flat_map(|account| {
            account.keytab.iter().chain(account.password.iter().filter_map(Secret::file))
        });
        let of_webhooks = self.webhooks.iter().filter_map(|webhook| webhook.secret.as_ref()?.file());
        let of_menu = self.menu.password.iter().filter_map(|password| password.secret().file());
        let of_status = status.into_iter().flat_map(|status| {
            let key = status.tls.iter().map(|(_, key)| key);
            let operators = status.operators.iter().filter_map(|operator| operator.token.as_ref());
            status.token.iter().chain(operators).filter_map(Secret::file).chain(key)
        });
        let of_https = self.https.iter().flat_map(|https| https.certificates.iter().map(|files| &files.key));
        let mut words: Vec<String> = of_accounts
            .chain(of_status)
            .chain(of_https)
            .chain(of_webhooks)
            .chain(of_menu)
            .filter(|path| open(path, OTHERS_READ))
            .map(|path| format!("everybody on this host may read {}", path.display()))
            .collect();
        if open(file, OTHERS_WRITE) {
            words.push(format!("everybody on this host may change {}", file.display()));
        }
        words.sort();
        words.dedup();
        words
    }

    /// The files that the configuration names: templates, lists, secrets, certificates, devices.
    pub fn named_files(&self) -> Vec<PathBuf> {
        let accounts = [
            self.configmgr.as_ref().map(|site| &site.account),
            self.active_directory.as_ref().map(|directory| &directory.account),
        ];
        let keytabs = accounts.into_iter().flatten().filter_map(|account| account.keytab.clone());
        let authorities = [
            self.configmgr.as_ref().and_then(|site| site.ca.clone()),
            self.active_directory.as_ref().and_then(|directory| directory.ca.clone()),
            self.store.remote.as_ref().and_then(|remote| remote.ca.clone()),
            self.devices.clone(),
        ];
        let tls = self.status.iter().filter_map(|status| status.tls.clone());
        let mut files = self.texts.clone();
        files.extend(keytabs);
        files.extend(authorities.into_iter().flatten());
        files.extend(self.https.iter().flat_map(Https::files).cloned());
        files.extend(tls.flat_map(|(certificate, key)| [certificate, key]));
        files
    }

    /// Where the image store is.
    pub fn store_folder(&self) -> PathBuf {
        self.store.folder.clone().unwrap_or_else(|| self.server.state_dir.join("images"))
    }

    /// Reads a file. With errors there is no configuration; warnings come with it.
    pub fn load(path: &Path) -> Result<(Config, Findings), Findings> {
        let text = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let finding = Finding::error(0..0, format!("cannot read {}: {error}", path.display()))
                    .because(&error)
                    .help("name another file with --config, or leave it out to run on the built-in default");
                return Err(Findings::new(path, "", vec![finding]));
            }
        };
        match String::from_utf8(text) {
            Ok(text) => Config::parse(&text, path, None),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let finding = Finding::error(0..0, format!("{} is not UTF-8 at byte {at}", path.display()));
                Err(Findings::new(path, "", vec![finding]))
            }
        }
    }

    /// The built-in default; `root` replaces its boot folder.
    pub fn built_in(root: Option<&Path>) -> Result<(Config, Findings), Findings> {
        let root = root.or(BUILT_IN_ROOT.map(Path::new));
        Config::parse(BUILT_IN, Path::new(BUILT_IN_NAME), root)
    }

    /// Reads a text; `path` is for the findings, and templates are looked for beside it.
    pub fn parse(text: &str, path: &Path, root: Option<&Path>) -> Result<(Config, Findings), Findings> {
        Config::parse_beside(text, path, root, &registry::read())
    }

    /// The same beside what the registry says of the distribution point's own responders.
    pub(crate) fn parse_beside(
        text: &str,
        path: &Path,
        root: Option<&Path>,
        values: &registry::Values,
    ) -> Result<(Config, Findings), Findings> {
        let (mut document, mistakes) =
            read::read(text).map_err(|mistakes| Findings::new(path, text, mistakes))?;
        let sound = mistakes.is_empty();
        let mut found = Vec::new();
        if sound {
            registry::fill(&mut document, text, values, &mut found);
        }
        let config = check::check(document, path, root, &mut found);
        if !sound {
            found.retain(|finding| finding.stands_beside(&mistakes));
        }
        let findings = Findings::new(path, text, [mistakes, found].concat());
        if sound && findings.errors() == 0 { Ok((config, findings)) } else { Err(findings) }
    }
}

const OTHERS_READ: u32 = 0o004;
const OTHERS_WRITE: u32 = 0o002;
/// The built-in default's name in findings.
const BUILT_IN_NAME: &str = "built-in default";
/// The text of the built-in default.
pub const BUILT_IN: &str = include_str!("default.toml");

#[cfg(test)]
mod tests;
