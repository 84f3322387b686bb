//! `netbootd setup`: questions, checks of each answer, and the steps that follow from them.

mod answers;
#[cfg_attr(unix, path = "setup/install/unix.rs")]
#[cfg_attr(windows, path = "setup/install/windows.rs")]
mod install;
mod networks;
#[cfg_attr(windows, allow(dead_code))] // its list of packages is of Debian
mod programs;
mod prompt;
mod render;
mod site;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use clap::Args;

use super::{DEFAULT_CONFIG, Failure};
use crate::cli::out::out;
use answers::Answers;
use prompt::{Manner, Prompt};

#[derive(Debug, Default, Args)]
pub struct SetupArgs {
    /// The interfaces to serve, or `all` for each that has an IPv4 address.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    interface: Vec<String>,
    /// `proxy` beside an existing DHCP server, `server` to lease addresses too, `off` for Macs
    /// only.
    #[arg(long)]
    mode: Option<String>,
    /// With `--mode server`: the pool of addresses, as 10.77.0.100-10.77.0.199.
    #[arg(long, value_name = "RANGE")]
    pool: Option<String>,
    /// With `--mode server`: the default gateway (option 3), or `none`.
    #[arg(long, value_name = "ADDRESS")]
    router: Option<String>,
    /// With `--mode server`: DNS servers (option 6), comma-separated, or `none`.
    #[arg(long, value_name = "ADDRESSES")]
    dns: Option<String>,
    /// With `--mode server`: the lease time, as 12h.
    #[arg(long, value_name = "TIME")]
    lease_time: Option<String>,
    /// Copy boot programs of Debian's packages into the boot folder: `yes` or `no`.
    #[arg(long, value_name = "YES")]
    programs: Option<String>,
    /// The boot folder: boot programs, kernels and other files for clients.
    #[arg(long, value_name = "DIR")]
    root: Option<String>,
    /// The image store's folder.
    #[arg(long, value_name = "DIR")]
    images: Option<String>,
    /// Configuration Manager's SMS Provider by its full name, or `none`.
    #[arg(long, value_name = "HOST")]
    configmgr: Option<String>,
    /// The account for the provider, as netbootd@CORP.EXAMPLE, or `none`.
    #[arg(long, value_name = "USER")]
    account: Option<String>,
    /// The account's keytab or a file with its password, or `none`.
    #[arg(long, value_name = "FILE")]
    secret: Option<String>,
    /// CA certificates (PEM) of the provider, or `none` to use the system's.
    #[arg(long, value_name = "FILE")]
    ca: Option<String>,
    /// Use the default for every answer that no option gives.
    #[arg(long)]
    yes: bool,
    /// Overwrite an existing configuration, which stays as `.old`; allow `--mode server` beside
    /// another DHCP server.
    #[arg(long)]
    force: bool,
    /// Skip the connection test to the provider.
    #[arg(long)]
    unchecked: bool,
    /// Do not start the service.
    #[arg(long)]
    no_start: bool,
    /// Print the configuration without writing it.
    #[arg(long)]
    print: bool,
    /// The configuration file to write.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    config: PathBuf,
    /// The state folder that the configuration names.
    #[arg(long, value_name = "DIR", default_value = answers::STATE_DIR)]
    state_dir: PathBuf,
}

/// Asks, checks the answers and carries them out.
pub fn run(args: &SetupArgs) -> Result<(), Failure> {
    if !args.print && !args.force {
        may_be_written(&args.config)?;
    }
    let manner = match (args.yes, io::stdin().is_terminal()) {
        (true, _) => Manner::Defaults,
        (false, true) => Manner::Ask,
        (false, false) => return Err(nobody_to_ask(args)),
    };
    let (mut input, mut output) = (io::stdin().lock(), anstream::stdout().lock());
    let answers = answers::gather(args, &mut Prompt::new(&mut input, &mut output, manner))?;
    drop((input, output));
    let text = render::render(&answers);
    if args.print {
        out!("{text}");
        return Ok(());
    }
    install::run(args, &answers, &text)
}

/// Keeps what an operator wrote. The unchanged file of the package may be replaced.
fn may_be_written(config: &Path) -> Result<(), Failure> {
    match std::fs::read_to_string(config) {
        Ok(text) if text == render::render(&Answers::default()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(Failure::Permission(format!("{}: {error}; run as root", config.display())))
        }
        _ => Err(Failure::Unusable(format!(
            "{} exists and was changed since installation; --force replaces it and keeps the old one as {}.old",
            config.display(),
            config.display()
        ))),
    }
}

fn nobody_to_ask(args: &SetupArgs) -> Failure {
    let said = [
        ("--interface", !args.interface.is_empty()),
        ("--mode", args.mode.is_some()),
        ("--root", args.root.is_some()),
        ("--images", args.images.is_some()),
        ("--configmgr", args.configmgr.is_some()),
    ];
    let open: Vec<&str> = said.iter().filter(|(_, said)| !said).map(|(flag, _)| *flag).collect();
    let open = if open.is_empty() { String::new() } else { format!("give {}, and ", open.join(", ")) };
    Failure::Unusable(format!(
        "no terminal to ask on: {open}add --yes to use the defaults for all other answers"
    ))
}
