//! Operators' requests to reload the configuration, on their way to the one who does it.

use std::sync::OnceLock;

use tokio::sync::{mpsc, oneshot};

/// The warnings of a configuration that is in force now, or why the old one stays.
pub type Reloaded = Result<Vec<String>, String>;

/// Where requests go. Nobody takes them before [`Reloads::requests`].
#[derive(Debug, Default)]
pub struct Reloads(OnceLock<mpsc::Sender<oneshot::Sender<Reloaded>>>);

impl Reloads {
    /// Asks for a reload, and waits for what came of it.
    pub async fn ask(&self) -> Reloaded {
        let gone = || "the configuration is not reloaded: netbootd is starting or stopping".to_owned();
        let (answer, answered) = oneshot::channel();
        self.0.get().ok_or_else(gone)?.send(answer).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// The requests, for the one who does it; None when somebody has them already.
    pub fn requests(&self) -> Option<mpsc::Receiver<oneshot::Sender<Reloaded>>> {
        let (sender, requests) = mpsc::channel(1);
        self.0.set(sender).is_ok().then_some(requests)
    }
}
