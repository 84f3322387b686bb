//! `netbootd boot-certificate`: the certificate to enroll in machines that boot by HTTPS.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;
use netbootd_net::with_causes;

use super::client::config_of;
use super::{Failure, SiteArgs};
use crate::cli::out::outln;

/// `netbootd boot-certificate`.
#[derive(Debug, Args)]
pub struct BootCertificateArgs {
    /// Write to this file, instead of the standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    site: SiteArgs,
}

/// Writes the authority's certificate as DER.
pub fn run(args: &BootCertificateArgs) -> Result<(), Failure> {
    let config = config_of(&args.site)?;
    let https = config.https.as_ref().ok_or_else(|| {
        Failure::Unusable("the configuration has no [https]; docs/https.md shows one".to_owned())
    })?;
    let der = https.authority_der().map_err(|error| Failure::Unusable(with_causes(&error)))?;
    let Some(file) = &args.output else {
        let mut out = io::stdout();
        if out.is_terminal() {
            return Err(Failure::Unusable(
                "DER is no text for a terminal; name a file with --output".to_owned(),
            ));
        }
        return out.write_all(&der).map_err(|error| Failure::Unusable(format!("cannot write: {error}")));
    };
    let written = fs::write(file, &der);
    written.map_err(|error| Failure::Unusable(format!("cannot write {}: {error}", file.display())))?;
    outln!("{}: {} bytes (DER); enroll it as a TLS authority in the firmware", file.display(), der.len());
    Ok(())
}
