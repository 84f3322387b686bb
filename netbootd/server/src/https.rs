//! HTTPS on the boot port: the certificates in force, and their reload when a file changes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use netbootd_config::Https as Settings;
use netbootd_directory::certificates::{Seen, days_left};
use netbootd_net::server_tls::{Certificates, Pair, PairError};
use netbootd_net::with_causes;
use parking_lot::Mutex;
use tracing::{error, info};

/// The certificates of the boot port.
#[derive(Debug, Default)]
pub struct Https {
    certificates: Arc<Certificates>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The files as they were when they were last read.
    read: Vec<Stamp>,
    /// The files as the last look saw them.
    looked: Vec<Stamp>,
    /// Why the files that are there now are not in force.
    trouble: Option<String>,
    /// The files of the certificates in force, in their order.
    chains: Vec<PathBuf>,
}

/// Tells a file from what took its place.
type Stamp = Option<(SystemTime, u64)>;

impl Https {
    /// The certificates that clients are shown.
    pub fn certificates(&self) -> &Arc<Certificates> {
        &self.certificates
    }

    /// Reads every file. With an error the certificates stay as they were.
    pub fn load(&self, settings: &Settings) -> Result<(), PairError> {
        let stamps = stamps(settings);
        let pairs: Result<Vec<Pair>, PairError> = settings.certificates.iter().map(Pair::load).collect();
        let mut state = self.state.lock();
        (state.looked, state.read) = (stamps.clone(), stamps);
        match pairs {
            Ok(pairs) => {
                self.certificates.replace(pairs);
                state.chains = settings.certificates.iter().map(|files| files.chain.clone()).collect();
                state.trouble = None;
                Ok(())
            }
            Err(error) => {
                state.trouble = Some(with_causes(&error));
                Err(error)
            }
        }
    }

    /// Reads the files again once they have changed and rest since the last look: a certificate and
    /// its key are written one after the other.
    pub fn follow(&self, settings: &Settings) {
        let stamps = stamps(settings);
        let mut state = self.state.lock();
        let rests = std::mem::replace(&mut state.looked, stamps.clone()) == stamps;
        let is_due = rests && state.read != stamps;
        drop(state);
        if is_due {
            self.reload(settings);
        }
    }

    /// Reads the files again, and says in the log what came of it.
    pub fn reload(&self, settings: &Settings) {
        match self.load(settings) {
            Ok(()) => {
                let days = self.seen().iter().filter_map(|seen| seen.days).min();
                info!(days, "certificates of the boot port reloaded");
            }
            Err(error) => error!("the boot port keeps its certificates: {}", with_causes(&error)),
        }
    }

    /// How long each certificate in force is good, and what is wrong with the files.
    pub fn seen(&self) -> Vec<Seen> {
        let state = self.state.lock();
        let pairs = self.certificates.pairs();
        let seen = |(pair, chain): (&Pair, &PathBuf)| Seen {
            part: PART.to_owned(),
            server: chain.display().to_string(),
            days: Some(days_left(pair.until)),
            trouble: state.trouble.clone(),
        };
        pairs.iter().zip(&state.chains).map(seen).collect()
    }
}

fn stamps(settings: &Settings) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    settings.files().map(stamp).collect()
}

/// The name under which the certificates are listed.
const PART: &str = "boot-https";
