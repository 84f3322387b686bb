//! The table of the transfers under way: who is admitted, and how their tasks are reached. One in
//! which nothing was acknowledged yet has no task: what there is of it waits here ([`Waiting`]).

mod waiting;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;
use netbootd_config::Bounds;
use netbootd_net::bounded;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, mpsc};

use crate::limits::session_limits::{Full, Place, SessionLimits};
pub(super) use waiting::{Due, Evicted, Heard, Over, Promoted, Waiting};

/// The transfers under way, by client address and port.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    table: Mutex<Table>,
    /// Called when one begins to wait for its first acknowledgement.
    waits: Notify,
}

#[derive(Debug)]
struct Table {
    entries: HashMap<SocketAddr, Entry>,
    /// Transfers whose client has asked anew from the same port, by their numbers: they end by
    /// themselves.
    older: BTreeMap<(SocketAddr, u64), Entry>,
    /// Those in which nothing was acknowledged yet, by their numbers: the oldest comes first.
    unproved: BTreeMap<u64, SocketAddr>,
    /// Those of them that have a task.
    unproved_tasks: BTreeSet<u64>,
    /// Clients whose transfers on shared ports ended lately, each with its last port: what comes
    /// late of them is not answered.
    ended: LruCache<SocketAddr, u16>,
    /// Clients whose transfers newer requests displaced before their first acknowledgement was
    /// read: it may lie in a shared port of a server that is short of processor time.
    evicted: LruCache<SocketAddr, Evicted>,
    /// The number of the last one.
    last: u64,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    since: Instant,
    request: Box<[u8]>,
    /// The port of this server that it shares with others; None for one of its own.
    port: Option<u16>,
    reach: Reach,
    /// None once its client went on to something else, which has the place now.
    place: Option<Place>,
    /// Whether its client has acknowledged something.
    proved: bool,
}

/// How what comes for a transfer gets to it.
#[derive(Debug)]
enum Reach {
    Task(mpsc::Sender<Mail>),
    Waiting(Box<Waiting>),
}

/// A transfer's entry in the table. Dropping it takes the entry out.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) transfers: Arc<Transfers>,
    pub(super) from: SocketAddr,
    pub(super) number: u64,
}

/// A message to a transfer's task from outside its own socket.
#[derive(Debug)]
pub(super) enum Mail {
    /// A datagram of the client that came to a shared port.
    Datagram(Vec<u8>),
    /// The client's port is closed: word of that came to a shared port.
    Unreachable,
    /// The client began something else from the same port.
    Superseded,
    /// Newer requests need its place, and its client has acknowledged nothing.
    Evicted,
}

/// Which ports the transfers of a client have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ports {
    /// Each another one, as RFC 1350 §4 wants it.
    Own,
    /// All transfers share one port.
    One,
}

/// A request for a place among the transfers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) now: Instant,
    pub(super) from: SocketAddr,
    pub(super) request: &'a [u8],
    pub(super) ports: Ports,
    pub(super) places: &'a Arc<SessionLimits>,
    pub(super) bounds: &'a Bounds,
}

/// A transfer that has a task from its begin.
pub(super) struct Begun {
    pub(super) number: u64,
    pub(super) inbox: mpsc::Receiver<Mail>,
    /// How many others had to leave for it.
    pub(super) evicted: usize,
}

