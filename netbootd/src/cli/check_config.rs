//! `netbootd check-config`.

use std::io::IsTerminal;

use super::{CheckConfigArgs, Failure};
use crate::config::{BUILT_IN, Config};
use crate::platform::BUILT_IN_ROOT;

/// Reports every finding; errors fail, warnings pass.
#[allow(clippy::print_stdout, clippy::print_stderr)] // the command's output
pub fn run(args: &CheckConfigArgs) -> Result<(), Failure> {
    if args.default {
        let text = BUILT_IN_ROOT.map(|root| BUILT_IN.replace("\"/srv/netboot\"", &format!("'{root}'")));
        print!("{}", text.as_deref().unwrap_or(BUILT_IN));
        return Ok(());
    }
    let coloured = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    match Config::load(&args.file) {
        Ok((_, warnings)) => {
            eprint!("{}", warnings.render(coloured));
            println!("{}: fine", args.file.display());
            Ok(())
        }
        Err(findings) => {
            eprint!("{}", findings.render(coloured));
            Err(Failure::Unusable(format!("{} cannot be used", args.file.display())))
        }
    }
}
