//! How full the disks are that netbootd keeps its state and its images on: looked at every few
//! seconds at most, however many look at the page.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use imagestore::{Bound, platform};
use netbootd_content::files::Images;
use parking_lot::Mutex;

/// The disks as they were seen last.
#[derive(Debug, Default)]
pub(crate) struct Storage {
    seen: Mutex<Option<(Instant, Arc<Seen>)>>,
}

/// The state of folders and disks. An error is text for operators.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) folders: Vec<Folder>,
    pub(crate) store: Option<Store>,
}

/// A folder, and what its disk has free.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) free: std::io::Result<u64>,
}

/// The state of the image store.
#[derive(Debug)]
pub(crate) enum Store {
    /// Bytes in use, bytes that it may grow by, and the quota.
    Open { used: u64, room: u64, quota: Option<u64> },
    /// The reason, in words.
    Unreadable(String),
}

impl Storage {
    /// The state folder and the image store.
    pub(crate) async fn look(&self, state_dir: &Path, images: Option<Arc<Images>>) -> Arc<Seen> {
        if let Some((at, seen)) = &*self.seen.lock()
            && at.elapsed() < LOOKED_EVERY
        {
            return Arc::clone(seen);
        }
        let state_dir = state_dir.to_owned();
        let look = move || {
            let mut folders = vec![folder("State", &state_dir)];
            let store = images.map(|images| {
                let store = images.store();
                folders.push(folder("Images", store.root()));
                match store.used().and_then(|used| Ok((used, store.room()?))) {
                    Ok((used, room)) => {
                        let quota = match room.bound {
                            Bound::Quota { quota, .. } => Some(quota),
                            _ => None,
                        };
                        Store::Open { used, room: room.have, quota }
                    }
                    Err(error) => Store::Unreadable(netbootd_net::with_causes(&error)),
                }
            });
            Seen { folders, store }
        };
        let seen = Arc::new(tokio::task::spawn_blocking(look).await.unwrap_or_default());
        *self.seen.lock() = Some((Instant::now(), Arc::clone(&seen)));
        seen
    }
}

fn folder(name: &'static str, path: &Path) -> Folder {
    Folder { name, path: path.to_owned(), free: platform::available_space(path) }
}

const LOOKED_EVERY: Duration = Duration::from_secs(5);
