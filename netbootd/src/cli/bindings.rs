//! `netbootd bindings`: which image each Mac chose.

use std::sync::Arc;

use bsdp::Change;
use clap::Subcommand;
use hyper::Method;
use netbootd_config::Config;
use netbootd_state::bindings::BindingStore;
use netbootd_state::durable::Durable;
use netbootd_state::file::State;
use netbootd_web::api::BindingView;
use pxe_policy::MacAddr;

use super::client::{ask, config_of, shared};
use super::human::when_unix;
use super::table::{ListArgs, show, table};
use super::{Failure, MachineArgs};
use crate::probe::block_on;
use crate::sandbox::account::act_as_owner_of;

#[derive(Debug, Subcommand)]
pub enum BindingsCommand {
    /// List the selections.
    List(ListArgs),
    /// Remove a selection: the Mac starts from its disk until it selects again.
    Forget(MachineArgs),
}

/// Asks the running netbootd, or the file when none runs.
pub fn run(command: &BindingsCommand) -> Result<(), Failure> {
    match command {
        BindingsCommand::List(args) => {
            show(args, &list(&config_of(&args.site)?)?, "no Mac has selected an image", rendered)
        }
        BindingsCommand::Forget(args) => forget(&config_of(&args.site)?, args.mac),
    }
}

fn list(config: &Config) -> Result<Vec<BindingView>, Failure> {
    if let Some(answer) = ask(config, Method::GET, "/bindings")? {
        return serde_json::from_str(&answer).map_err(|error| Failure::NoAnswer(error.to_string()));
    }
    if config.database.is_some() {
        return block_on(async {
            let shared = shared(config).await?;
            let bindings = shared.as_ref().map(|shared| shared.copies().bindings());
            Ok(bindings.iter().flatten().map(BindingView::from).collect())
        });
    }
    let (_, bindings) = BindingStore::open(state(config)?).map_err(|error| unusable(&error))?;
    Ok(bindings.iter().map(BindingView::from).collect())
}

fn forget(config: &Config, mac: MacAddr) -> Result<(), Failure> {
    if ask(config, Method::DELETE, &format!("/bindings/{mac}"))?.is_some() {
        return Ok(());
    }
    if config.database.is_some() {
        return block_on(async {
            let Some(shared) = shared(config).await? else { return Ok(()) };
            if !shared.copies().bindings().iter().any(|binding| binding.mac == mac.octets()) {
                return Err(Failure::NoAnswer(format!("{mac} has selected no image")));
            }
            let kept = shared.keep(Change::Unbind(mac.octets())).await;
            kept.map_err(|_| Failure::Unusable("cannot write to the shared database".into()))
        });
    }
    let (store, bindings) = BindingStore::open(state(config)?).map_err(|error| unusable(&error))?;
    if bindings.get(mac.octets()).is_none() {
        return Err(Failure::NoAnswer(format!("{mac} has selected no image")));
    }
    let saved = block_on(async { Ok(store.save(Change::Unbind(mac.octets())).await) })?;
    if saved { Ok(()) } else { Err(cannot_write(config)) }
}

fn state(config: &Config) -> Result<Arc<State>, Failure> {
    act_as_owner_of(&config.server.state_dir)?;
    State::open(&config.server.state_dir).map(Arc::new).map_err(|error| unusable(&error))
}

fn cannot_write(config: &Config) -> Failure {
    Failure::Unusable(format!("cannot write the state in {}", config.server.state_dir.display()))
}

fn unusable(error: &dyn std::error::Error) -> Failure {
    Failure::Unusable(error.to_string())
}

fn rendered(bindings: &[BindingView]) -> String {
    let row = |binding: &BindingView| {
        vec![
            binding.mac.clone(),
            binding.model.clone(),
            binding.image.clone(),
            format!("NetBoot{:03}", binding.number),
            when_unix(binding.at),
        ]
    };
    table(&["MAC", "MODEL", "IMAGE", "NAME", "SELECTED"], &bindings.iter().map(row).collect::<Vec<_>>())
}
