//! `netbootd doctor`: what is in force, and each directory checked link by link, each with pass or the fact that fails.

mod kernel;
#[cfg_attr(unix, path = "doctor/sandbox/unix.rs")]
#[cfg_attr(windows, path = "doctor/sandbox/windows.rs")]
mod sandbox;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use imagestore::platform::HAS_MODES;
use netbootd_config::Config;
use netbootd_directory::active_directory::ActiveDirectory;
use netbootd_directory::address::host_and_port;
use netbootd_directory::configmgr::ConfigMgr;
use netbootd_directory::settings::{Account, Bind};
use netbootd_directory::{Directories, Source, kerberos};
use netbootd_net::{tls, with_causes};
use netbootd_state::ledger::now;
use netbootd_state::shared::Shared;
use pxe_policy::{SUGGESTED_BANS, SystemUuid, Trouble, TroubleKind};
use serde::Serialize;

use super::client::config_of;
use super::{DEFAULT_CONFIG, Failure, SiteArgs};
use crate::cli::out::outln;
use crate::probe::block_on;
use crate::serve::sharing;

/// `netbootd doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    site: SiteArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The directory, or another part.
    pub part: String,
    /// The link.
    pub link: &'static str,
    /// Whether it holds.
    pub passed: bool,
    /// What was seen.
    pub seen: String,
    /// What to do about it.
    pub cure: Option<&'static str>,
}

/// Checks everything; fails when anything does.
pub fn run(args: &DoctorArgs) -> Result<(), Failure> {
    let config = config_of(&args.site)?;
    crate::serve::prepare_kerberos(&config);
    let mut checks = suggestions(&config);
    checks.push(reader(imagestore::wim::find_reader()));
    checks.extend(sandbox::checks(&config, &args.site)?);
    checks.extend(kernel::checks());
    checks.extend(secrets(&config, &args.site));
    checks.extend(block_on(async {
        let shared = sharing::connect(&config, Vec::new()).await?;
        let mut checks: Vec<Check> = shared.iter().flat_map(|shared| database(shared)).collect();
        let mut directories = Directories::open(&config.directories()).map_err(Failure::unusable)?;
        if let Some(shared) = shared.filter(|_| config.shared_devices) {
            directories = directories.with_shared(shared.devices());
        }
        checks.extend(check(&config, &directories).await);
        Ok(checks)
    })?);
    if args.json {
        let text = serde_json::to_string_pretty(&checks);
        outln!("{}", text.map_err(|error| Failure::Bug(error.to_string()))?);
    } else {
        shown(&checks).iter().for_each(|line| outln!("{line}"));
    }
    match checks.iter().filter(|check| !check.passed).count() {
        0 => Ok(()),
        failed => Err(Failure::NoAnswer(format!("{failed} of {} checks failed", checks.len()))),
    }
}

/// A line for each check, and one for its cure.
pub(super) fn shown(checks: &[Check]) -> Vec<String> {
    let mut lines = Vec::new();
    for check in checks {
        let mark = if check.passed { "pass" } else { "FAIL" };
        lines.push(format!("{mark}  {:<17} {:<15} {}", check.part, check.link, check.seen));
        if let Some(cure) = check.cure {
            lines.push(format!("      {:<17} {:<15} -> {cure}", "", ""));
        }
    }
    lines
}

fn database(shared: &Shared) -> Vec<Check> {
    let mut part = Part { name: "database", checks: Vec::new() };
    let trouble = shared.trouble().map(|why| Trouble::new(TroubleKind::Unreachable, with_causes(&*why)));
    part.link("connect", trouble.map_or(Ok("here, with tables of this version".to_owned()), Err));
    part.checks
}

