//! Keeps the processors awake while something is measured, as the kernel's `idle=poll` would.
//!
//! A virtual processor that has halted takes some 40 µs to run again, several times what a server needs for a block. Whether it halts
//! depends on where the scheduler has put client and server, so the same server is six times as fast in one round as in the next. With
//! a spinning process of the idle class on each processor none halts, and whatever wants to run goes before it at once.

use std::process::Command;
use std::thread;

use netbootd_tests::Process;

/// Awake as long as this is held.
#[derive(Debug)]
pub struct Awake(#[allow(dead_code)] Vec<Process>); // held for its end

impl Awake {
    /// From now on.
    pub fn keep() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let spin = || {
            let mut command = Command::new("chrt");
            Process::start("chrt", command.args(["--idle", "0", "sh", "-c", "while :; do :; done"]))
        };
        Awake((0..processors).map(|_| spin()).collect())
    }
}
