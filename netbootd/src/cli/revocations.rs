//! `netbootd revocations`: the lists by which boot programs are checked.

use std::path::PathBuf;

use boot_program::Revocations;
use clap::{Args, Subcommand};
use netbootd_content::secure_boot;
use netbootd_net::with_causes;

use super::client::config_of;
use super::human::count;
use super::{Failure, SiteArgs};
use crate::cli::out::outln;
use crate::sandbox::account::act_as_owner_of;

#[derive(Debug, Subcommand)]
pub enum RevocationsCommand {
    /// Show which boot programs machines with current updates refuse.
    Show(SiteArgs),
    /// Add a revocation list.
    Update(UpdateArgs),
}

#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// Microsoft's dbx_info JSON, a dbx update (DBXUpdate.bin), or an SBAT level (CSV).
    file: PathBuf,
    #[command(flatten)]
    site: SiteArgs,
}

/// Shows the lists, or adds one.
pub fn run(command: &RevocationsCommand) -> Result<(), Failure> {
    let unusable = |error: secure_boot::ListError| Failure::Unusable(with_causes(&error));
    let site = match command {
        RevocationsCommand::Show(site) => site,
        RevocationsCommand::Update(args) => &args.site,
    };
    let state_dir = config_of(site)?.server.state_dir;
    if let RevocationsCommand::Update(args) = command {
        // Relative to the caller's folder, and readable to the caller.
        let file = args
            .file
            .canonicalize()
            .map_err(|error| Failure::Unusable(format!("cannot read {}: {error}", args.file.display())))?;
        act_as_owner_of(&state_dir)?;
        let added = secure_boot::add_list(&state_dir, &file).map_err(unusable)?;
        outln!("added {}", described(&added));
    }
    outln!("revoked: {}", described(&secure_boot::revocations(&state_dir).map_err(unusable)?));
    Ok(())
}

fn described(list: &Revocations) -> String {
    let sbat: Vec<String> = list.sbat().iter().map(ToString::to_string).collect();
    let versions: Vec<String> = list
        .security_versions()
        .map(|(program, version)| format!("{} {version}", program.file_name()))
        .collect();
    let names: Vec<String> = list.authorities().iter().map(ToString::to_string).collect();
    let parts = [
        format!("{} by hash", count(list.hashes(), "program")),
        format!("authorities: {}", or_none(&names)),
        format!("security versions under: {}", or_none(&versions)),
        format!("SBAT under: {}", or_none(&sbat)),
    ];
    parts.join("; ")
}

fn or_none(parts: &[String]) -> String {
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}