/// Checks every directory of the configuration.
pub(super) async fn check(config: &Config, directories: &Directories) -> Vec<Check> {
    let mut checks = Vec::new();
    for (name, source) in directories.sources() {
        let mut part = Part { name, checks: Vec::new() };
        // The first link that breaks ends the chain: those behind it hang on it.
        let _ = match source {
            Source::Shared(devices) => {
                let known = devices.trouble().map_or(Ok(format!("{} devices", devices.len())), Err);
                part.link("read", known).map(drop)
            }
            Source::File(file) => part.link("read", Ok(format!("{} devices", file.len()))).map(drop),
            Source::ConfigMgr(site) => configmgr(&mut part, site, config).await,
            Source::ActiveDirectory(directory) => active_directory(&mut part, directory).await,
        };
        checks.append(&mut part.checks);
    }
    checks
}

async fn configmgr(part: &mut Part, site: &ConfigMgr, config: &Config) -> Option<()> {
    let url = site.client().url();
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(443);
    reach(part, host, port).await?;
    let ca = config.configmgr.as_ref().and_then(|site| site.ca.as_deref());
    certificate(part, host, port, ca).await?;
    let account = config.configmgr.as_ref().map(|site| site.account.clone()).unwrap_or_default();
    if account.uses_kerberos() {
        ticket(part, account, site.client().service().to_owned()).await?;
    }
    let sites = site.client().list::<serde_json::Value>("SMS_Site", "", &["SiteCode", "Version"]).await;
    let told = |sites: Vec<serde_json::Value>| match sites.first() {
        Some(site) => Ok(format!("site {} version {}", site["sitecode"], site["version"])),
        None => Err(Trouble::new(TroubleKind::Forbidden, "the account sees no site")),
    };
    part.link("authentication", sites.and_then(told))?;
    let tables = site.tables().await;
    part.link("query", tables.map(|tables| format!("{} task sequence deployments", tables.deployments())))
        .map(drop)
}

async fn active_directory(part: &mut Part, directory: &ActiveDirectory) -> Option<()> {
    let settings = directory.settings();
    let secure = settings.url.starts_with("ldaps://");
    let (host, port) = host_and_port(&settings.url, if secure { 636 } else { 389 });
    let host = host.as_str();
    reach(part, host, port).await?;
    if secure {
        certificate(part, host, port, settings.ca.as_deref()).await?;
    }
    if settings.bind == Bind::Gssapi {
        ticket(part, settings.account.clone(), format!("ldap/{host}")).await?;
    }
    part.link("bind", directory.naming_context().await)?;
    let found = directory.prestaged().await;
    part.link("query", found.map(|found| format!("{} prestaged computers", found.len()))).map(drop)
}

/// A ticket for a service. The Kerberos library waits for the network by itself.
async fn ticket(part: &mut Part, account: Account, service: String) -> Option<()> {
    let asked = service.clone();
    let made = tokio::task::spawn_blocking(move || {
        kerberos::log_in(&account)?;
        kerberos::token(&asked)
    });
    let made = made.await.unwrap_or_else(|error| Err(Trouble::new(TroubleKind::Failed, error.to_string())));
    part.link("ticket", made.map(|token| format!("for {service}, {} bytes", token.len()))).map(drop)
}

/// A certificate that is good, and for long enough.
async fn certificate(part: &mut Part, host: &str, port: u16, ca: Option<&Path>) -> Option<()> {
    let shown = match tokio::time::timeout(PATIENCE, tls::handshake(host, port, ca)).await {
        Ok(shown) => shown,
        Err(_) => Err(Trouble::new(TroubleKind::Timeout, "no TLS handshake in time")),
    };
    let shown = match shown {
        Ok(shown) => shown,
        Err(trouble) => return part.link("tls", Err(trouble)).map(drop),
    };
    let days = (shown.until - i64::try_from(now()).unwrap_or(i64::MAX)) / 86_400;
    part.link("tls", Ok(format!("{} is good for {days} days", shown.subject)))?;
    if days < WARN_DAYS
        && let Some(check) = part.checks.last_mut()
    {
        check.cure = Some("renew the certificate soon");
    }
    Some(())
}

