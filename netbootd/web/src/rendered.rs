//! Pages as they were rendered last, for several who look at the same page.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Pages as they were rendered last: several who look at the same page cost as much as one.
#[derive(Debug, Default)]
pub(crate) struct Rendered {
    pages: Mutex<HashMap<u64, Known>>,
}

/// The number of the board's last change, when it was rendered, and the page.
type Known = (u64, Instant, Arc<str>);

impl Rendered {
    /// The page with this key, and the board's change that it shows, when it is recent enough.
    pub(crate) fn recent(&self, key: u64) -> Option<(u64, Arc<str>)> {
        let pages = self.pages.lock();
        let (version, at, html) = pages.get(&key)?;
        (at.elapsed() < PACE).then(|| (*version, Arc::clone(html)))
    }

    /// Keeps a page for others who look at it.
    pub(crate) fn put(&self, key: u64, version: u64, html: &Arc<str>) {
        let mut pages = self.pages.lock();
        if pages.len() >= MOST_RENDERED {
            pages.retain(|_, (_, at, _)| at.elapsed() < PACE);
        }
        if pages.len() < MOST_RENDERED {
            pages.insert(key, (version, Instant::now(), Arc::clone(html)));
        }
    }
}

/// Changed parts go out no more often than this.
pub(crate) const PACE: Duration = Duration::from_millis(500);
/// Pages that are kept for others.
const MOST_RENDERED: usize = 64;
