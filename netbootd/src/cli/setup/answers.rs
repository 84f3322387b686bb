//! The questions in their order, and the checks of their answers on this host.

use std::path::{Path, PathBuf};
use std::{fs, io};

use netbootd_config::Mode;
use netbootd_config::paths::BOOT_ROOT as ROOT;
use netbootd_dhcp::Iface;
use netbootd_net::iface;

use super::super::Failure;
use super::SetupArgs;
use super::networks::{self, ALL, Addresses, LOOPBACK, NONE};
use super::programs;
use super::prompt::{Prompt, Question, Unfit};
use super::site::{self, Site};
use crate::probe::rivals::{self, Rival};
pub(super) use netbootd_config::paths::STATE_DIR;

/// The answers that make a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answers {
    /// The interfaces served; empty for all.
    pub(super) interfaces: Vec<String>,
    /// The mode of DHCP: proxy, server, or off.
    pub(super) mode: Mode,
    /// The addresses leased, in [`Mode::Server`].
    pub(super) addresses: Option<Addresses>,
    /// The folder with the boot files.
    pub(super) root: PathBuf,
    /// The folder of the image store.
    pub(super) images: PathBuf,
    /// The folder that keeps the state.
    pub(super) state_dir: PathBuf,
    /// The site of Configuration Manager, if any.
    pub(super) site: Option<Site>,
    /// Boot programs to copy into the boot folder: from, to.
    pub(super) programs: Vec<(PathBuf, PathBuf)>,
    /// Whether the status page gets a token, so that operators can act on it.
    pub(super) token: bool,
}

impl Default for Answers {
    fn default() -> Self {
        Answers {
            interfaces: Vec::new(),
            mode: Mode::Proxy,
            addresses: None,
            root: ROOT.into(),
            images: Path::new(STATE_DIR).join(IMAGES),
            state_dir: STATE_DIR.into(),
            site: None,
            programs: Vec::new(),
            token: false,
        }
    }
}

/// Settles every question, by its flag or at the terminal.
pub(super) fn gather(args: &SetupArgs, prompt: &mut Prompt<'_>) -> Result<Answers, Failure> {
    let here = iface::list(true)
        .map_err(|error| Failure::Unusable(format!("cannot list the network interfaces: {error}")))?;
    let given = (!args.interface.is_empty()).then(|| args.interface.join(","));
    let question =
        Question { flag: "interface", words: "Interfaces to serve, comma-separated, or all", default: ALL };
    // Printed for another host, interfaces are its own.
    let interfaces = if args.print && given.is_none() && !prompt.asks() {
        Vec::new()
    } else {
        prompt.settle(&question, given.as_deref(), |text| networks::chosen(text, &here))?
    };

    let found = rivals(args, prompt, &interfaces, &here)?;
    let (searched, rivals) = (found.is_some(), found.unwrap_or_default());
    let leasing = rivals.iter().any(|rival| rival.leases.is_some());
    // By default nothing is leased unless somebody reads what was found.
    let propose_server = prompt.asks() && searched && rivals.is_empty();
    let question = Question {
        flag: "mode",
        words: "DHCP mode: proxy (beside a DHCP server), server (lease addresses too), off (Macs only)",
        default: if propose_server { "server" } else { "proxy" },
    };
    let mode = prompt.settle(&question, args.mode.as_deref(), |text| {
        let mode = mode(text)?;
        let rival = rivals.iter().find(|rival| rival.leases.is_some());
        match rival.filter(|_| mode == Mode::Server && !args.force) {
            Some(rival) => Err(format!(
                "{} already leases addresses on {}; two DHCP servers on one network break it. Use proxy, \
                 or --force",
                rival.server, rival.iface
            )
            .into()),
            None => Ok(mode),
        }
    })?;
    if mode == Mode::Proxy && !leasing && searched {
        prompt.say("  No DHCP server answered. In proxy mode machines need one for their addresses.")?;
    }
    let addresses = match mode {
        Mode::Server => Some(addresses(args, prompt, &interfaces, &here)?),
        Mode::Proxy | Mode::Off => {
            let options = [
                ("--pool", &args.pool),
                ("--router", &args.router),
                ("--dns", &args.dns),
                ("--lease-time", &args.lease_time),
            ];
            if let Some((flag, _)) = options.into_iter().find(|(_, given)| given.is_some()) {
                return Err(Failure::Unusable(format!("{flag} needs --mode server")));
            }
            None
        }
    };

    let question =
        Question { flag: "root", words: "Boot folder, for boot programs and kernels", default: ROOT };
    let root = prompt.settle(&question, args.root.as_deref(), folder)?;
    let usual = args.state_dir.join(IMAGES).display().to_string();
    let question = Question { flag: "images", words: "Folder of the image store", default: &usual };
    let images = prompt.settle(&question, args.images.as_deref(), folder)?;
    let programs = programs(args, prompt, &root)?;
    let site = site::gather(args, prompt)?;
    let (state_dir, token) = (args.state_dir.clone(), cfg!(unix));
    Ok(Answers { interfaces, mode, addresses, root, images, state_dir, site, programs, token })
}

