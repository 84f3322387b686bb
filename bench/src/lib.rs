//! Side by side with peers, in one run: medians of interleaved rounds, told as ratios.

pub mod account;
pub mod client_error;
pub mod devices;
pub mod dora;
pub mod fleet;
pub mod host;
pub mod http_client;
pub mod load;
pub mod processes;
pub mod processors;
pub mod spread;
pub mod table;

use std::process::Command;
use std::time::{Duration, Instant};

/// The times of one contestant, over all rounds.
#[derive(Debug, Clone, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// The median in seconds.
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default().as_secs_f64()
    }
}

/// Runs contestants in turns, A B A B, so that whatever else the machine does meets all of them
/// alike.
pub fn in_turns<const N: usize>(rounds: usize, mut contestants: [&mut dyn FnMut(); N]) -> [Times; N] {
    let mut times = std::array::from_fn(|_| Times::default());
    for _ in 0..rounds {
        for (contestant, times) in contestants.iter_mut().zip(&mut times) {
            let started = Instant::now();
            contestant();
            times.0.push(started.elapsed());
        }
    }
    times
}

/// Runs a program to its end.
///
/// # Panics
/// When it fails.
pub fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