async fn reach(part: &mut Part, host: &str, port: u16) -> Option<()> {
    let looked_up = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host, port))).await;
    let addresses: Result<Vec<SocketAddr>, Trouble> = match looked_up {
        Ok(Ok(found)) => Ok(found.collect()),
        Ok(Err(error)) => Err(Trouble::new(TroubleKind::Unreachable, format!("{host}: {error}"))),
        Err(_) => Err(Trouble::new(TroubleKind::Timeout, format!("{host}: no answer of the name service"))),
    };
    let addresses = match addresses {
        Ok(addresses) => addresses,
        Err(trouble) => return part.link("name", Err(trouble)).map(drop),
    };
    let shown: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    part.link("name", Ok(format!("{host} is {}", shown.join(", "))))?;
    let connected = tokio::time::timeout(PATIENCE, tokio::net::TcpStream::connect(&addresses[..])).await;
    let connected = match connected {
        Ok(Ok(_)) => Ok(format!("port {port} answers")),
        Ok(Err(error)) => Err(Trouble::new(TroubleKind::Unreachable, format!("port {port}: {error}"))),
        Err(_) => Err(Trouble::new(TroubleKind::Timeout, format!("port {port} does not answer"))),
    };
    part.link("connection", connected).map(drop)
}

/// The checks of one directory.
struct Part {
    name: &'static str,
    checks: Vec<Check>,
}

impl Part {
    /// Notes a link; None when it is broken.
    fn link(&mut self, link: &'static str, seen: Result<String, Trouble>) -> Option<String> {
        let check = |passed, seen, cure| Check { part: self.name.to_owned(), link, passed, seen, cure };
        match seen {
            Ok(seen) => {
                self.checks.push(check(true, seen.clone(), None));
                Some(seen)
            }
            Err(trouble) => {
                self.checks.push(check(false, trouble.to_string(), Some(trouble.kind.cure())));
                None
            }
        }
    }
}

/// Files with secrets that others may read, and a state folder that others may look into.
fn secrets(config: &Config, site: &SiteArgs) -> Vec<Check> {
    let file = site.config.as_deref().unwrap_or(Path::new(DEFAULT_CONFIG));
    let open = config.open_to_others(file);
    let seen = match open.as_slice() {
        [] if !HAS_MODES => "access lists are not looked at; docs/windows.md says how to set them".to_owned(),
        [] => "nobody else may read the files with secrets or change the configuration".to_owned(),
        open => open.join("; "),
    };
    let cure = (!open.is_empty()).then_some("chmod o= FILE, and give it to the group of netbootd's user");
    vec![Check { part: "secrets".into(), link: "modes", passed: open.is_empty(), seen, cure }]
}

/// The program that reads Windows images.
fn reader(found: Option<PathBuf>) -> Check {
    let (seen, cure) = match &found {
        Some(path) => (format!("{} reads Windows images", path.display()), None),
        None => {
            let seen =
                "netbootd-wim is neither beside netbootd nor in the PATH: no Windows image is taken in";
            (seen.to_owned(), Some("reinstall netbootd's package"))
        }
    };
    Check { part: "images".into(), link: "wim-reader", passed: found.is_some(), seen, cure }
}

/// GUIDs that should be banned: told, and never done unasked.
fn suggestions(config: &Config) -> Vec<Check> {
    let known = SUGGESTED_BANS.iter().filter_map(|(text, _)| text.parse::<SystemUuid>().ok());
    let open = known.filter(|uuid| !config.bans.guids.contains_key(uuid)).count();
    let seen = match open {
        0 => "every GUID that is known to be shared is banned".to_owned(),
        open => format!("{open} GUIDs that many machines share are not banned; docs/policy.md lists them"),
    };
    vec![Check { part: "policy".into(), link: "banned-guids", passed: true, seen, cure: None }]
}

const PATIENCE: Duration = Duration::from_secs(5);
/// Certificates are spoken of this many days ahead.
const WARN_DAYS: i64 = 30;
