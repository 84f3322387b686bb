//! `netbootd import-config`: a configuration of another boot server, translated as far as that is
//! mechanical.

mod dnsmasq;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::Failure;
use crate::cli::out::out;

#[derive(Debug, Subcommand)]
pub enum ImportConfigCommand {
    /// Translate a configuration of dnsmasq; lines without a counterpart become comments.
    Dnsmasq(DnsmasqArgs),
}

#[derive(Debug, Args)]
pub struct DnsmasqArgs {
    /// The file, such as /etc/dnsmasq.conf.
    file: PathBuf,
}

/// Prints the translated configuration, and what has no counterpart.
pub fn run(ImportConfigCommand::Dnsmasq(args): &ImportConfigCommand) -> Result<(), Failure> {
    let text = read(&args.file)?;
    out!("{}", dnsmasq::translate(&text, &args.file.display().to_string()));
    Ok(())
}

fn read(file: &Path) -> Result<String, Failure> {
    let unusable =
        |error: &dyn std::fmt::Display| Failure::Unusable(format!("cannot read {}: {error}", file.display()));
    let size = std::fs::metadata(file).map_err(|error| unusable(&error))?.len();
    if size > MAX_SIZE {
        return Err(unusable(&format!("{size} bytes are more than the limit ({MAX_SIZE})")));
    }
    let bytes = std::fs::read(file).map_err(|error| unusable(&error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A host line for each of some hundred thousand machines.
const MAX_SIZE: u64 = 16 << 20;
