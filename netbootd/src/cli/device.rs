//! `netbootd device`: registered devices, device files, and computers that Active Directory has
//! prestaged.

mod import;
mod list;
pub(super) mod store;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use netbootd_directory::device_file;

use pxe_policy::MacAddr;

use super::client::{config_of, shared};
use super::human::count;
use super::table::ListArgs;
use super::{Failure, MachineArgs, SiteArgs};
use crate::cli::out::{errln, outln};
use crate::probe::block_on;

#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// Register a device.
    Add(DeviceArgs),
    /// Change a registered device.
    Set(DeviceArgs),
    /// List registered devices.
    List(ListArgs),
    /// Remove a registered device.
    Remove(MachineArgs),
    /// Write registered devices to a CSV file, or print them.
    Export(ExportArgs),
    /// Import registered devices from a CSV file, or computers that are prestaged in Active
    /// Directory.
    Import(ImportArgs),
    /// Replace the devices in the shared database by a device file.
    Publish(PublishArgs),
}

/// `netbootd device add` and `set`.
#[derive(Debug, Args)]
pub struct DeviceArgs {
    /// The device's MAC address.
    mac: MacAddr,
    /// The name that tables and the log show.
    #[arg(long)]
    name: Option<String>,
    /// Its tags, separated by commas, in place of all that it has.
    #[arg(long, value_name = "LIST")]
    tags: Option<String>,
    /// A note for operators.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Its GUID; "" removes it.
    #[arg(long)]
    guid: Option<String>,
    /// The lasting boot target: an image, a file or `disk`; "" leaves it to directories and rules.
    #[arg(long, value_name = "IMAGE|FILE|disk")]
    boot: Option<String>,
    #[command(flatten)]
    site: SiteArgs,
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The CSV file [default: print].
    file: Option<PathBuf>,
    #[command(flatten)]
    site: SiteArgs,
}

#[derive(Debug, Args)]
pub struct PublishArgs {
    /// The device file, CSV or TOML.
    file: PathBuf,
    #[command(flatten)]
    site: SiteArgs,
}

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// A CSV file with a column `mac`, as `device export` writes it.
    #[arg(required_unless_present = "from_ad")]
    file: Option<PathBuf>,
    /// Import from the [active-directory] of the configuration.
    #[arg(long, conflicts_with = "file")]
    from_ad: bool,
    /// Add them to this device file (CSV or TOML) [default: print a new file].
    #[arg(long, value_name = "FILE", conflicts_with = "to_configmgr", requires = "from_ad")]
    to: Option<PathBuf>,
    /// Import missing computers into the ConfigMgr site; a dry run without --apply.
    #[arg(long, requires = "from_ad")]
    to_configmgr: bool,
    /// Add them, and those that the site already has, to this collection.
    #[arg(long, value_name = "ID", requires = "to_configmgr")]
    collection: Option<String>,
    /// Make the changes; without it they are only printed.
    #[arg(long, requires = "to_configmgr")]
    apply: bool,
    #[command(flatten)]
    site: SiteArgs,
}

/// Carries out one command about devices.
pub fn run(command: &DeviceCommand) -> Result<(), Failure> {
    match command {
        DeviceCommand::Add(args) => list::put(args, true),
        DeviceCommand::Set(args) => list::put(args, false),
        DeviceCommand::List(args) => list::list(args),
        DeviceCommand::Remove(args) => list::remove(args),
        DeviceCommand::Export(args) => list::export(args),
        DeviceCommand::Import(args) => match &args.file {
            Some(file) => list::import(file, &args.site),
            None => import::run(args),
        },
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
            "{file}:{line}: {}; {} in all, nothing was published",
            first.what,
            count(bad.iter().filter(|bad| !bad.kept).count(), "such line")
        )));
    }
    for bad in &bad {
        errln!("{}:{}: {}", args.file.display(), bad.line, bad.what);
    }
    let devices = table.into_devices();
    let devices_published = devices.len() as u64;
    block_on(async {
        let shared = shared(&config).await?;
        let shared = shared.ok_or_else(|| Failure::Unusable("the configuration has no [database]".into()))?;
        shared
            .publish(devices)
            .await
            .map_err(|_| Failure::NoAnswer("cannot write to the shared database; nothing was changed".into()))
    })?;
    outln!("published {}", count(devices_published, "device"));
    Ok(())
}
