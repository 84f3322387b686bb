//! Machines that run from an image: a Mac reads its root by ranges for as long as it is on, so it
//! goes on with the version that it began with, whatever becomes current meanwhile.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use imagestore::Digest;
use lru::LruCache;

use parking_lot::{Mutex, MutexGuard};

/// Which version each client reads by ranges. At most [`MAX_CLIENTS`] clients with [`MAX_PATHS`]
/// paths each; the client that was silent for longest leaves first, and of one client the path that
/// it read longest ago. No operation looks at more than one client's paths.
#[derive(Debug)]
pub struct Readers {
    clients: Mutex<LruCache<IpAddr, VecDeque<Read>>>,
}

/// The version of one path that a client reads; the latest is the last of its queue.
#[derive(Debug)]
struct Read {
    path: String,
    version: Digest,
    at: Instant,
}

impl Default for Readers {
    fn default() -> Self {
        Readers { clients: Mutex::new(LruCache::new(MAX_CLIENTS)) }
    }
}

impl Readers {
    /// The version that a client reads a path from, unless it has been silent for too long.
    pub fn version(&self, client: IpAddr, path: &str, now: Instant) -> Option<Digest> {
        let clients = self.lock();
        let read = clients.peek(&client)?.iter().find(|read| read.path.eq_ignore_ascii_case(path))?;
        (now.saturating_duration_since(read.at) < SILENCE).then_some(read.version)
    }

    /// Notes what a client reads.
    pub fn reads(&self, client: IpAddr, path: &str, version: Digest, now: Instant) {
        let mut clients = self.lock();
        let reads = clients.get_or_insert_mut(client, VecDeque::new);
        let known = reads.iter().position(|read| read.path.eq_ignore_ascii_case(path));
        let path = known.and_then(|at| reads.remove(at)).map_or_else(|| path.to_owned(), |read| read.path);
        if reads.len() == MAX_PATHS {
            reads.pop_front();
        }
        reads.push_back(Read { path, version, at: now });
    }

    /// Forgets what a client read: it boots again, and reads what is current.
    pub fn forget(&self, client: IpAddr) {
        self.lock().pop(&client);
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<IpAddr, VecDeque<Read>>> {
        self.clients.lock()
    }
}

/// As long as a lease keeps a version in the store.
const SILENCE: Duration = Duration::from_secs(2 * 3600);
/// Machines that run from one server at a time: as many as HTTP has connections. Two hundred bytes
/// for each path.
const MAX_CLIENTS: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");
/// A Mac reads one root, and maybe the shadow of another.
const MAX_PATHS: usize = 4;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_client_keeps_its_version_until_it_boots_again_or_falls_silent() {
        let (readers, now) = (Readers::default(), Instant::now());
        let (mac, other) = (Ipv4Addr::new(10, 0, 0, 1).into(), Ipv4Addr::new(10, 0, 0, 2).into());
        let (old, new) = (Digest::compute(b"old"), Digest::compute(b"new"));
        readers.reads(mac, "Sierra/Root.dmg", old, now);
        readers.reads(other, "Sierra/Root.dmg", new, now);
        assert_eq!(readers.version(mac, "sierra/root.DMG", now), Some(old));
        assert_eq!(readers.version(other, "Sierra/Root.dmg", now), Some(new));
        assert_eq!(readers.version(mac, "Sierra/other", now), None);
        assert_eq!(readers.version(mac, "Sierra/Root.dmg", now + SILENCE), None);
        readers.forget(mac);
        assert_eq!(readers.version(mac, "Sierra/Root.dmg", now), None);
        assert_eq!(readers.version(other, "Sierra/Root.dmg", now), Some(new));
    }

    #[test]
    fn the_table_is_bounded_and_a_client_that_reads_much_forgets_only_its_own() {
        let (readers, now) = (Readers::default(), Instant::now());
        let (mac, greedy) = (Ipv4Addr::new(10, 0, 0, 1).into(), Ipv4Addr::new(10, 0, 0, 2).into());
        readers.reads(mac, "root", Digest::compute(b"a"), now);
        for n in 0..100_000 {
            readers.reads(greedy, &format!("root{n}"), Digest::compute(b"a"), now);
        }
        assert_eq!(readers.version(mac, "root", now), Some(Digest::compute(b"a")));
        assert_eq!(readers.lock().peek(&greedy).map(VecDeque::len), Some(MAX_PATHS));
        for n in 0..u32::try_from(MAX_CLIENTS.get()).unwrap() {
            readers.reads(Ipv4Addr::from(n).into(), "root", Digest::compute(b"a"), now);
        }
        assert_eq!(readers.lock().len(), MAX_CLIENTS.get());
        assert_eq!(readers.version(mac, "root", now), None, "the oldest left");
    }
}