/// Why a request begins no transfer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotAdmitted {
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
    /// Begins a transfer that has a task.
    ///
    /// A repeated request starts no second transfer; another one from the same port ends the first.
    ///
    /// A client that goes on to its next file from the same port is faster than the task that takes
    /// its last acknowledgement, and one that asked once more may have been answered meanwhile.
    /// Whether the same request is one or the other cannot be known: with a port for each transfer
    /// both go on, and the client refuses the one that it does not know (RFC 1350 §4).
    pub(super) fn admit(&self, asked: Asked<'_>) -> Result<Begun, NotAdmitted> {
        let (sender, inbox) = mpsc::channel(INBOX);
        let port = (asked.ports == Ports::One).then_some(SINGLE_PORT);
        let (number, evicted) = self.lock().admit(asked, port, Reach::Task(sender))?;
        Ok(Begun { number, inbox, evicted })
    }

    /// Begins a transfer that waits for its first acknowledgement on a shared port. Gives how many
    /// others had to leave for it.
    pub(super) fn admit_waiting(&self, asked: Asked<'_>, waiting: Waiting) -> Result<usize, NotAdmitted> {
        let port = Some(waiting.port.number);
        let (_, evicted) = self.lock().admit(asked, port, Reach::Waiting(Box::new(waiting)))?;
        self.waits.notify_one();
        Ok(evicted)
    }

    /// The client has acknowledged something. One that was evicted, or has gone on to another
    /// request, has no place any more.
    fn proved(&self, from: SocketAddr, number: u64, bounds: &Bounds) -> Result<(), Full> {
        let mut table = self.lock();
        let entry = table.numbered(from, number).ok_or(Full::Unproved)?;
        entry.place.as_mut().ok_or(Full::Unproved)?.prove(bounds)?;
        entry.proved = true;
        table.proved(number);
        Ok(())
    }

    pub(super) fn remove(&self, from: SocketAddr, number: u64) {
        self.lock().remove(from, number);
    }

    /// Ends them all: each task hears that nobody can write to it any more.
    pub(super) fn stop(&self) {
        *self.lock() = Table::default();
    }

    pub(super) fn knows(&self, from: SocketAddr) -> bool {
        self.lock().entries.contains_key(&from)
    }

    /// Whether a client has, or had just now, a transfer by a shared port.
    pub(super) fn speaks_to(&self, from: SocketAddr, port: u16) -> bool {
        let mut table = self.lock();
        table.ended.peek(&from) == Some(&port) || table.at_port(from, port).is_some()
    }

    /// Keeps an evicted transfer, which found no place now, for its client's next acknowledgement.
    pub(super) fn keep_evicted(&self, from: SocketAddr, evicted: Evicted) {
        self.lock().evicted.put(from, evicted);
    }

    /// Returns the memory of entries that are gone. No transfer waits: clients of evicted ones have
    /// given up.
    pub(super) fn shrink(&self) {
        let mut table = self.lock();
        table.entries.shrink_to_fit();
        table.evicted = bounded::lru(MAX_EVICTED);
    }

    /// How many have a task.
    pub(super) fn with_tasks(&self) -> usize {
        let table = self.lock();
        let all = table.entries.len() + table.older.len();
        all - (table.unproved.len() - table.unproved_tasks.len())
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock()
    }
}

impl Default for Table {
    fn default() -> Self {
        Table {
            entries: HashMap::new(),
            older: BTreeMap::new(),
            unproved: BTreeMap::new(),
            unproved_tasks: BTreeSet::new(),
            ended: bounded::lru(MAX_ENDED),
            evicted: bounded::lru(MAX_EVICTED),
            last: 0,
        }
    }
}

impl Table {
    fn admit(
        &mut self,
        asked: Asked<'_>,
        port: Option<u16>,
        reach: Reach,
    ) -> Result<(u64, usize), NotAdmitted> {
        let Asked { now, from, request, ports, places, bounds } = asked;
        if let Some(entry) = self.entries.get(&from) {
            let same = *entry.request == *request;
            if same && !entry.proved && now.duration_since(entry.since) < REPEATED_WITHIN {
                return Err(NotAdmitted::Repeated);
            }
            if same && ports == Ports::Own {
                self.put_aside(from);
            } else {
                self.supersede(from, now, ports);
            }
        }
        let place = places.open(from.ip(), bounds).map_err(NotAdmitted::Full)?;
        self.evicted.pop(&from);
        let mut evicted = 0;
        if let Some(unproved) = bounds.unproved {
            while self.has_too_many(unproved.all, places.unproved(), &reach) {
                evicted += 1;
            }
        }
        self.last += 1;
        let number = self.last;
        if bounds.unproved.is_some() || matches!(reach, Reach::Waiting(_)) {
            self.unproved.insert(number, from);
            if matches!(reach, Reach::Task(_)) {
                self.unproved_tasks.insert(number);
            }
        }
        let request = request.into();
        let entry = Entry { number, since: now, request, port, reach, place: Some(place), proved: false };
        self.entries.insert(from, entry);
        Ok((number, evicted))
    }

    /// Frees the place of the oldest one in which nothing was acknowledged when there are more than
    /// so many. Those that have a task, and so a socket, are a part of them.
    fn has_too_many(&mut self, most: usize, places: usize, next: &Reach) -> bool {
        let tasks = self.unproved_tasks.len() + usize::from(matches!(next, Reach::Task(_)));
        if tasks > (most - most / TASKS_LESS).max(1) && self.evict(self.unproved_tasks.first().copied()) {
            return true;
        }
        let oldest = self.unproved.keys().next().copied();
        (places > most || self.unproved.len() >= most + SUPERSEDED) && self.evict(oldest)
    }

