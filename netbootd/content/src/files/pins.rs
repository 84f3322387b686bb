//! Clients that read a file of a folder by ranges: each goes on with the version that it began
//! with, or is refused.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use imagestore::{BootFile, OpenError};
use lru::LruCache;

use parking_lot::{Mutex, MutexGuard};

/// Which version of which file each client reads, and those versions, open. The least recently used
/// leaves first.
#[derive(Debug)]
pub(super) struct Pins(Mutex<Table>);

#[derive(Debug)]
struct Table {
    readers: LruCache<IpAddr, HashMap<String, Pin>>,
    /// The versions that clients read, by entity tag.
    versions: LruCache<String, BootFile>,
}

#[derive(Debug)]
struct Pin {
    etag: String,
    last: Instant,
}

impl Default for Pins {
    fn default() -> Self {
        let table = Table { readers: LruCache::new(MAX_CLIENTS), versions: LruCache::new(MAX_OPEN) };
        Pins(Mutex::new(table))
    }
}

impl Pins {
    /// The version of a file that a client goes on with; `current` is what the path gives now, None
    /// when it gives nothing any more. None for a client that reads no such file.
    pub(super) fn choose(
        &self,
        client: IpAddr,
        path: &str,
        current: Option<BootFile>,
        now: Instant,
    ) -> Option<Result<BootFile, OpenError>> {
        let mut table = self.lock();
        let Table { readers, versions } = &mut *table;
        let path = path.to_ascii_lowercase();
        let pin = readers.get_mut(&client).and_then(|paths| paths.get_mut(&path));
        match (pin.filter(|pin| now.saturating_duration_since(pin.last) < SILENCE), current) {
            (Some(pin), Some(current)) if current.etag() == pin.etag => {
                pin.last = now;
                Some(Ok(current))
            }
            (Some(pin), _) => {
                pin.last = now;
                let whole = versions.get(&pin.etag).filter(|version| version.check_unchanged().is_ok());
                Some(match whole.map(BootFile::reopen) {
                    Some(reopened) => reopened.map_err(OpenError::Io),
                    None => Err(OpenError::Replaced),
                })
            }
            (None, Some(current)) => {
                let etag = current.etag().into_owned();
                if !versions.contains(&etag)
                    && let Ok(version) = current.reopen()
                {
                    versions.put(etag.clone(), version);
                }
                let paths = readers.get_or_insert_mut(client, HashMap::new);
                if paths.len() >= MAX_PATHS {
                    paths.clear();
                }
                paths.insert(path, Pin { etag, last: now });
                Some(Ok(current))
            }
            (None, None) => None,
        }
    }

    /// A client fetches all of a file: it reads the current version from now on.
    pub(super) fn reads_whole(&self, client: IpAddr, path: &str) {
        if let Some(paths) = self.lock().readers.peek_mut(&client) {
            paths.remove(&path.to_ascii_lowercase());
        }
    }

    /// Forgets what a client read: it boots again.
    pub(super) fn forget(&self, client: IpAddr) {
        self.lock().readers.pop(&client);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock()
    }
}

/// As long as a machine keeps the version of an image.
const SILENCE: Duration = Duration::from_secs(2 * 3600);
const MAX_CLIENTS: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");
/// Files that one client reads by ranges at a time; more are not remembered together.
const MAX_PATHS: usize = 16;
/// Versions that are kept open: one descriptor each.
const MAX_OPEN: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::Ipv4Addr;

    use imagestore::{BootTree, Mount};

    use super::*;

    const MAC: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

    #[test]
    fn a_client_goes_on_with_its_version_and_is_refused_once_that_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let tree = BootTree::new(&[Mount { at: String::new(), folder: folder.path().to_owned() }]).unwrap();
        let (pins, now) = (Pins::default(), Instant::now());
        let read = |client: IpAddr, at: Instant| {
            let file = pins.choose(client, "Root.dmg", tree.open_raw(b"root.dmg").ok(), at).unwrap()?;
            let mut bytes = [0; 3];
            file.read_exact_at(0, &mut bytes).map_err(|_| OpenError::NotFound)?;
            Ok::<_, OpenError>(String::from_utf8_lossy(&bytes).into_owned())
        };
        let place = folder.path().join("root.dmg");
        let replace = |text: &str| {
            fs::write(folder.path().join("new"), text).unwrap();
            fs::rename(folder.path().join("new"), &place).unwrap();
        };
        replace("old");
        assert_eq!(read(MAC, now).unwrap(), "old");
        fs::rename(&place, folder.path().join("kept")).unwrap();
        assert_eq!(read(MAC, now).unwrap(), "old", "it was removed");
        replace("new");
        assert_eq!(read(MAC, now).unwrap(), "old");
        let other = IpAddr::from([10, 0, 0, 2]);
        assert_eq!(read(other, now).unwrap(), "new");
        fs::write(folder.path().join("kept"), "mix").unwrap();
        assert!(matches!(read(MAC, now), Err(OpenError::Replaced)));
        fs::write(&place, "mix").unwrap();
        assert!(matches!(read(other, now), Err(OpenError::Replaced)));
        pins.reads_whole(MAC, "root.DMG");
        pins.forget(other);
        assert_eq!((read(MAC, now).unwrap(), read(other, now).unwrap()), ("mix".into(), "mix".into()));
        replace("new");
        assert_eq!(read(MAC, now + SILENCE).unwrap(), "new");
    }

    #[test]
    fn clients_and_open_versions_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let tree = BootTree::new(&[Mount { at: String::new(), folder: folder.path().to_owned() }]).unwrap();
        for n in 0..300 {
            fs::write(folder.path().join(n.to_string()), "x").unwrap();
        }
        let (pins, now) = (Pins::default(), Instant::now());
        for n in 0..5000_u32 {
            let path = (n % 300).to_string();
            let file = tree.open_raw(path.as_bytes()).unwrap();
            pins.choose(Ipv4Addr::from(n % 4200).into(), &path, Some(file), now).unwrap().unwrap();
        }
        let table = pins.lock();
        assert_eq!((table.readers.len(), table.versions.len()), (MAX_CLIENTS.get(), MAX_OPEN.get()));
        assert!(table.readers.iter().all(|(_, paths)| paths.len() <= MAX_PATHS));
    }
}