/// Looks for other servers on the networks that are to be served; None when it cannot.
fn rivals(
    args: &SetupArgs,
    prompt: &mut Prompt<'_>,
    interfaces: &[String],
    here: &[Iface],
) -> Result<Option<Vec<Rival>>, Failure> {
    let chosen = |iface: &&Iface| interfaces.is_empty() || interfaces.contains(&iface.name);
    let served: Vec<Iface> = here.iter().filter(chosen).filter(|one| one.name != LOOPBACK).cloned().collect();
    // Printed for another host, its networks are not here.
    if served.is_empty() || args.print {
        return Ok(None);
    }
    prompt.say(&format!("Looking for DHCP servers ({PROBE_SECONDS} seconds) ..."))?;
    match rivals::find(&served, PROBE_SECONDS) {
        Ok(found) => {
            for rival in &found {
                prompt.say(&format!("  {rival}"))?;
            }
            Ok(Some(found))
        }
        Err(error) if args.mode.as_deref() == Some("server") && !args.force => Err(Failure::Unusable(
            format!("cannot look for other DHCP servers: {error}; --force sets up the mode server without"),
        )),
        Err(error) => {
            prompt.say(&format!("  cannot look for other DHCP servers: {error}"))?;
            Ok(None)
        }
    }
}

/// The boot programs to copy.
fn programs(
    args: &SetupArgs,
    prompt: &mut Prompt<'_>,
    root: &Path,
) -> Result<Vec<(PathBuf, PathBuf)>, Failure> {
    let missing = programs::missing(root);
    if args.print || missing.is_empty() && args.programs.is_none() {
        return Ok(Vec::new());
    }
    let names = missing.iter().filter_map(|(_, target)| target.file_name());
    let names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    let words = format!("Copy boot programs of Debian's packages into it ({}): yes or no", names.join(", "));
    let question = Question { flag: "programs", words: &words, default: "yes" };
    let copied = prompt.settle(&question, args.programs.as_deref(), yes_or_no)?;
    Ok(if copied { missing } else { Vec::new() })
}

fn yes_or_no(text: &str) -> Result<bool, Unfit> {
    match text {
        "yes" | "y" => Ok(true),
        "no" | "n" => Ok(false),
        _ => Err(format!("{text} is not yes or no").into()),
    }
}

fn mode(text: &str) -> Result<Mode, Unfit> {
    match text {
        "proxy" => Ok(Mode::Proxy),
        "server" => Ok(Mode::Server),
        "off" => Ok(Mode::Off),
        _ => Err(format!("{text} is not proxy, server or off").into()),
    }
}

fn addresses(
    args: &SetupArgs,
    prompt: &mut Prompt<'_>,
    interfaces: &[String],
    here: &[Iface],
) -> Result<Addresses, Failure> {
    let networks = networks::networks(interfaces, here);
    let usual = networks::usual_pool(&networks);
    let question = Question { flag: "pool", words: "Address pool, first-last", default: &usual };
    let (subnet, pool) =
        prompt.settle(&question, args.pool.as_deref(), |text| networks::pool(text, &networks))?;
    let question = Question { flag: "router", words: "Default gateway, or none", default: NONE };
    let router = prompt.settle(&question, args.router.as_deref(), |text| networks::router(text, subnet))?;
    let usual = networks::usual_dns();
    let question = Question { flag: "dns", words: "DNS servers, comma-separated, or none", default: &usual };
    let dns = prompt.settle(&question, args.dns.as_deref(), networks::dns)?;
    let question = Question { flag: "lease-time", words: "Lease time", default: LEASE_TIME };
    let lease_time = prompt.settle(&question, args.lease_time.as_deref(), networks::lease_time)?;
    Ok(Addresses { subnet, pool, router, dns, lease_time })
}

/// A folder that exists or can be created.
fn folder(text: &str) -> Result<PathBuf, Unfit> {
    let path = PathBuf::from(text);
    if !path.is_absolute() {
        return Err(format!("{text} is not an absolute path, such as {ROOT}").into());
    }
    for part in path.ancestors() {
        match fs::metadata(part) {
            Ok(found) if found.is_dir() => break,
            Ok(_) => return Err(format!("{} is a file, not a folder", part.display()).into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{}: {error}", part.display()).into()),
        }
    }
    Ok(path)
}

/// The image store in the state folder.
pub(super) const IMAGES: &str = "images";
/// DHCP servers that check an address before they offer it take a second.
const PROBE_SECONDS: u64 = 3;
const LEASE_TIME: &str = "12h";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_exists_or_can_be_created() {
        let here = tempfile::tempdir().unwrap();
        let path = |name: &str| here.path().join(name).display().to_string();
        assert_eq!(folder(&path("new/deep")), Ok(here.path().join("new/deep")));
        fs::write(here.path().join("file"), "").unwrap();
        assert!(folder(&path("file")).unwrap_err().to_string().ends_with("file is a file, not a folder"));
        assert!(folder(&path("file/below")).is_err());
        assert_eq!(
            folder("images").unwrap_err(),
            "images is not an absolute path, such as /srv/netboot".into()
        );
    }
}
