//! `netbootd ledger`: the Required deployments that machines received, and the brake.

use std::sync::Arc;

use clap::{Args, Subcommand};
use hyper::Method;
use netbootd_config::Config;
use netbootd_state::file::State;
use netbootd_state::ledger::{LedgerStore, LedgerView, Which, now};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pxe_policy::MacAddr;

use super::client::{ask, config_of, shared};
use super::human::{count, when_unix};
use super::table::{ListArgs, show, table};
use super::{Failure, SiteArgs};
use crate::cli::out::{out, outln};
use crate::probe::block_on;
use crate::sandbox::account::act_as_owner_of;

#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// List the Required deployments that machines received.
    List(ListArgs),
    /// Clear entries, so that Required deployments run again.
    Clear(ClearArgs),
    /// Release the brake on Required deployments.
    Release(SiteArgs),
}

#[derive(Debug, Args)]
#[group(id = "which", required = true, multiple = true)]
pub struct ClearArgs {
    /// Clear the entries of this machine.
    #[arg(group = "which", value_name = "MAC")]
    mac: Option<MacAddr>,
    /// The same, as older versions took it.
    #[arg(long = "mac", group = "which", value_name = "MAC", conflicts_with = "mac", hide = true)]
    mac_option: Option<MacAddr>,
    /// Clear the entries of this deployment.
    #[arg(long, group = "which", value_name = "ID")]
    deployment: Option<String>,
    /// Clear at the site as well (Clear Required PXE Deployments).
    #[arg(long)]
    at_site: bool,
    #[command(flatten)]
    site: SiteArgs,
}

/// Asks the running netbootd, or the file when none runs.
pub fn run(command: &LedgerCommand) -> Result<(), Failure> {
    match command {
        LedgerCommand::List(args) => {
            show(args, &list(&config_of(&args.site)?)?, "the ledger is empty", rendered)?;
        }
        LedgerCommand::Clear(args) => {
            let config = config_of(&args.site)?;
            let which = Which { mac: args.mac.or(args.mac_option), deployment: args.deployment.clone() };
            let cleared = clear(&config, &which)?;
            out!("{}", rendered(&cleared));
            if args.at_site {
                clear_at_site(&config, &cleared)?;
            }
            if cleared.is_empty() {
                return Err(Failure::NoAnswer("the ledger has no such entry".into()));
            }
        }
        LedgerCommand::Release(site) => {
            let config = config_of(site)?;
            if ask(&config, Method::POST, "/ledger/release")?.is_none()
                && !block_on(async { Ok(open(&config).await?.release(now()).await) })?
            {
                return Err(cannot_write(&config));
            }
            outln!("brake released");
        }
    }
    Ok(())
}

fn list(config: &Config) -> Result<Vec<LedgerView>, Failure> {
    match ask(config, Method::GET, "/ledger")? {
        Some(answer) => parsed(&answer),
        None => block_on(async {
            Ok(open(config).await?.with(|ledger| ledger.entries().map(LedgerView::from).collect()))
        }),
    }
}

fn clear(config: &Config, which: &Which) -> Result<Vec<LedgerView>, Failure> {
    let mac = which.mac.map_or_else(|| "any".to_owned(), |mac| mac.to_string());
    // A device's own boot file may be its deployment, and has slashes.
    let deployment = which.deployment.as_deref().unwrap_or("any");
    let deployment = utf8_percent_encode(deployment, NON_ALPHANUMERIC);
    if let Some(answer) = ask(config, Method::DELETE, &format!("/ledger/{mac}/{deployment}"))? {
        return parsed(&answer);
    }
    let cleared = block_on(async { Ok(open(config).await?.clear(which).await) })?;
    cleared.ok_or_else(|| cannot_write(config))
}

fn cannot_write(config: &Config) -> Failure {
    Failure::Unusable(format!("cannot write the state in {}", config.server.state_dir.display()))
}

/// The site's own flags, by the resource ids in the ledger.
fn clear_at_site(config: &Config, cleared: &[LedgerView]) -> Result<(), Failure> {
    let Some(site) = &config.configmgr else {
        return Err(Failure::NoAnswer("--at-site needs [configmgr] in the configuration".into()));
    };
    let resources: Vec<u64> = cleared
        .iter()
        .filter_map(|entry| entry.record.as_deref()?.strip_prefix("configmgr/")?.parse().ok())
        .collect();
    if resources.is_empty() {
        return Ok(());
    }
    crate::serve::prepare_kerberos(config);
    let site = netbootd_directory::configmgr::ConfigMgr::open(site, config.policy.cache)
        .map_err(Failure::unusable)?;
    block_on(async {
        site.clear_last_pxe(&resources).await.map_err(|trouble| Failure::NoAnswer(trouble.to_string()))
    })?;
    outln!("cleared at the site: {}", count(resources.len(), "machine"));
    Ok(())
}

async fn open(config: &Config) -> Result<LedgerStore, Failure> {
    if let Some(shared) = shared(config).await? {
        return Ok(shared.ledger());
    }
    let unusable = |error: &dyn std::error::Error| Failure::Unusable(netbootd_net::with_causes(error));
    act_as_owner_of(&config.server.state_dir)?;
    let state = State::open(&config.server.state_dir).map_err(|error| unusable(&error))?;
    LedgerStore::open(Arc::new(state)).map_err(|error| unusable(&error))
}

fn parsed(answer: &str) -> Result<Vec<LedgerView>, Failure> {
    serde_json::from_str(answer).map_err(|error| Failure::NoAnswer(error.to_string()))
}

fn rendered(entries: &[LedgerView]) -> String {
    let row = |entry: &LedgerView| {
        vec![
            entry.name.clone(),
            entry.mac.clone(),
            entry.guid.clone().unwrap_or_default(),
            entry.deployment.clone(),
            entry.run.clone().unwrap_or_default(),
            when_unix(entry.at),
            entry.record.clone().unwrap_or_default(),
        ]
    };
    table(
        &["NAME", "MAC", "GUID", "DEPLOYMENT", "RUN", "GIVEN", "RECORD"],
        &entries.iter().map(row).collect::<Vec<_>>(),
    )
}
