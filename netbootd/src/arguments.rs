//! Arguments that several commands have.

use std::path::PathBuf;

use clap::Args;
use netbootd_config::paths::DEFAULT_CONFIG;
use pxe_policy::MacAddr;

/// The daemon to ask.
#[derive(Debug, Args)]
pub struct SiteArgs {
    /// The daemon's configuration file.
    #[arg(long, value_name = "FILE", global = true, help = or_default("The configuration file of the daemon"))]
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

/// The help of an option that names a configuration file.
pub(crate) fn or_default(what: &str) -> String {
    format!("{what} [default: {DEFAULT_CONFIG} if it exists, else built in]")
}
