//! The command `netbootd check-config`.

use std::io::IsTerminal;

use netbootd_config::paths::BUILT_IN_ROOT;
use netbootd_config::{BUILT_IN, Config};

use super::{CheckConfigArgs, Failure};
use crate::cli::out::{err, out, outln};

/// Reports every finding; errors fail, warnings pass.
pub fn run(args: &CheckConfigArgs) -> Result<(), Failure> {
    if args.default {
        let text = BUILT_IN_ROOT.map(|root| BUILT_IN.replace("\"/srv/netboot\"", &format!("'{root}'")));
        out!("{}", text.as_deref().unwrap_or(BUILT_IN));
        return Ok(());
    }
    let file = args.config.as_ref().unwrap_or(&args.file);
    let coloured = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    match Config::load(file) {
        Ok((_, warnings)) => {
            err!("{}", warnings.render(coloured));
            outln!("{}: no errors", file.display());
            Ok(())
        }
        Err(findings) => {
            err!("{}", findings.render(coloured));
            Err(Failure::Unusable(format!("{} has errors; netbootd does not start with it", file.display())))
        }
    }
}
