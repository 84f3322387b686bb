//! The `netbootd` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    netbootd::cli::run()
}
