//! The table of leases in the state file, and how it takes over what the journal holds.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pxe_policy::MacAddr;
use redb::{ReadableTable, TableDefinition};

use super::Lease;
use super::journal::Change;
use crate::file::State;

/// Hardware address to (address, end in seconds since the epoch).
const LEASES: TableDefinition<'_, [u8; 6], (u32, u64)> = TableDefinition::new("leases");
/// The oldest filling of the journal that the table does not have.
const FILLING: TableDefinition<'_, (), u64> = TableDefinition::new("leases-journal");

/// Machines' last changes that the table does not have.
pub(super) type Ahead = BTreeMap<[u8; 6], Change>;

/// A filling that the table takes over while the next one is written, on a thread of its own and
/// without haste.
pub(super) struct TakeOver {
    state: Arc<State>,
    ahead: Arc<Ahead>,
    next: u64,
    thread: Option<JoinHandle<Result<(), redb::Error>>>,
    /// For as long as nobody waits for it.
    leisure: Option<Sender<()>>,
}

/// Makes the tables unless they are there; gives the oldest filling of the journal that they do not
/// have.
pub(super) fn make(state: &State) -> Result<u64, redb::Error> {
    state.make_table(LEASES)?;
    state.make_table(FILLING)?;
    if let Some(oldest) = state.read()?.open_table(FILLING)?.get(())? {
        return Ok(oldest.value());
    }
    // No number that a journal beside a former state file may have.
    let first = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
    take_over(state, &Ahead::new(), first, || ())?;
    Ok(first)
}

/// The leases in the table.
pub(super) fn leases(state: &State) -> Result<Vec<Lease>, redb::Error> {
    let mut leases = Vec::new();
    for entry in state.read()?.open_table(LEASES)?.iter()? {
        let (mac, value) = entry?;
        let (address, until) = value.value();
        leases.push(Lease { mac: MacAddr(mac.value()), address: Ipv4Addr::from(address), until });
    }
    Ok(leases)
}

/// Makes the changes, and says which filling counts next once all are made: until then the
/// journal's are read over them.
///
/// A part at a time, with a rest between: what machines wait for goes between.
pub(super) fn take_over(
    state: &State,
    ahead: &Ahead,
    next: u64,
    mut rest: impl FnMut(),
) -> Result<(), redb::Error> {
    let mut changes = ahead.iter().peekable();
    while changes.peek().is_some() {
        state.write_now(|transaction| {
            let mut table = transaction.open_table(LEASES)?;
            for (mac, change) in changes.by_ref().take(AT_ONCE) {
                match change {
                    Change::Given(lease) => table.insert(mac, (u32::from(lease.address), lease.until))?,
                    Change::Gone(_) => table.remove(mac)?,
                };
            }
            Ok(())
        })?;
        rest();
    }
    state.write_now(|transaction| {
        transaction.open_table(FILLING)?.insert((), next)?;
        Ok(())
    })
}

impl TakeOver {
    pub(super) fn begin(state: &Arc<State>, ahead: Ahead, next: u64) -> Self {
        let (state, ahead) = (Arc::clone(state), Arc::new(ahead));
        let (leisure, hurried) = mpsc::channel();
        let work = {
            let (state, ahead) = (Arc::clone(&state), Arc::clone(&ahead));
            move || take_over(&state, &ahead, next, || _ = hurried.recv_timeout(REST))
        };
        // Without a thread it is done in the end.
        let thread = thread::Builder::new().name("leases table".into()).spawn(work).ok();
        TakeOver { state, ahead, next, thread, leisure: Some(leisure) }
    }

    /// Hurries it, and waits for its end. A failure is retried once, here and at each call.
    pub(super) fn end(&mut self) -> Result<(), redb::Error> {
        match self.hurry() {
            Some(Ok(Ok(()))) => Ok(()),
            _ => take_over(&self.state, &self.ahead, self.next, || ()),
        }
    }

    fn hurry(&mut self) -> Option<thread::Result<Result<(), redb::Error>>> {
        self.leisure = None;
        self.thread.take().map(JoinHandle::join)
    }
}

impl Drop for TakeOver {
    /// The state file is closed only when nobody writes to it.
    fn drop(&mut self) {
        let _ = self.hurry(); // what it did not take over, the journal still has
    }
}

/// Changes in one transaction: few enough that it is over in about a millisecond.
const AT_ONCE: usize = 256;
/// From one part to the next.
const REST: Duration = Duration::from_millis(4);
