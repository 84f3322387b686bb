//! Operators' requests to reload the configuration, on their way to the one who does it.

use std::path::PathBuf;
use std::sync::OnceLock;

use netbootd_config::Findings;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinError;

use crate::services::SnapshotError;

/// The warnings of a configuration that is in force now, or why the old one stays.
pub type Reloaded = Result<Vec<String>, ReloadError>;

/// Why the configuration stays as it was.
#[derive(Debug, Error)]
pub enum ReloadError {
    /// Nobody reloads yet, or any more.
    #[error("the configuration is not reloaded: netbootd is starting or stopping")]
    NotServing,
    /// The new one has errors.
    #[error("{findings}{}", hint(.cure))]
    Config {
        /// The errors of the configuration.
        findings: Box<Findings>,
        /// The remedy, when the reason is a privilege that this process has given up.
        cure: Option<&'static str>,
    },
    /// The new one names paths that this process may not open any more.
    #[error("{}", .0.iter().map(OutOfReach::to_string).collect::<Vec<_>>().join("; "))]
    OutOfReach(Vec<OutOfReach>),
    /// Its folders or directories cannot be used.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Loading the configuration panicked.
    #[error(transparent)]
    Broken(#[from] JoinError),
}

/// A path that a new configuration names and the sandbox denies.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{} ({why}) was out of reach when netbootd was started; {cure}", .path.display())]
pub struct OutOfReach {
    /// The path of the key in the configuration.
    pub path: PathBuf,
    /// The purpose of the path.
    pub why: &'static str,
    /// The remedy that brings it into reach.
    pub cure: &'static str,
}

fn hint(cure: &Option<&str>) -> String {
    let cure = cure.map(|cure| format!("what was out of reach when netbootd was started stays so; {cure}"));
    cure.unwrap_or_default()
}

/// Where requests go. Nobody takes them before [`Reloads::requests`].
#[derive(Debug, Default)]
pub struct Reloads(OnceLock<mpsc::Sender<oneshot::Sender<Reloaded>>>);

impl Reloads {
    /// Asks for a reload, and waits for what came of it.
    pub async fn ask(&self) -> Reloaded {
        let (answer, answered) = oneshot::channel();
        let requests = self.0.get().ok_or(ReloadError::NotServing)?;
        requests.send(answer).await.map_err(|_| ReloadError::NotServing)?;
        answered.await.map_err(|_| ReloadError::NotServing)?
    }

    /// The requests, for the one who does it; None when somebody has them already.
    pub fn requests(&self) -> Option<mpsc::Receiver<oneshot::Sender<Reloaded>>> {
        let (sender, requests) = mpsc::channel(1);
        self.0.set(sender).is_ok().then_some(requests)
    }
}
