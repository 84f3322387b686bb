//! `netbootd device`: device files, and computers that Active Directory has prestaged.

mod import;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use netbootd_directory::device_file;

use super::client::{config_of, shared};
use super::{Failure, SiteArgs};
use crate::cli::out::{errln, outln};
use crate::probe::block_on;

/// `netbootd device`.
#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// Import computers that are prestaged in Active Directory.
    Import(ImportArgs),
    /// Replace the devices in the shared database by a device file.
    Publish(PublishArgs),
}

/// `netbootd device publish`.
#[derive(Debug, Args)]
pub struct PublishArgs {
    /// The device file, CSV or TOML.
    file: PathBuf,
    #[command(flatten)]
    site: SiteArgs,
}

/// `netbootd device import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Import from the [active-directory] of the configuration.
    #[arg(long, required = true)]
    from_ad: bool,
    /// Add them to this device file (CSV or TOML) [default: print a new file].
    #[arg(long, value_name = "FILE", conflicts_with = "to_configmgr")]
    to: Option<PathBuf>,
    /// Import missing computers into the ConfigMgr site; a dry run without --apply.
    #[arg(long)]
    to_configmgr: bool,
    /// Add them, and those that the site already has, to this collection.
    #[arg(long, value_name = "ID", requires = "to_configmgr")]
    collection: Option<String>,
    /// Make the changes.
    #[arg(long, requires = "to_configmgr")]
    apply: bool,
    #[command(flatten)]
    site: SiteArgs,
}

/// Runs the command.
pub fn run(command: &DeviceCommand) -> Result<(), Failure> {
    match command {
        DeviceCommand::Import(args) => import::run(args),
        DeviceCommand::Publish(args) => publish(args),
    }
}

/// A file with a line that makes no device is refused as a whole: other servers would not say so.
fn publish(args: &PublishArgs) -> Result<(), Failure> {
    let config = config_of(&args.site)?;
    let (table, bad) = device_file::read(&args.file).map_err(Failure::unusable)?;
    if let Some(first) = bad.iter().find(|bad| !bad.kept) {
        let (file, line) = (args.file.display(), first.line);
        return Err(Failure::Unusable(format!(
            "{file}:{line}: {} ({} such lines; nothing was published)",
            first.what,
            bad.iter().filter(|bad| !bad.kept).count()
        )));
    }
    for bad in &bad {
        errln!("{}:{}: {}", args.file.display(), bad.line, bad.what);
    }
    let devices = table.into_devices();
    let count = devices.len();
    block_on(async {
        let shared = shared(&config).await?;
        let shared = shared.ok_or_else(|| Failure::Unusable("the configuration has no [database]".into()))?;
        shared
            .publish(devices)
            .await
            .map_err(|_| Failure::NoAnswer("the database has not taken them; nothing was changed".into()))
    })?;
    outln!("published: {count} devices");
    Ok(())
}
