//! What is asked, in order, and what holds of it on this host.

use std::path::{Path, PathBuf};
use std::{fs, io};

use netbootd_config::Mode;
use netbootd_config::paths::BOOT_ROOT as ROOT;
use netbootd_dhcp::Iface;
use netbootd_net::iface;

use super::super::Failure;
use super::SetupArgs;
use super::networks::{self, ALL, Addresses, NONE};
use super::prompt::{Prompt, Question, Unfit};
use super::site::{self, Site};
pub(super) use netbootd_config::paths::STATE_DIR;

/// All that a configuration is written from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answers {
    /// The interfaces served; empty for all.
    pub(super) interfaces: Vec<String>,
    /// What is done about DHCP.
    pub(super) mode: Mode,
    /// The addresses given, in [`Mode::Server`].
    pub(super) addresses: Option<Addresses>,
    /// The boot folder.
    pub(super) root: PathBuf,
    /// The image store.
    pub(super) images: PathBuf,
    /// What must survive.
    pub(super) state_dir: PathBuf,
    /// Configuration Manager.
    pub(super) site: Option<Site>,
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
        }
    }
}

/// Settles every question.
pub(super) fn gather(args: &SetupArgs, prompt: &mut Prompt<'_>) -> Result<Answers, Failure> {
    let here = iface::list(true)
        .map_err(|error| Failure::Unusable(format!("cannot list the network interfaces: {error}")))?;
    let given = (!args.interface.is_empty()).then(|| args.interface.join(","));
    let question =
        Question { flag: "interface", words: "Interfaces to serve, by commas, or all", default: ALL };
    // Printed for another host, interfaces are its own.
    let interfaces = if args.print && given.is_none() && !prompt.asks() {
        Vec::new()
    } else {
        prompt.settle(&question, given.as_deref(), |text| networks::chosen(text, &here))?
    };

    let question = Question {
        flag: "mode",
        words: "DHCP: proxy (another server gives the addresses), server (netbootd does), off (Macs alone)",
        default: "proxy",
    };
    let mode = prompt.settle(&question, args.mode.as_deref(), mode)?;
    let addresses = match mode {
        Mode::Server => Some(addresses(args, prompt, &interfaces, &here)?),
        Mode::Proxy | Mode::Off => {
            for (flag, given) in [("--pool", &args.pool), ("--router", &args.router)] {
                if given.is_some() {
                    return Err(Failure::Unusable(format!("{flag} goes with --mode server alone")));
                }
            }
            None
        }
    };

    let question = Question { flag: "root", words: "Folder of boot programs and kernels", default: ROOT };
    let root = prompt.settle(&question, args.root.as_deref(), folder)?;
    let usual = args.state_dir.join(IMAGES).display().to_string();
    let question = Question { flag: "images", words: "Folder to keep images in", default: &usual };
    let images = prompt.settle(&question, args.images.as_deref(), folder)?;
    let site = site::gather(args, prompt)?;
    Ok(Answers { interfaces, mode, addresses, root, images, state_dir: args.state_dir.clone(), site })
}

fn mode(text: &str) -> Result<Mode, Unfit> {
    match text {
        "proxy" => Ok(Mode::Proxy),
        "server" => Ok(Mode::Server),
        "off" => Ok(Mode::Off),
        _ => Err(format!("{text} is none of proxy, server and off").into()),
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
    let question = Question { flag: "pool", words: "Addresses to give, first-last", default: &usual };
    let (subnet, pool) =
        prompt.settle(&question, args.pool.as_deref(), |text| networks::pool(text, &networks))?;
    let question =
        Question { flag: "router", words: "Router that machines are told, or none", default: NONE };
    let router = prompt.settle(&question, args.router.as_deref(), |text| networks::router(text, subnet))?;
    Ok(Addresses { subnet, pool, router })
}

/// A folder that is there or can be made.
fn folder(text: &str) -> Result<PathBuf, Unfit> {
    let path = PathBuf::from(text);
    if !path.is_absolute() {
        return Err(format!("{text} is no whole path, such as {ROOT}").into());
    }
    for part in path.ancestors() {
        match fs::metadata(part) {
            Ok(found) if found.is_dir() => break,
            Ok(_) => return Err(format!("{} is a file, and no folder", part.display()).into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{}: {error}", part.display()).into()),
        }
    }
    Ok(path)
}

/// The image store in the state folder.
pub(super) const IMAGES: &str = "images";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_there_or_can_be_made() {
        let here = tempfile::tempdir().unwrap();
        let path = |name: &str| here.path().join(name).display().to_string();
        assert_eq!(folder(&path("new/deep")), Ok(here.path().join("new/deep")));
        fs::write(here.path().join("file"), "").unwrap();
        assert!(folder(&path("file")).unwrap_err().to_string().ends_with("file is a file, and no folder"));
        assert!(folder(&path("file/below")).is_err());
        assert_eq!(folder("images").unwrap_err(), "images is no whole path, such as /srv/netboot".into());
    }
}
