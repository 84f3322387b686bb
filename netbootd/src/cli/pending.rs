//! `netbootd pending`: unknown machines, and whether the operator approved them.

use std::sync::Arc;

use clap::Subcommand;
use hyper::Method;
use netbootd_config::Config;
use netbootd_state::approvals::{Approvals, PendingView, note};
use netbootd_state::file::State;
use netbootd_state::ledger::now;

use super::client::{ask, config_of, shared};
use super::human::when_unix;
use super::table::{ListArgs, show, table};
use super::{Failure, MachineArgs};
use crate::cli::out::outln;
use crate::probe::block_on;
use crate::sandbox::account::act_as_owner_of;

#[derive(Debug, Subcommand)]
pub enum PendingCommand {
    /// List waiting, approved and rejected machines.
    List(ListArgs),
    /// Approve a machine: it boots.
    Approve(MachineArgs),
    /// Reject a machine: it starts from its disk.
    Reject(MachineArgs),
    /// Remove a machine's approval or rejection.
    Forget(MachineArgs),
}

/// Asks the running netbootd, or the file when none runs.
pub fn run(command: &PendingCommand) -> Result<(), Failure> {
    match command {
        PendingCommand::List(args) => {
            show(args, &list(&config_of(&args.site)?)?, "no machine waits for approval", rendered)
        }
        PendingCommand::Approve(args) => settle(args, "approve", Some(true)),
        PendingCommand::Reject(args) => settle(args, "reject", Some(false)),
        PendingCommand::Forget(args) => settle(args, "forget", None),
    }
}

fn list(config: &Config) -> Result<Vec<PendingView>, Failure> {
    match ask(config, Method::GET, "/pending")? {
        Some(answer) => serde_json::from_str(&answer).map_err(|error| Failure::NoAnswer(error.to_string())),
        None => block_on(async { Ok(open(config).await?.list()) }),
    }
}

fn settle(args: &MachineArgs, word: &str, approved: Option<bool>) -> Result<(), Failure> {
    let config = config_of(&args.site)?;
    let note = match ask(&config, Method::POST, &format!("/pending/{}/{word}", args.mac))? {
        Some(answer) => serde_json::from_str::<Option<String>>(&answer).ok().flatten(),
        None => {
            if !block_on(async { Ok(open(&config).await?.say(args.mac, approved, now()).await) })? {
                let folder = config.server.state_dir.display();
                return Err(Failure::Unusable(format!("cannot write the state in {folder}")));
            }
            note(args.mac, approved, config.policy.settings.unknown, None)
        }
    };
    outln!("{}: {}", args.mac, done(word));
    if let Some(note) = note {
        outln!("note: {note}");
    }
    Ok(())
}

fn done(word: &str) -> &str {
    match word {
        "approve" => "approved",
        "reject" => "rejected",
        _ => "approval or rejection removed",
    }
}

async fn open(config: &Config) -> Result<Approvals, Failure> {
    if let Some(shared) = shared(config).await? {
        return Ok(shared.approvals());
    }
    let unusable = |error: &dyn std::error::Error| Failure::Unusable(netbootd_net::with_causes(error));
    act_as_owner_of(&config.server.state_dir)?;
    let state = State::open(&config.server.state_dir).map_err(|error| unusable(&error))?;
    Approvals::open(Arc::new(state)).map_err(|error| unusable(&error))
}

fn rendered(list: &[PendingView]) -> String {
    let row = |one: &PendingView| {
        vec![
            one.mac.clone(),
            one.id.to_string(),
            one.state.clone(),
            one.arch.clone().unwrap_or_default(),
            one.uuid.clone().unwrap_or_default(),
            when_unix(one.at),
        ]
    };
    table(&["MAC", "ID", "STATE", "ARCH", "GUID", "SINCE"], &list.iter().map(row).collect::<Vec<_>>())
}
