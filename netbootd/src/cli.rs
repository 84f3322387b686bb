//! The command line: every command and its arguments.

pub mod backup;
pub mod bindings;
pub mod boot;
pub mod boot_certificate;
pub mod check_config;
mod client;
mod colour;
pub mod device;
pub mod doctor;
pub mod explain;
pub mod file;
mod human;
pub mod image;
pub mod import_config;
pub mod ledger;
pub mod nbi;
pub(crate) mod out;
pub mod pending;
pub mod revocations;
pub mod setup;
mod signers;
pub mod site;
pub mod status;
mod table;
pub mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
pub(crate) use netbootd_config::paths::DEFAULT_CONFIG;

pub use crate::arguments::{MachineArgs, SiteArgs};
use crate::cli::out::{errln, out};
pub use crate::failure::Failure;
pub(crate) use crate::failure::{INTERRUPTED, chosen_config};
use crate::{probe, serve};

/// Network-boots a mixed fleet: PCs by PXE and UEFI HTTP boot, Macs by BSDP.
#[derive(Debug, Parser)]
#[command(name = "netbootd", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Configure this server by questions and answers, and start the service.
    Setup(Box<setup::SetupArgs>),
    /// Run the boot server in the foreground.
    Serve(serve::ServeArgs),
    /// Check a configuration file and report every error with its line.
    CheckConfig(CheckConfigArgs),
    /// Reload the configuration without a restart.
    Reload(SiteArgs),
    /// Show the server and its recently seen machines, or one machine and why it did not boot.
    Status(status::StatusArgs),
    /// Print boot steps as they happen, until Ctrl-C.
    Watch(watch::WatchArgs),
    /// Show or remove the image that each Mac selected.
    #[command(subcommand)]
    Bindings(bindings::BindingsCommand),
    /// Show or clear Required deployments that machines received, and release the brake.
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    /// List, approve or reject unknown machines.
    #[command(subcommand)]
    Pending(pending::PendingCommand),
    /// Back up configuration, state and catalogue into one file.
    Backup(backup::BackupArgs),
    /// Restore a backup; netbootd must be stopped.
    Restore(backup::RestoreArgs),
    /// Explain what a machine would boot now, and why.
    Explain(explain::ExplainArgs),
    /// Drop a machine's cached directory answers.
    Forget(MachineArgs),
    /// Check this server, its ports and its connections to the directories.
    Doctor(doctor::DoctorArgs),
    /// Write the certificate to enroll in machines that boot by HTTPS.
    BootCertificate(boot_certificate::BootCertificateArgs),
    /// Show or renew the copy of the Configuration Manager site.
    #[command(subcommand)]
    Site(site::SiteCommand),
    /// Let one machine boot something else: once, until a time, or from now on.
    Boot(boot::BootArgs),
    /// Register, list and import devices, or publish a device file.
    #[command(subcommand)]
    Device(device::DeviceCommand),
    /// Print the completion script of a shell.
    Completions {
        /// The shell to complete for.
        shell: clap_complete::Shell,
    },
    /// Install or remove the Windows service.
    #[cfg(windows)]
    #[command(subcommand)]
    Service(crate::platform::service::ServiceCommand),
    /// Translate the configuration of another boot server; print it.
    #[command(subcommand)]
    ImportConfig(import_config::ImportConfigCommand),
    /// Manage the image store.
    Image(image::ImageArgs),
    /// Put files into the boot folder.
    #[command(subcommand)]
    File(file::FileCommand),
    /// Show and update the lists of revoked boot programs (Secure Boot).
    #[command(subcommand)]
    Revocations(revocations::RevocationsCommand),
    /// Check NetBoot image folders (.nbi).
    #[command(subcommand)]
    Nbi(nbi::NbiCommand),
    /// Test a boot server as a client would.
    #[command(subcommand)]
    Probe(ProbeCommand),
}

#[derive(Debug, Args)]
pub struct CheckConfigArgs {
    /// The configuration file to check.
    #[arg(default_value = DEFAULT_CONFIG)]
    pub file: PathBuf,
    /// The configuration file, as other commands name it.
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    pub config: Option<PathBuf>,
    /// Print the built-in configuration.
    #[arg(long)]
    pub default: bool,
}

#[derive(Debug, Subcommand)]
pub enum ProbeCommand {
    /// Fetch a file by TFTP; show size, rate and negotiated options.
    Tftp(probe::tftp::TftpArgs),
    /// Fetch a URL; show headers, size and rate.
    Http(probe::http::HttpArgs),
    /// Send a DISCOVER like a PC; show every offer.
    Pxe(probe::pxe::PxeArgs),
    /// Request the image list like a Mac, and select an image.
    Bsdp(probe::bsdp::BsdpArgs),
}

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Setup(args) => setup::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::CheckConfig(args) => check_config::run(&args),
        Command::Completions { shell } => {
            let mut words = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "netbootd", &mut words);
            out!("{}", String::from_utf8_lossy(&words));
            Ok(())
        }
        Command::Watch(args) => watch::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Reload(args) => client::reload(&args),
        Command::Bindings(command) => bindings::run(&command),
        Command::Ledger(command) => ledger::run(&command),
        Command::Pending(command) => pending::run(&command),
        Command::Backup(args) => backup::run(&args),
        Command::Restore(args) => backup::restore(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Forget(args) => explain::forget(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Site(command) => site::run(&command),
        Command::Boot(args) => boot::run(&args),
        Command::BootCertificate(args) => boot_certificate::run(&args),
        Command::Device(command) => device::run(&command),
        #[cfg(windows)]
        Command::Service(command) => crate::platform::service::run(&command),
        Command::ImportConfig(command) => import_config::run(&command),
        Command::Image(args) => image::run(&args),
        Command::File(command) => file::run(&command),
        Command::Revocations(command) => revocations::run(&command),
        Command::Nbi(command) => nbi::run(&command),
        Command::Probe(ProbeCommand::Bsdp(args)) => probe::bsdp::run(&args),
        Command::Probe(ProbeCommand::Tftp(args)) => probe::tftp::run(&args),
        Command::Probe(ProbeCommand::Http(args)) => probe::http::run(&args),
        Command::Probe(ProbeCommand::Pxe(args)) => probe::pxe::run(&args),
    };
    let result = result.and_then(|()| match out::failure() {
        Some(kind) => Err(Failure::NoAnswer(format!("cannot write the output: {kind}"))),
        None => Ok(()),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            errln!("netbootd: {}", failure.to_string().trim_end());
            ExitCode::from(failure.exit_code())
        }
    }
}