    fn evict(&mut self, number: Option<u64>) -> bool {
        let Some((number, from)) = number.and_then(|number| Some((number, *self.unproved.get(&number)?)))
        else {
            return false;
        };
        match self.remove(from, number) {
            // A full inbox belongs to a task that reads that it is closed behind it.
            Some(Entry { reach: Reach::Task(inbox), .. }) => drop(inbox.try_send(Mail::Evicted)),
            Some(Entry { reach: Reach::Waiting(waiting), request, .. }) if waiting.superseded.is_none() => {
                self.evicted.put(from, waiting.evicted(request));
            }
            _ => {}
        }
        true
    }

    /// The client may ask for the same once more, or not know that it was answered.
    fn put_aside(&mut self, from: SocketAddr) {
        self.older.extend(self.entries.remove(&from).map(|entry| ((from, entry.number), entry)));
    }

    /// The client has gone on: the place is free for what it asks now, and what it acknowledged
    /// before still counts.
    fn supersede(&mut self, from: SocketAddr, now: Instant, ports: Ports) {
        let Some(entry) = self.entries.get_mut(&from) else { return };
        match &mut entry.reach {
            // A full inbox belongs to a task that is busy ending.
            Reach::Task(inbox) => drop(inbox.try_send(Mail::Superseded)),
            // A datagram to its port belongs to the next one.
            Reach::Waiting(_) if ports == Ports::One => {}
            Reach::Waiting(waiting) => {
                waiting.superseded = Some(now);
                entry.place = None;
                let mut former = self.older_of(from).filter(|(_, entry)| entry.is_superseded());
                let (oldest, more) = (former.next(), former.count());
                if let Some((number, _)) = oldest.filter(|_| more + 1 >= SUPERSEDED_OF_ONE) {
                    self.remove(from, number);
                }
                return self.put_aside(from);
            }
        }
        if let Some(entry) = self.entries.remove(&from) {
            self.proved(entry.number);
        }
    }

    fn numbered(&mut self, from: SocketAddr, number: u64) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(&from).filter(|entry| entry.number == number);
        entry.or_else(|| self.older.get_mut(&(from, number)))
    }

    fn older_of(&self, from: SocketAddr) -> impl Iterator<Item = (u64, &Entry)> {
        self.older.range((from, 0)..=(from, u64::MAX)).map(|((_, number), entry)| (*number, entry))
    }

    /// It waits for a first acknowledgement no more.
    fn proved(&mut self, number: u64) {
        self.unproved.remove(&number);
        self.unproved_tasks.remove(&number);
    }

    fn remove(&mut self, from: SocketAddr, number: u64) -> Option<Entry> {
        self.proved(number);
        let entry = if self.entries.get(&from).is_some_and(|entry| entry.number == number) {
            self.entries.remove(&from)
        } else {
            self.older.remove(&(from, number))
        }?;
        if let Some(port) = entry.port.filter(|_| entry.proved) {
            self.ended.put(from, port);
        }
        Some(entry)
    }
}

impl Entry {
    fn is_superseded(&self) -> bool {
        matches!(&self.reach, Reach::Waiting(waiting) if waiting.superseded.is_some())
    }
}

/// How entries name the port that requests come to.
pub(super) const SINGLE_PORT: u16 = 0;
/// A request that got lost is repeated after a second or more; one that was doubled on the way
/// comes at once.
const REPEATED_WITHIN: Duration = Duration::from_secs(1);
/// Datagrams that a task may be behind, of those that come by a shared port.
const INBOX: usize = 64;
/// Of the transfers in which nothing was acknowledged, one in four has no task at the least: its
/// socket is one of those that are shared.
const TASKS_LESS: usize = 4;
/// Those whose clients went on to something else hold no place; so many of them may be there
/// beside.
const SUPERSEDED: usize = 256;
/// Of one client port. Its acknowledgements can lie in shared ports while its next requests are
/// read.
const SUPERSEDED_OF_ONE: usize = 8;
/// Some 300 bytes each.
const MAX_EVICTED: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");
/// Some 50 bytes each.
const MAX_ENDED: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");

#[cfg(test)]
mod tests;
