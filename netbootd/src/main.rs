//! The `netbootd` command: daemon and tools.

#[cfg(target_os = "linux")]
mod allocator;

use std::process::ExitCode;

fn main() -> ExitCode {
    netbootd::cli::run()
}
