//! `make chaos`: faults on purpose, one line each: what, how many, outcome. Words on the command
//! line choose checks by name, and `--times=20` does each so many times.
#![allow(clippy::print_stdout)] // its output

use std::time::Instant;

use netbootd_tests::chaos;

/// A check: its name, how many times, and what gives the words for its line.
type Check = (&'static str, u32, fn(u32) -> String);

const CHECKS: &[Check] = &[
    ("SIGKILL under load", 1000, chaos::kills),
    ("power loss under load", 100, chaos::power_losses),
    ("the state's disk full", 3, chaos::full_state_disk),
    ("a blob damaged under its readers", 10, chaos::damaged_blobs),
    ("a disk that fails under readers of a blob", 5, chaos::unreadable_blobs),
    ("boot files overwritten under their readers", 60, chaos::overwrites),
    ("idle connections of a network", 8000, chaos::idle_connections),
    ("connections that take nothing", 2000, chaos::stuck_connections),
    ("SIGTERM in the middle of transfers", 5, chaos::stops),
    ("SIGHUP in the middle of transfers", 20, chaos::reloads),
    ("links and addresses that change", 5, chaos::links),
    ("a directory that hangs", 100, chaos::hanging_directories),
    ("sessions of 72 hours", 1_000_000, chaos::churn),
    ("strangers in 72 hours", 300_000, chaos::strangers),
    ("read requests in the names of others", 1_000_000, chaos::forged_reads),
    ("seconds of questions of relays that nobody is", 60, chaos::silent_relays),
    ("seconds of a flood of junk", 10, chaos::flood),
    ("seconds of a flood at full speed", 10, chaos::flood_at_full_speed),
];

fn main() {
    let times: Option<u32> = std::env::args().find_map(|word| word.strip_prefix("--times=")?.parse().ok());
    let chosen: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let began = Instant::now();
    for (name, count, check) in CHECKS {
        if !chosen.is_empty() && !chosen.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        let since = Instant::now();
        let count = times.unwrap_or(*count);
        let outcome = check(count);
        println!("{name}: {count}: {outcome} ({} s)", since.elapsed().as_secs());
    }
    println!("all held, in {} s", began.elapsed().as_secs());
}
