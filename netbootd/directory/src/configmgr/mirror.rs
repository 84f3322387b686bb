//! A copy of the site in memory and on the disk, kept up to date in the background: decisions need
//! no question then.
//!
//! A machine that the copy has, and that has nothing Required, is answered from memory. One with a
//! Required deployment is confirmed with the site first, several machines a request. One that the
//! copy does not have is looked up at the site. When the site is away, the copy's answers count as
//! old ones do: nothing Required begins by them.

mod answer;
mod around;
mod content;
mod device;
mod kept;
mod machines;
mod members;
mod model;
mod places;
mod shapes;
mod status;
mod sweep;
mod sync;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use netbootd_state::site_file::SiteFile;
use parking_lot::{Mutex, RwLock};
use pxe_policy::Trouble;
use tokio::sync::Notify;

pub use content::{ContentState, SiteImage};
use machines::Confirmer;
use model::Model;
pub use model::Shared;
pub use places::{Group, Place};
pub use shapes::Shapes;
pub use status::MirrorView;
use status::Status;
pub use sweep::{Held, Paging};
pub(super) use sync::Cadence;
use sync::Progress;

/// The copy of one site. It outlives reloads of the configuration.
#[derive(Debug)]
pub struct Mirror {
    /// The state folder, for the file.
    folder: PathBuf,
    model: RwLock<Model>,
    status: Mutex<Status>,
    again: Mutex<Again>,
    confirmer: Confirmer,
    file: Mutex<Option<Arc<SiteFile>>>,
    progress: tokio::sync::Mutex<Progress>,
    wake: Notify,
}

impl Mirror {
    /// A copy that is kept in this folder. Nothing is read yet.
    pub fn new(folder: PathBuf) -> Self {
        Mirror {
            folder,
            model: RwLock::default(),
            status: Mutex::default(),
            again: Mutex::default(),
            confirmer: Confirmer::default(),
            file: Mutex::default(),
            progress: tokio::sync::Mutex::default(),
            wake: Notify::new(),
        }
    }

    /// Returns when somebody asks for a cycle now.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Accepts what was held back: the next sweep removes what the site does not show.
    pub fn accept(&self) -> Option<Held> {
        let held = self.status.lock().accept();
        self.wake.notify_one();
        held
    }

    /// Reads the whole site again as soon as possible.
    pub fn sweep_now(&self) {
        self.status.lock().swept = None;
        self.wake.notify_one();
    }

    /// Why the copy is not brought up to date.
    pub fn trouble(&self) -> Option<Trouble> {
        self.status.lock().trouble.clone()
    }

    /// How old the copy is, once it is whole.
    fn age(&self) -> Option<Duration> {
        self.status.lock().age(Instant::now())
    }

    /// Has a machine's records read again soon, as it boots now.
    fn read_again(&self, ids: &[u32], now: Instant) {
        let mut again = self.again.lock();
        ids.iter().for_each(|id| again.push(*id, now));
    }
}

/// Records of machines that boot, to be read again, each at most once in [`AGAIN_AFTER`].
#[derive(Debug, Default)]
struct Again {
    queue: VecDeque<u32>,
    lately: HashMap<u32, Instant>,
    /// When the older ones were forgotten.
    swept: Option<Instant>,
}

impl Again {
    fn push(&mut self, id: u32, now: Instant) {
        let is_recent = |at: &Instant| now.saturating_duration_since(*at) < AGAIN_AFTER;
        if self.lately.get(&id).is_some_and(is_recent) {
            return;
        }
        let is_due = self.swept.is_none_or(|at| !is_recent(&at));
        if self.lately.len() >= MAX_AGAIN && is_due {
            self.swept = Some(now);
            self.lately.retain(|_, at| is_recent(at));
        }
        if self.lately.len() < MAX_AGAIN && self.queue.len() < MAX_AGAIN {
            self.lately.insert(id, now);
            self.queue.push_back(id);
        }
    }

    fn take(&mut self, most: usize) -> Vec<u32> {
        let count = self.queue.len().min(most);
        self.queue.drain(..count).collect()
    }
}

/// A machine asks several times in one boot.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// A building that boots; the others are read again by the next sweep.
const MAX_AGAIN: usize = 16_384;

#[cfg(test)]
mod tests;
