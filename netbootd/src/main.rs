//! The `netbootd` command: daemon and tools.

use std::process::ExitCode;

fn main() -> ExitCode {
    netbootd::cli::run()
}
