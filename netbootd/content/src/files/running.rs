//! Which machines run from which version of an image. Noted when a transfer is complete, so nobody
//! counts that only claims an address; written into the store's leases now and then, where
//! `netbootd image remove` looks.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use imagestore::{Digest, Runner, Store};
use lru::LruCache;
use parking_lot::Mutex;
use pxe_policy::MacAddr;

/// The clients that run from an image, by address.
#[derive(Debug)]
pub(super) struct Running {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// The version of which a client last opened a file.
    opened: LruCache<IpAddr, Digest>,
    runs: HashMap<Digest, HashMap<IpAddr, Run>>,
    changed: HashSet<Digest>,
    written: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    mac: Option<MacAddr>,
    at: u64,
}

impl Running {
    /// With what the store's leases say.
    pub(super) fn open(store: &Store) -> Self {
        let mut runs: HashMap<Digest, HashMap<IpAddr, Run>> = HashMap::new();
        for version in store.leased().unwrap_or_default() {
            let known = store.runners(&version).into_iter().filter_map(|runner| {
                let mac = runner.mac.and_then(|mac| mac.parse().ok());
                Some((runner.client.parse().ok()?, Run { mac, at: runner.at }))
            });
            runs.insert(version, known.take(MAX_RUNS).collect());
        }
        let opened = LruCache::new(MAX_OPENED);
        Running { inner: Mutex::new(Inner { opened, runs, changed: HashSet::new(), written: None }) }
    }

    /// A client opened a file of a version.
    pub(super) fn opened(&self, client: IpAddr, version: Digest) {
        self.with(|inner| {
            inner.opened.put(client.to_canonical(), version);
        });
    }

    /// A client has all of a file, or of a part of one.
    pub(super) fn completed(&self, client: IpAddr, mac: Option<MacAddr>, now: SystemTime) {
        let (client, at) = (client.to_canonical(), seconds(now));
        self.with(|inner| {
            let Some(version) = inner.opened.get(&client).copied() else { return };
            let runs = inner.runs.entry(version).or_default();
            if let Some(run) = runs.get(&client)
                && at.saturating_sub(run.at) < NOTED_EVERY
            {
                return;
            }
            if runs.len() >= MAX_RUNS {
                runs.retain(|_, run| at.saturating_sub(run.at) < KEPT);
            }
            if runs.len() < MAX_RUNS || runs.contains_key(&client) {
                runs.insert(client, Run { mac, at });
                inner.changed.insert(version);
            }
        });
    }

    /// Writes down what has changed, now and then.
    pub(super) fn write(&self, store: &Store, now: Instant) {
        let changed = self.with(|inner| {
            let is_due = inner.written.is_none_or(|at| now.saturating_duration_since(at) >= WRITTEN_EVERY);
            if !is_due || inner.changed.is_empty() {
                return Vec::new();
            }
            inner.written = Some(now);
            let changed: Vec<Digest> = inner.changed.drain().collect();
            changed.into_iter().map(|version| (version, inner.runners(version))).collect()
        });
        for (version, runners) in changed {
            if let Err(error) = store.note_runners(&version, &runners) {
                tracing::debug!(%error, %version, "which machines run from an image is not written down");
            }
        }
    }

    fn with<T>(&self, action: impl FnOnce(&mut Inner) -> T) -> T {
        action(&mut self.inner.lock())
    }
}

impl Inner {
    fn runners(&self, version: Digest) -> Vec<Runner> {
        let runs = self.runs.get(&version).into_iter().flatten();
        let runner = |(client, run): (&IpAddr, &Run)| Runner {
            client: client.to_string(),
            mac: run.mac.map(|mac| mac.to_string()),
            at: run.at,
        };
        runs.map(runner).collect()
    }
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Clients that opened a file and may complete it.
const MAX_OPENED: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");
/// Machines that run from one version; a hundred bytes each.
const MAX_RUNS: usize = 32_768;
/// A Mac reads its root in thousands of parts: one note a minute is enough, in seconds.
const NOTED_EVERY: u64 = 60;
/// As long as a lease, in seconds.
const KEPT: u64 = 2 * 3600;
const WRITTEN_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use imagestore::StoreLimits;

    #[test]
    fn a_machine_that_completed_a_file_is_written_down_and_one_that_only_asked_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), StoreLimits::default()).unwrap();
        let running = Running::open(&store);
        let (one, other): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let (version, mac) = (Digest::compute(b"version"), MacAddr([2, 0, 0, 0, 0, 1]));
        let (now, wall) = (Instant::now(), SystemTime::now());
        running.opened(one, version);
        running.opened(other, version);
        running.completed(one, Some(mac), wall);
        running.completed([10, 0, 0, 3].into(), None, wall);
        running.write(&store, now);
        let runners = store.runners(&version);
        let shown: Vec<_> =
            runners.iter().map(|runner| (runner.client.as_str(), runner.mac.clone())).collect();
        assert_eq!(shown, [("10.0.0.1", Some(mac.to_string()))]);
        assert!(store.leased().unwrap().contains(&version));
        // A restart goes on with it, and so does another lease.
        store.lease(&version).unwrap();
        let running = Running::open(&store);
        running.opened(other, version);
        running.completed(other, None, wall);
        running.write(&store, now);
        assert_eq!(store.runners(&version).len(), 2);
    }
}
