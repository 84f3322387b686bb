//! `netbootd doctor`: checks of this host and of the connection to each directory, step by step.

mod host;
mod https;
mod kernel;
#[cfg_attr(unix, path = "doctor/sandbox/unix.rs")]
#[cfg_attr(windows, path = "doctor/sandbox/windows.rs")]
mod sandbox;

use std::path::{Path, PathBuf};

use clap::Args;
use imagestore::platform::HAS_MODES;
use netbootd_config::Config;
use netbootd_directory::Directories;
use netbootd_directory::device_file::DEVICES;
use netbootd_directory::links::{Link, Links};
use netbootd_state::shared::Shared;
use pxe_policy::{SUGGESTED_BANS, SharedError, SystemUuid, Trouble, TroubleKind};
use serde::Serialize;

use super::client::config_of;
use super::human::count;
use super::{DEFAULT_CONFIG, Failure, SiteArgs};
use crate::cli::out::outln;
use crate::probe::block_on;
use crate::serve::sharing;

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Check the Configuration Manager site alone, class by class, with the right that each needs.
    #[arg(value_enum)]
    part: Option<Part>,
    #[command(flatten)]
    site: SiteArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A part that is checked alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Site,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The directory, or another part.
    pub part: String,
    /// The link of the chain that was checked.
    pub link: &'static str,
    /// Whether the check passed.
    pub passed: bool,
    /// The state that was observed.
    pub seen: String,
    /// The fix, when the check failed.
    pub cure: Option<&'static str>,
}

/// Checks everything; fails when anything does.
pub fn run(args: &DoctorArgs) -> Result<(), Failure> {
    let config = config_of(&args.site)?;
    crate::serve::prepare_kerberos(&config);
    if args.part == Some(Part::Site) {
        return shown_or_json(args, &site(&config)?);
    }
    let mut checks = suggestions(&config);
    checks.push(reader(imagestore::wim::find_reader()));
    checks.extend(sandbox::checks(&config, &args.site)?);
    checks.extend(host::checks(&config));
    checks.extend(https::checks(&config));
    checks.extend(kernel::checks());
    checks.extend(secrets(&config, &args.site));
    checks.extend(block_on(async {
        let shared = sharing::connect(&config, Vec::new()).await?;
        let mut checks: Vec<Check> = shared.iter().flat_map(|shared| database(shared)).collect();
        let mut directories = Directories::open(&config.directories()).map_err(Failure::unusable)?;
        if let Some(shared) = shared.filter(|_| config.shared_devices) {
            directories = directories.with_first(DEVICES, Box::new(shared.devices()));
        }
        checks.extend(check(&directories).await);
        Ok(checks)
    })?);
    shown_or_json(args, &checks)
}

/// The connection to the site, then each class that is read there.
fn site(config: &Config) -> Result<Vec<Check>, Failure> {
    let directories = Directories::open(&config.directories()).map_err(Failure::unusable)?;
    block_on(async {
        let mut checks = Vec::new();
        for (name, directory) in directories.iter() {
            let (mut links, mut rights) = (Links::default(), Links::default());
            let Some(asking) = directory.rights(&mut rights) else { continue };
            if directory.links(&mut links).await.is_some() {
                asking.await;
            } else {
                drop(asking);
            }
            let seen = links.seen.into_iter().chain(rights.seen);
            checks.extend(seen.map(|link| Check::new(name, link)));
        }
        match checks.is_empty() {
            true => Err(Failure::Unusable("the configuration has no [configmgr]".into())),
            false => Ok(checks),
        }
    })
}

fn shown_or_json(args: &DoctorArgs, checks: &[Check]) -> Result<(), Failure> {
    if args.json {
        let text = serde_json::to_string_pretty(&checks);
        outln!("{}", text.map_err(|error| Failure::Bug(error.to_string()))?);
    } else {
        shown(checks).iter().for_each(|line| outln!("{line}"));
    }
    match checks.iter().filter(|check| !check.passed).count() {
        0 => Ok(()),
        failed => Err(Failure::NoAnswer(format!("{failed} of {} failed", count(checks.len(), "check")))),
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
    let trouble = shared
        .trouble()
        .map(|error| Trouble { kind: TroubleKind::Unreachable, error: SharedError::from_arc(error) });
    let mut links = Links::default();
    links.note("connect", trouble.map_or(Ok("connected, tables of this version".to_owned()), Err));
    links.seen.into_iter().map(|link| Check::new("database", link)).collect()
}

/// Checks every directory, link by link.
pub(super) async fn check(directories: &Directories) -> Vec<Check> {
    let mut checks = Vec::new();
    for (name, directory) in directories.iter() {
        let mut links = Links::default();
        directory.links(&mut links).await;
        checks.extend(links.seen.into_iter().map(|link| Check::new(name, link)));
    }
    checks
}

impl Check {
    fn new(part: &str, link: Link) -> Self {
        let Link { name, seen, cure } = link;
        let passed = seen.is_ok();
        let seen = seen.unwrap_or_else(|trouble| trouble.to_string());
        Check { part: part.to_owned(), link: name, passed, seen, cure }
    }
}

/// Files with secrets that others may read, and a state folder that others may look into.
fn secrets(config: &Config, site: &SiteArgs) -> Vec<Check> {
    let file = site.config.as_deref().unwrap_or(Path::new(DEFAULT_CONFIG));
    let open = config.open_to_others(file);
    let seen = match open.as_slice() {
        [] if !HAS_MODES => "not checked on Windows; docs/windows.md describes the access lists".to_owned(),
        [] => "only netbootd and root can read secrets and change the configuration".to_owned(),
        open => open.join("; "),
    };
    let cure = (!open.is_empty()).then_some("chmod o= FILE, and chgrp netbootd FILE");
    vec![Check { part: "secrets".into(), link: "modes", passed: open.is_empty(), seen, cure }]
}

/// The program that reads Windows images.
fn reader(found: Option<PathBuf>) -> Check {
    let (seen, cure) = match &found {
        Some(path) => (format!("{} reads Windows images", path.display()), None),
        None => {
            let seen =
                "netbootd-wim is neither beside netbootd nor in the PATH: Windows images cannot be imported";
            (seen.to_owned(), Some("reinstall netbootd's package"))
        }
    };
    Check { part: "images".into(), link: "wim-reader", passed: found.is_some(), seen, cure }
}

/// GUIDs that should be banned. netbootd bans none by itself.
fn suggestions(config: &Config) -> Vec<Check> {
    let known = SUGGESTED_BANS.iter().filter_map(|(text, _)| text.parse::<SystemUuid>().ok());
    let open = known.filter(|uuid| !config.bans.guids.contains_key(uuid)).count();
    let seen = match open {
        0 => "all GUIDs known to be shared are banned".to_owned(),
        open => {
            format!("{} that many machines share not banned; docs/policy.md lists them", count(open, "GUID"))
        }
    };
    vec![Check { part: "policy".into(), link: "banned-guids", passed: true, seen, cure: None }]
}
