//! The table of the transfers under way: who is admitted, and how their tasks are reached.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netbootd_config::Bounds;
use tokio::sync::mpsc;

use crate::limits::places::{Full, Place, Places};

/// The transfers under way, by client address and port.
#[derive(Debug, Default)]
pub(super) struct Transfers(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<SocketAddr, Entry>,
    /// Transfers whose client has asked anew from the same port, by their numbers: they end by themselves.
    older: HashMap<u64, Entry>,
    /// Those in which nothing was acknowledged yet, by their numbers: the oldest comes first.
    unproved: BTreeMap<u64, SocketAddr>,
    /// The number of the last one.
    last: u64,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    since: Instant,
    request: Vec<u8>,
    inbox: mpsc::Sender<Mail>,
    place: Place,
    /// Whether its client has acknowledged something.
    proved: bool,
}

/// A transfer's entry in the table. Dropping it takes the entry out.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) transfers: Arc<Transfers>,
    pub(super) from: SocketAddr,
    pub(super) number: u64,
}

/// What reaches a transfer's task from outside its own socket.
#[derive(Debug)]
pub(super) enum Mail {
    /// A datagram of the client, in single-port mode.
    Datagram(Vec<u8>),
    /// The client's port is closed, in single-port mode.
    Unreachable,
    /// The client began something else from the same port.
    Superseded,
    /// Newer requests need its place, and its client has acknowledged nothing.
    Evicted,
}

/// Which ports transfers have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ports {
    /// Each its own, as RFC 1350 §4 wants it.
    Own,
    /// All the one that requests come to.
    One,
}

pub(super) enum Admission {
    /// With how many others had to leave for it.
    Admitted {
        number: u64,
        inbox: mpsc::Receiver<Mail>,
        evicted: usize,
    },
    Repeated,
    Full(Full),
}

impl Admitted {
    /// The client has acknowledged something. Fails when all places of clients that have are taken.
    pub(super) fn proved(&self, bounds: &Bounds) -> Result<(), Full> {
        self.transfers.proved(self.from, self.number, bounds)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.transfers.remove(self.from, self.number);
    }
}

impl Transfers {
    /// A repeated request starts no second transfer; another one from the same port ends the first.
    ///
    /// A client that goes on to its next file from the same port is faster than the task that takes its last acknowledgement, and one that
    /// asked once more may have been answered meanwhile. Whether the same request is one or the other cannot be known: with a port for each
    /// transfer both go on, and the client refuses the one that it does not know (RFC 1350 §4).
    pub(super) fn admit(
        &self,
        now: Instant,
        from: SocketAddr,
        request: &[u8],
        ports: Ports,
        places: &Arc<Places>,
        bounds: &Bounds,
    ) -> Admission {
        let mut table = self.lock();
        let table = &mut *table;
        if let Some(entry) = table.entries.get(&from) {
            let same = entry.request == request;
            if same && !entry.proved && now.duration_since(entry.since) < REPEATED_WITHIN {
                return Admission::Repeated;
            }
            if same && ports == Ports::Own {
                table.older.extend(table.entries.remove(&from).map(|entry| (entry.number, entry)));
            } else {
                // A full inbox belongs to a task that is busy ending.
                let _ = entry.inbox.try_send(Mail::Superseded);
                // Its place is free for this one.
                table.take_out(from);
            }
        }
        let place = match places.take(from.ip(), bounds) {
            Ok(place) => place,
            Err(full) => return Admission::Full(full),
        };
        let mut evicted = 0;
        while bounds.unproved.is_some_and(|unproved| places.unproved() > unproved.all) && table.evict_oldest()
        {
            evicted += 1;
        }
        table.last += 1;
        let number = table.last;
        if bounds.unproved.is_some() {
            table.unproved.insert(number, from);
        }
        let (sender, inbox) = mpsc::channel(INBOX);
        let request = request.to_vec();
        let entry = Entry { number, since: now, request, inbox: sender, place, proved: false };
        table.entries.insert(from, entry);
        Admission::Admitted { number, inbox, evicted }
    }

    /// The client has acknowledged something. One that was evicted, or has gone on to another request, has no place any more.
    fn proved(&self, from: SocketAddr, number: u64, bounds: &Bounds) -> Result<(), Full> {
        let mut table = self.lock();
        let Table { entries, older, unproved, .. } = &mut *table;
        let entry = entries.get_mut(&from).filter(|entry| entry.number == number);
        let entry = entry.or_else(|| older.get_mut(&number)).ok_or(Full::Unproved)?;
        entry.place.prove(bounds)?;
        entry.proved = true;
        unproved.remove(&number);
        Ok(())
    }

