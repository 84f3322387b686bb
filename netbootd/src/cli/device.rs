//! `netbootd device import`: prestaged computers of Active Directory become devices, or records of Configuration Manager.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::client::{config_of, shared};
use super::{Failure, SiteArgs};
use crate::directory::active_directory::{ActiveDirectory, Computer};
use crate::directory::configmgr::ConfigMgr;
use crate::directory::device_file::{self, Device};
use crate::probe::block_on;

/// `netbootd device`.
#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// Take over the computers that Active Directory has prestaged.
    Import(ImportArgs),
    /// Put a device file into the database that several servers share, in the place of all devices there.
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
    /// From the [active-directory] of the configuration.
    #[arg(long, required = true)]
    from_ad: bool,
    /// Write a device file (CSV) there; without it the devices are printed.
    #[arg(long, value_name = "FILE", conflicts_with = "to_configmgr")]
    to: Option<PathBuf>,
    /// Import them into the site of [configmgr]; only shown, unless --apply is given.
    #[arg(long)]
    to_configmgr: bool,
    /// Do it.
    #[arg(long, requires = "to_configmgr")]
    apply: bool,
    #[command(flatten)]
    site: SiteArgs,
}

/// Runs the command.
pub fn run(command: &DeviceCommand) -> Result<(), Failure> {
    match command {
        DeviceCommand::Import(args) => import_from_ad(args),
        DeviceCommand::Publish(args) => publish(args),
    }
}

/// A file with a line that makes no device is refused as a whole: other servers would not say so.
#[allow(clippy::print_stdout)] // the command's output
fn publish(args: &PublishArgs) -> Result<(), Failure> {
    let config = config_of(&args.site)?;
    let (table, bad) = device_file::read(&args.file).map_err(Failure::Unusable)?;
    if let Some(first) = bad.first() {
        let (file, line) = (args.file.display(), first.line);
        return Err(Failure::Unusable(format!(
            "{file}:{line}: {} ({} such lines; nothing was published)",
            first.what,
            bad.len()
        )));
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
    println!("published: {count} devices");
    Ok(())
}

#[allow(clippy::print_stdout)] // the command's output
fn import_from_ad(args: &ImportArgs) -> Result<(), Failure> {
    let config = config_of(&args.site)?;
    let Some(directory) = &config.active_directory else {
        return Err(Failure::Unusable("the configuration has no [active-directory]".into()));
    };
    crate::serve::prepare_kerberos(&config);
    let directory = ActiveDirectory::open(directory).map_err(Failure::Unusable)?;
    let computers = block_on(async {
        directory.prestaged().await.map_err(|trouble| Failure::NoAnswer(trouble.to_string()))
    })?;
    if args.to_configmgr {
        let Some(site) = &config.configmgr else {
            return Err(Failure::Unusable("the configuration has no [configmgr]".into()));
        };
        let site = ConfigMgr::open(site, config.policy.cache).map_err(Failure::Unusable)?;
        return block_on(import(&site, &computers, args.apply));
    }
    let text = csv_of(&computers).map_err(Failure::Bug)?;
    match &args.to {
        Some(file) => std::fs::write(file, text)
            .map_err(|error| Failure::Unusable(format!("{}: {error}", file.display())))?,
        None => print!("{text}"),
    }
    Ok(())
}

#[allow(clippy::print_stdout)] // the command's output
async fn import(site: &ConfigMgr, computers: &[Computer], apply: bool) -> Result<(), Failure> {
    for computer in computers {
        let (mac, uuid) = computer.identifiers();
        let by = mac.map(|mac| mac.to_string()).or_else(|| uuid.map(|uuid| uuid.to_string()));
        let done = if apply {
            site.import_machine(&computer.name, mac, uuid)
                .await
                .map_err(|trouble| Failure::NoAnswer(format!("{}: {trouble}", computer.name)))?;
            "imported"
        } else {
            "would be imported"
        };
        println!("{} {done} by {}", computer.name, by.unwrap_or_default());
    }
    if !apply {
        println!("nothing was changed; --apply does it");
    }
    Ok(())
}

fn csv_of(computers: &[Computer]) -> Result<String, String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for computer in computers {
        let (mac, uuid) = computer.identifiers();
        let device = Device {
            name: computer.name.clone(),
            mac: mac.map(|mac| mac.to_string()).unwrap_or_default(),
            uuid: uuid.map(|uuid| uuid.to_string()).unwrap_or_default(),
            file: computer.file_path.clone().unwrap_or_default(),
            ..Device::default()
        };
        writer.serialize(device).map_err(|error| error.to_string())?;
    }
    let bytes = writer.into_inner().map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}
