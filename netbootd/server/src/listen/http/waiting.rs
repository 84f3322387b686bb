//! Connections that wait for a request. Each keeps its place here meanwhile, and loses it to
//! another client when there are no more: the one that never asked for anything goes first, then
//! the one that has been silent for longest.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::limits::session_limits::{Full, Place, network_of};

/// The connections that wait. There are never more of them than places.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    table: Mutex<Table>,
    came: Notify,
}

#[derive(Debug, Default)]
struct Table {
    entries: BTreeMap<Key, Entry>,
    /// The number of the last one.
    last: u64,
}

/// In the order in which places are taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    has_asked: bool,
    since: Instant,
    number: u64,
}

#[derive(Debug)]
struct Entry {
    place: Place,
    /// Dropped with the entry: that wakes its connection.
    _evicted: oneshot::Sender<()>,
}

/// A connection that waits. Dropping it frees its place.
#[derive(Debug)]
pub(super) struct Parked {
    waiting: Arc<Waiting>,
    key: Key,
    evicted: oneshot::Receiver<()>,
}

impl Waiting {
    /// Keeps the place of a connection which has waited since then; `has_asked` when it was of use
    /// before.
    pub(super) fn park(self: &Arc<Self>, place: Place, has_asked: bool, since: Instant) -> Parked {
        let (sender, evicted) = oneshot::channel();
        let mut table = self.lock();
        table.last += 1;
        let key = Key { has_asked, since, number: table.last };
        table.entries.insert(key, Entry { place, _evicted: sender });
        let first = table.entries.len() == 1;
        drop(table);
        if first {
            self.came.notify_waiters();
        }
        Parked { waiting: Arc::clone(self), key, evicted }
    }

    /// Frees the place that a client could take under the bound that is reached; false when every
    /// such connection is in use.
    pub(super) fn evict(&self, full: Full, client: IpAddr) -> bool {
        let mut table = self.lock();
        let network = network_of(client);
        let takes = |entry: &Entry| match full {
            Full::Client | Full::Unproved => entry.place.client() == client,
            Full::Network => network_of(entry.place.client()) == network,
            Full::All => true,
        };
        let oldest = table.entries.iter().find(|(_, entry)| takes(entry)).map(|(key, _)| *key);
        let evicted = oldest.and_then(|key| table.entries.remove(&key));
        drop(table);
        evicted.is_some()
    }

    /// Waits until a connection waits.
    pub(super) async fn any(&self) {
        loop {
            let mut came = pin!(self.came.notified());
            // From here on none that comes is missed.
            came.as_mut().enable();
            if !self.lock().entries.is_empty() {
                return;
            }
            came.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock()
    }
}

impl Parked {
    /// Waits until its place is taken away.
    pub(super) async fn evicted(&mut self) {
        // The sender says nothing: it goes.
        let _ = (&mut self.evicted).await;
    }

    /// The place, for a connection that goes on; None when it was taken away.
    pub(super) fn resume(self) -> Option<Place> {
        self.waiting.lock().entries.remove(&self.key).map(|entry| entry.place)
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        let entry = self.waiting.lock().entries.remove(&self.key);
        // Its place is freed without the lock.
        drop(entry);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;
    use crate::limits::session_limits::SessionLimits;
    use netbootd_config::Bounds;

    #[tokio::test]
    async fn the_place_of_who_never_asked_goes_first_and_only_where_the_bound_is_reached() {
        let bounds = Bounds { all: 9, network: 9, client: 9, unproved: None };
        let (places, waiting) = (Arc::new(SessionLimits::default()), Arc::new(Waiting::default()));
        let address = |network: u8, host: u8| IpAddr::V4(Ipv4Addr::new(10, 0, network, host));
        let begin = Instant::now();
        let park = |network, host, has_asked, second| {
            let place = places.open(address(network, host), &bounds).unwrap();
            waiting.park(place, has_asked, begin + Duration::from_secs(second))
        };
        let useful = park(1, 1, true, 0);
        let mut oldest = park(1, 2, false, 1);
        let younger = park(1, 1, false, 2);
        let mut elsewhere = park(2, 1, false, 0);
        assert!(!waiting.evict(Full::Client, address(1, 3)));
        assert!(waiting.evict(Full::Network, address(1, 3)));
        oldest.evicted().await;
        assert_eq!((oldest.resume().is_none(), places.taken()), (true, 3));
        assert!(waiting.evict(Full::All, address(1, 3)));
        elsewhere.evicted().await;
        assert!(waiting.evict(Full::Client, address(1, 1)));
        assert!(younger.resume().is_none());
        // One that goes on has its place again, and cannot lose it.
        let place = useful.resume().unwrap();
        assert!(!waiting.evict(Full::All, address(1, 1)));
        assert_eq!(places.taken(), 1);
        drop(place);
        drop(park(3, 1, false, 3));
        assert_eq!(places.taken(), 0);
    }
}
