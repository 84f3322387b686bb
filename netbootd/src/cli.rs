//! The command line.

pub mod bindings;
pub mod check_config;
mod client;
mod colour;
pub mod device;
pub mod doctor;
pub mod explain;
pub mod file;
pub mod image;
pub mod ledger;
pub mod nbi;
pub(crate) mod out;
pub mod pending;
pub mod setup;
pub mod status;
mod table;
pub mod watch;

use std::fmt;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
pub(crate) use netbootd_config::paths::DEFAULT_CONFIG;
use netbootd_config::{Config, Findings, Source};
use netbootd_net::with_causes;
use pxe_policy::{ArchType, MacAddr, SystemUuid};

use crate::cli::out::{errln, out};
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
    Serve(ServeArgs),
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
    /// Explain what a machine would boot now, and why.
    Explain(explain::ExplainArgs),
    /// Drop a machine's cached directory answers.
    Forget(MachineArgs),
    /// Check this server, its ports and its connections to the directories.
    Doctor(doctor::DoctorArgs),
    /// Import devices from Active Directory, or publish a device file.
    #[command(subcommand)]
    Device(device::DeviceCommand),
    /// Print the completion script of a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Install or remove the Windows service.
    #[cfg(windows)]
    #[command(subcommand)]
    Service(crate::platform::service::ServiceCommand),
    /// Manage the image store.
    Image(image::ImageArgs),
    /// Put files into the boot folder.
    #[command(subcommand)]
    File(file::FileCommand),
    /// Check NetBoot image folders (.nbi).
    #[command(subcommand)]
    Nbi(nbi::NbiCommand),
    /// Test a boot server as a client would.
    #[command(subcommand)]
    Probe(ProbeCommand),
}

/// `netbootd serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The configuration file.
    #[arg(long, value_name = "FILE", help = or_default("The configuration file"))]
    pub config: Option<PathBuf>,
    /// The boot folder of the built-in default.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub root: Option<PathBuf>,
    /// The state folder, instead of the configuration's.
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Print boot steps, with progress bars on a terminal, instead of log lines.
    #[arg(long)]
    pub progress: bool,
}

/// The daemon to ask.
#[derive(Debug, Args)]
pub struct SiteArgs {
    /// The daemon's configuration file.
    #[arg(long, value_name = "FILE", global = true, help = or_default("Its configuration file"))]
    pub config: Option<PathBuf>,
    /// The daemon's state folder, instead of the configuration's.
    #[arg(long, value_name = "DIR", global = true)]
    pub state_dir: Option<PathBuf>,
}

/// A machine, and the daemon to ask.
#[derive(Debug, Args)]
pub struct MachineArgs {
    /// The machine's hardware address.
    pub mac: MacAddr,
    /// The daemon to ask.
    #[command(flatten)]
    pub site: SiteArgs,
}

/// `netbootd check-config`.
#[derive(Debug, Args)]
pub struct CheckConfigArgs {
    /// The configuration file.
    #[arg(default_value = DEFAULT_CONFIG)]
    pub file: PathBuf,
    /// Print the built-in configuration.
    #[arg(long)]
    pub default: bool,
}

/// `netbootd probe`.
#[derive(Debug, Subcommand)]
pub enum ProbeCommand {
    /// Fetch a file by TFTP; show size, rate and negotiated options.
    Tftp(probe::tftp::TftpArgs),
    /// Fetch a URL; show headers, size and rate.
    Http(probe::http::HttpArgs),
    /// Send a DISCOVER like a PC; show every offer.
    Pxe(PxeArgs),
    /// Request the image list like a Mac, and select an image.
    Bsdp(probe::bsdp::BsdpArgs),
}

/// `netbootd probe pxe`.
#[derive(Debug, Args)]
pub struct PxeArgs {
    /// The boot server to ask on port 4011 [default: broadcast a DISCOVER].
    pub server: Option<Ipv4Addr>,
    /// The interface to send from, with an IPv4 address; required for a broadcast.
    #[arg(long)]
    pub iface: Option<String>,
    /// The client's MAC address [default: the interface's].
    #[arg(long)]
    pub mac: Option<MacAddr>,
    /// The client's UUID.
    #[arg(long)]
    pub uuid: Option<SystemUuid>,
    /// The client's architecture.
    #[arg(long, default_value = "x64-uefi")]
    pub arch: ArchType,
    /// The client's class.
    #[arg(long, value_enum, default_value_t = AskAs::Pxe)]
    pub class: AskAs,
    /// How long to collect offers, in seconds.
    #[arg(long, default_value_t = 3)]
    pub timeout: u64,
}

/// The class of client that a probe sends as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AskAs {
    /// PXE firmware.
    Pxe,
    /// UEFI HTTP boot.
    Http,
    /// iPXE.
    Ipxe,
}

/// Why a command failed, with its exit code.
#[derive(Debug)]
pub enum Failure {
    /// The configuration cannot be used (78, EX_CONFIG).
    Config(Box<Findings>),
    /// Something that the configuration names cannot be used: an interface, a port that is taken (78).
    Unusable(String),
    /// The system denies something (77, EX_NOPERM).
    Permission(String),
    /// Nothing, or nothing good, came back (1).
    NoAnswer(String),
    /// Ctrl-C ended it (130).
    Interrupted(String),
    /// Something that cannot happen (70, EX_SOFTWARE).
    Bug(String),
}

impl Failure {
    /// Something that cannot be used, with its causes.
    pub fn unusable(error: impl std::error::Error) -> Self {
        Failure::Unusable(with_causes(&error))
    }

    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Config(_) | Failure::Unusable(_) => 78,
            Failure::Permission(_) => 77,
            Failure::NoAnswer(_) => 1,
            Failure::Interrupted(_) => INTERRUPTED,
            Failure::Bug(_) => 70,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Config(findings) => write!(f, "{findings}"),
            Failure::Unusable(text)
            | Failure::Permission(text)
            | Failure::NoAnswer(text)
            | Failure::Interrupted(text) => f.write_str(text),
            Failure::Bug(text) => write!(f, "this is a bug in netbootd: {text}"),
        }
    }
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
        Command::Explain(args) => explain::run(&args),
        Command::Forget(args) => explain::forget(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Device(command) => device::run(&command),
        #[cfg(windows)]
        Command::Service(command) => crate::platform::service::run(&command),
        Command::Image(args) => image::run(&args),
        Command::File(command) => file::run(&command),
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

/// The configuration that `serve` runs on, its findings, and the words that say which it is.
pub fn chosen_config(source: &Source) -> Result<(Config, Findings, String), Failure> {
    source.load().map_err(|findings| Failure::Config(Box::new(findings)))
}

fn or_default(what: &str) -> String {
    format!("{what} [default: {DEFAULT_CONFIG} if it exists, else built in]")
}

/// What shells say of a command that SIGINT ended.
const INTERRUPTED: u8 = 130;
