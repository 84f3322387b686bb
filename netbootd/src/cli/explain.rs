//! `netbootd explain`: the decision for a machine, step by step. `netbootd forget`: drops cached
//! answers.

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

use super::client::{ask, config_of, not_running};
use super::human::count;
use super::{Failure, MachineArgs, SiteArgs};
use crate::cli::out::{out, outln};

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The machine's MAC address.
    #[arg(value_name = "MAC", required_unless_present = "mac_option")]
    mac: Option<MacAddr>,
    /// The same, as older versions took it.
    #[arg(long = "mac", value_name = "MAC", conflicts_with = "mac", hide = true)]
    mac_option: Option<MacAddr>,
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

impl ExplainArgs {
    /// The machine. clap requires one of the two forms.
    fn mac(&self) -> MacAddr {
        self.mac.or(self.mac_option).unwrap_or(MacAddr([0; 6]))
    }
}

/// Prints the decision of the running daemon, which remembers the machine's last request and the
/// directories' answers, or a decision by the configuration file alone. The first line names which.
pub fn run(args: &ExplainArgs) -> Result<(), Failure> {
    if let Some(file) = &args.smspxe {
        return from_log(file, args.mac());
    }
    let config = config_of(&args.site)?;
    let running = from_running(&config, args)?;
    let (explained, note) = match running {
        None if args.running => {
            return Err(Failure::NoAnswer(
                "netbootd is not running; leave out --running to use the configuration file".into(),
            ));
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
    let by = if explained.by == "running" { "by the running daemon" } else { "offline" };
    outln!("decided {by} with {}{note}", explained.configuration);
    out!("{}", explained.text);
    Ok(())
}

/// The running daemon's decision; None when none runs.
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
    let path = format!("/explain/{}?{}", args.mac(), query.collect::<Vec<_>>().join("&"));
    let Some(answer) = ask(config, Method::GET, &path)? else { return Ok(None) };
    serde_json::from_str(&answer).map(Some).map_err(|error| Failure::NoAnswer(error.to_string()))
}

fn from_log(file: &Path, mac: MacAddr) -> Result<(), Failure> {
    let unusable = |error: &dyn std::fmt::Display| Failure::Unusable(format!("{}: {error}", file.display()));
    let size = std::fs::metadata(file).map_err(|error| unusable(&error))?.len();
    if size > MAX_LOG {
        return Err(unusable(&format!("{size} bytes are more than the limit for a log ({MAX_LOG})")));
    }
    let entries = smspxe::read(&std::fs::read(file).map_err(|error| unusable(&error))?);
    let story = smspxe::tell(&entries, mac);
    out!("{story}");
    if story.steps.is_empty() {
        return Err(Failure::NoAnswer(format!(
            "{} has no entry about {mac} among {}",
            file.display(),
            count(entries.len(), "entry")
        )));
    }
    Ok(())
}

/// Drops the directories' cached answers for a machine.
pub fn forget(args: &MachineArgs) -> Result<(), Failure> {
    let config = config_of(&args.site)?;
    let answer = ask(&config, Method::DELETE, &format!("/answers/{}", args.mac))?;
    let answer = answer.ok_or_else(|| not_running(&config))?;
    let dropped: u64 = answer.trim().parse().unwrap_or_default();
    outln!(
        "{}: {} dropped; the next request asks the directories again",
        args.mac,
        count(dropped, "cached answer")
    );
    Ok(())
}

/// Behind the configuration that decided.
const OTHER_FILE: &str = " as it was loaded; the file has changed since (--offline uses it)";
const OTHER_RUNNING: &str = "; the running daemon has loaded another one (--running asks it)";
/// Logs are rolled over at some megabytes; this is far more.
const MAX_LOG: u64 = 1 << 30;
