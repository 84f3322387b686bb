//! `netbootd explain`: the decision that would be taken now, step by step. `netbootd forget`: asks the directories anew.

mod offline;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use hyper::Method;
use netbootd_config::Config;
use netbootd_server::explain::Explained;
use netbootd_telemetry::smspxe;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pxe_policy::{ArchType, Class, MacAddr, SystemUuid};

use super::client::{ask, config_of};
use super::{Failure, MachineArgs, SiteArgs};
use crate::cli::out::{out, outln};

/// `netbootd explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The machine's hardware address.
    #[arg(long)]
    mac: MacAddr,
    /// Its GUID [default: from its last request].
    #[arg(long)]
    uuid: Option<SystemUuid>,
    /// Its architecture [default: from its last request, else x64-uefi].
    #[arg(long)]
    arch: Option<ArchType>,
    /// Its class: pxe, http, ipxe, uboot or bsdp [default: from its last request, else pxe].
    #[arg(long)]
    class: Option<Class>,
    /// The interface that receives its packets [default: from its last request, else the first].
    #[arg(long)]
    iface: Option<String>,
    /// The relay that forwards its packets [default: from its last request, else none].
    #[arg(long, value_name = "ADDRESS")]
    relay: Option<IpAddr>,
    /// Ask the running daemon, even if the configuration file has changed.
    #[arg(long, conflicts_with = "offline")]
    running: bool,
    /// Use the configuration file, even if a daemon runs.
    #[arg(long)]
    offline: bool,
    /// Explain the machine's entries in this smspxe.log instead.
    #[arg(long, value_name = "FILE")]
    smspxe: Option<PathBuf>,
    #[command(flatten)]
    site: SiteArgs,
    /// Print JSON.
    #[arg(long, conflicts_with = "smspxe")]
    json: bool,
}

/// Says what the running netbootd would answer, which knows what the machine asked last and what the directories said; or what one that
/// reads the configuration file now would answer. The first line says which of the two.
pub fn run(args: &ExplainArgs) -> Result<(), Failure> {
    if let Some(file) = &args.smspxe {
        return from_log(file, args.mac);
    }
    let config = config_of(&args.site)?;
    let running = from_running(&config, args)?;
    let (explained, note) = match running {
        None if args.running => {
            return Err(Failure::NoAnswer("netbootd is not running: leave out --running".into()));
        }
        None => (offline::explain(config, args, None)?, ""),
        Some(running) if running.stamp == config.stamp => match args.offline {
            true => (offline::explain(config, args, Some(&running))?, ""),
            false => (running, ""),
        },
        Some(running) if args.running => (running, OTHER_FILE),
        Some(running) if args.offline || args.site.config.is_some() => {
            (offline::explain(config, args, Some(&running))?, OTHER_RUNNING)
        }
        Some(running) => (running, OTHER_FILE),
    };
    if args.json {
        let json = serde_json::to_string_pretty(&explained);
        outln!("{}", json.map_err(|error| Failure::Bug(error.to_string()))?);
        return Ok(());
    }
    let by = if explained.by == "running" { "the running netbootd answers" } else { "decided offline" };
    outln!("{by}, by its {}{note}", explained.configuration);
    out!("{}", explained.text);
    Ok(())
}

/// What the running netbootd says; None when none runs.
fn from_running(config: &Config, args: &ExplainArgs) -> Result<Option<Explained>, Failure> {
    let given = [
        ("uuid", args.uuid.map(|uuid| uuid.to_string())),
        ("arch", args.arch.map(|arch| arch.0.to_string())),
        ("class", args.class.map(|class| class.to_string())),
        ("iface", args.iface.clone()),
        ("relay", args.relay.map(|relay| relay.to_string())),
    ];
    let query = given.into_iter().filter_map(|(name, value)| {
        let value = value?;
        Some(format!("{name}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC)))
    });
    let path = format!("/explain/{}?{}", args.mac, query.collect::<Vec<_>>().join("&"));
    let Some(answer) = ask(config, Method::GET, &path)? else { return Ok(None) };
    serde_json::from_str(&answer).map(Some).map_err(|error| Failure::NoAnswer(error.to_string()))
}

fn from_log(file: &Path, mac: MacAddr) -> Result<(), Failure> {
    let unusable = |error: &dyn std::fmt::Display| Failure::Unusable(format!("{}: {error}", file.display()));
    let size = std::fs::metadata(file).map_err(|error| unusable(&error))?.len();
    if size > MAX_LOG {
        return Err(unusable(&format!("{size} bytes are more than such a log has ({MAX_LOG})")));
    }
    let entries = smspxe::read(&std::fs::read(file).map_err(|error| unusable(&error))?);
    let story = smspxe::tell(&entries, mac);
    out!("{story}");
    if story.steps.is_empty() {
        return Err(Failure::NoAnswer(format!(
            "{} says nothing of {mac} in {} entries",
            file.display(),
            entries.len()
        )));
    }
    Ok(())
}

/// Forgets what the directories said of a machine.
pub fn forget(args: &MachineArgs) -> Result<(), Failure> {
    let answer = ask(&config_of(&args.site)?, Method::DELETE, &format!("/answers/{}", args.mac))?;
    let answer = answer.ok_or_else(|| Failure::NoAnswer("no netbootd runs here".into()))?;
    outln!("{answer} answers forgotten; the directories are asked anew");
    Ok(())
}

/// Behind the configuration that was asked.
const OTHER_FILE: &str = " as it was read; the file says something else by now (--offline decides by it)";
const OTHER_RUNNING: &str = "; the running netbootd has read something else (--running asks it)";
/// Logs are rolled over at some megabytes; this is far more.
const MAX_LOG: u64 = 1 << 30;
