//! `netbootd explain`: the decision that would be taken now, step by step. `netbootd forget`: asks the directories anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use hyper::Method;
use imagestore::Store;
use pxe_policy::{ArchType, Class, MacAddr, SystemUuid};

use super::client::{ask, config_of, shared};
use super::{Failure, MachineArgs, SiteArgs};
use crate::config::Config;
use crate::confine::account::act_as_owner_of;
use crate::files::Images;
use crate::probe::block_on;
use crate::services::{Services, Snapshot};
use crate::smspxe;
use crate::state::State;
use crate::what_if::{Explained, explained, request};

/// `netbootd explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The machine's hardware address.
    #[arg(long)]
    mac: MacAddr,
    /// Its GUID.
    #[arg(long)]
    uuid: Option<SystemUuid>,
    /// Its architecture.
    #[arg(long, default_value = "x64-uefi")]
    arch: ArchType,
    /// Who asks: pxe, http, ipxe or uboot.
    #[arg(long, default_value = "pxe")]
    class: Class,
    /// Say what Configuration Manager's log says of the machine instead.
    #[arg(long, value_name = "FILE")]
    smspxe: Option<PathBuf>,
    #[command(flatten)]
    site: SiteArgs,
    /// As JSON.
    #[arg(long, conflicts_with = "smspxe")]
    json: bool,
}

/// Asks the running netbootd, which knows the directories' last answers; or decides by itself when none runs.
#[allow(clippy::print_stdout)] // the command's output
pub fn run(args: &ExplainArgs) -> Result<(), Failure> {
    if let Some(file) = &args.smspxe {
        return from_log(file, args.mac);
    }
    let config = config_of(&args.site)?;
    let uuid = args.uuid.map_or_else(|| "none".to_owned(), |uuid| uuid.to_string());
    let path = format!("/explain/{}/{uuid}/{}/{}", args.mac, args.arch.0, args.class);
    let explained: Explained = match ask(&config, Method::GET, &path)? {
        Some(answer) => {
            serde_json::from_str(&answer).map_err(|error| Failure::NoAnswer(error.to_string()))?
        }
        None => alone(config, args)?,
    };
    if args.json {
        let json = serde_json::to_string_pretty(&explained);
        println!("{}", json.map_err(|error| Failure::Bug(error.to_string()))?);
    } else {
        print!("{}", explained.text);
    }
    Ok(())
}

#[allow(clippy::print_stdout)] // the command's output
fn from_log(file: &Path, mac: MacAddr) -> Result<(), Failure> {
    let unusable = |error: &dyn std::fmt::Display| Failure::Unusable(format!("{}: {error}", file.display()));
    let size = std::fs::metadata(file).map_err(|error| unusable(&error))?.len();
    if size > MAX_LOG {
        return Err(unusable(&format!("{size} bytes are more than such a log has ({MAX_LOG})")));
    }
    let entries = smspxe::read(&std::fs::read(file).map_err(|error| unusable(&error))?);
    let story = smspxe::tell(&entries, mac);
    print!("{story}");
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
#[allow(clippy::print_stdout)] // the command's output
pub fn forget(args: &MachineArgs) -> Result<(), Failure> {
    let answer = ask(&config_of(&args.site)?, Method::DELETE, &format!("/answers/{}", args.mac))?;
    let answer = answer.ok_or_else(|| Failure::NoAnswer("no netbootd runs here".into()))?;
    println!("{answer} answers forgotten; the directories are asked anew");
    Ok(())
}

fn alone(config: Config, args: &ExplainArgs) -> Result<Explained, Failure> {
    let unusable = |error: &dyn std::error::Error| Failure::Unusable(super::with_causes(error));
    crate::serve::prepare_kerberos(&config);
    act_as_owner_of(&config.server.state_dir)?;
    let state = Arc::new(State::open(&config.server.state_dir).map_err(|error| unusable(&error))?);
    let store = Store::open(&config.store_folder(), config.store.limits);
    let images = store.and_then(|store| Images::open(store, None)).map_err(|error| unusable(&error))?;
    let request = request(args.mac, args.uuid, args.arch, args.class);
    block_on(async {
        let shared = shared(&config).await?;
        let snapshot = Snapshot::new(config, Some(Arc::new(images))).map_err(Failure::Unusable)?;
        let services = Services::open(snapshot.sharing(shared.as_ref()), state);
        let mut services = services.map_err(|error| unusable(&error))?;
        if let Some(shared) = shared {
            services = services.sharing(shared);
        }
        Ok(explained(&services, &request).await)
    })
}

/// Logs are rolled over at some megabytes; this is far more.
const MAX_LOG: u64 = 1 << 30;