    pub(super) fn remove(&self, from: SocketAddr, number: u64) {
        self.lock().remove(from, number);
    }

    /// Ends them all: each hears that nobody can write to it any more.
    pub(super) fn stop(&self) {
        let mut table = self.lock();
        table.entries.clear();
        table.older.clear();
        table.unproved.clear();
    }

    pub(super) fn knows(&self, from: SocketAddr) -> bool {
        self.lock().entries.contains_key(&from)
    }

    pub(super) fn tell(&self, from: SocketAddr, mail: Mail) {
        if let Some(entry) = self.lock().entries.get(&from) {
            // What does not fit is lost like any datagram.
            let _ = entry.inbox.try_send(mail);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn remove(&mut self, from: SocketAddr, number: u64) -> Option<Entry> {
        self.unproved.remove(&number);
        if self.entries.get(&from).is_some_and(|entry| entry.number == number) {
            return self.entries.remove(&from);
        }
        self.older.remove(&number)
    }

    fn take_out(&mut self, from: SocketAddr) {
        if let Some(entry) = self.entries.remove(&from) {
            self.unproved.remove(&entry.number);
        }
    }

    /// Frees the place of the oldest transfer in which nothing was acknowledged, if there is one.
    fn evict_oldest(&mut self) -> bool {
        let Some((number, from)) = self.unproved.pop_first() else { return false };
        if let Some(entry) = self.remove(from, number) {
            // A full inbox belongs to a task that reads that it is closed behind it.
            let _ = entry.inbox.try_send(Mail::Evicted);
        }
        true
    }
}

/// A request that got lost is repeated after a second or more; one that was doubled on the way comes at once.
const REPEATED_WITHIN: Duration = Duration::from_secs(1);
/// Acknowledgements that a transfer may be behind, in single-port mode.
const INBOX: usize = 64;

#[cfg(test)]
mod tests {
    use netbootd_config::Unproved;

    use super::*;

    #[test]
    fn who_asks_once_more_takes_nothing_from_the_transfer_that_may_have_been_answered_meanwhile() {
        let (transfers, places, from) = (Transfers::default(), Arc::default(), ([10, 0, 0, 1], 2070).into());
        let bounds = Bounds { all: 10, network: 10, client: 10, unproved: None };
        let start = Instant::now();
        let ask = |after, request: &[u8]| {
            transfers.admit(start + after, from, request, Ports::Own, &places, &bounds)
        };
        let Admission::Admitted { inbox: mut first, .. } = ask(Duration::ZERO, b"file") else { panic!() };
        assert!(matches!(ask(Duration::from_millis(900), b"file"), Admission::Repeated));
        let Admission::Admitted { inbox: mut second, .. } = ask(Duration::from_secs(2), b"file") else {
            panic!()
        };
        assert!(matches!(first.try_recv(), Err(mpsc::error::TryRecvError::Empty)));
        // Whoever wants another file does not want that one any more.
        assert!(matches!(ask(Duration::from_secs(3), b"other"), Admission::Admitted { .. }));
        assert!(matches!(second.try_recv(), Ok(Mail::Superseded)));
    }

    #[test]
    fn the_oldest_transfer_that_nobody_acknowledges_makes_room_and_those_that_are_acknowledged_stay() {
        let (transfers, places) = (Arc::new(Transfers::default()), Arc::default());
        let unproved = Some(Unproved { client: 9, all: 4 });
        let bounds = Bounds { all: 10, network: 10, client: 10, unproved };
        let start = Instant::now();
        let ask = |n: u8| {
            let from = SocketAddr::from(([10, 0, n, 1], 2070));
            match transfers.admit(start, from, b"file", Ports::Own, &places, &bounds) {
                Admission::Admitted { number, inbox, evicted } => {
                    (Admitted { transfers: Arc::clone(&transfers), from, number }, inbox, evicted)
                }
                _ => panic!("{n} is admitted"),
            }
        };
        let mut first: Vec<_> = (0..4).map(ask).collect();
        first[0].0.proved(&bounds).unwrap();
        let late: Vec<_> = (4..40).map(ask).collect();
        // One place came free when the first was acknowledged; from then on each takes another's.
        assert_eq!(late.iter().map(|(_, _, evicted)| evicted).sum::<usize>(), 35);
        assert!(matches!(first[0].1.try_recv(), Err(mpsc::error::TryRecvError::Empty)));
        for (_, inbox, _) in &mut first[1..] {
            assert!(matches!(inbox.try_recv(), Ok(Mail::Evicted)));
        }
        assert_eq!(first[1].0.proved(&bounds), Err(Full::Unproved));
        assert_eq!((places.taken(), places.unproved()), (5, 4));
        drop((first, late));
        assert_eq!(places.taken(), 0);
    }
}
