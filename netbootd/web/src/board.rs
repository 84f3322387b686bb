//! The board: one summary a machine, counts, and what is wrong, kept up to date beside the boot
//! path.
//!
//! A task looks at the machines that changed twice a second, and at silent ones when a silence may
//! have become a finding. Pages read what it made; no page costs more because there are more
//! machines.

mod groups;
mod hits;
mod row;
mod usual;
mod values;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use netbootd_server::services::Services;
use netbootd_telemetry::timeline::MAX_MACHINES;
use parking_lot::Mutex;
use pxe_policy::MacAddr;
use tokio::sync::watch;

pub(crate) use groups::Group;
pub(crate) use hits::Hits;
pub(crate) use row::{Row, State};
pub(crate) use values::FilterValues;

/// The operators' view of all machines.
#[derive(Debug)]
pub(crate) struct Board {
    inner: Mutex<Inner>,
    version: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    rows: HashMap<MacAddr, Arc<Row>>,
    counts: [usize; State::ALL.len()],
    due: BTreeSet<(SystemTime, MacAddr)>,
    /// At most one time for each machine.
    due_of: HashMap<MacAddr, SystemTime>,
    touched: Vec<MacAddr>,
    seen: u64,
    groups: Arc<Vec<Group>>,
    rate: Rate,
    usual: usual::Usual,
}

/// Bytes a second of all transfers together.
#[derive(Debug, Default)]
struct Rate {
    before: Option<(Instant, u64)>,
    now: f64,
}

impl Default for Board {
    fn default() -> Self {
        Board { inner: Mutex::default(), version: watch::Sender::new(0) }
    }
}

impl Board {
    /// Follows the machines until shutdown.
    pub(crate) async fn follow(&self, services: &Services) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = services.lifecycle.shutdown.cancelled() => return,
            }
            self.look(services, SystemTime::now());
        }
    }

    /// Takes in what changed since the last look.
    pub(crate) fn look(&self, services: &Services, now: SystemTime) {
        let (seen, mut macs) = services.timelines.changed_since(self.inner.lock().seen);
        {
            let mut inner = self.inner.lock();
            inner.seen = seen;
            macs.extend(inner.take_due(now));
            macs.append(&mut inner.touched);
        }
        macs.sort_unstable();
        macs.dedup();
        let patience = services.snapshot.load().config.diagnosis;
        let (mut changed, mut wrong) = (false, false);
        // The timelines are not held for long: each step of each machine waits for them.
        for some in macs.chunks(AT_ONCE) {
            let before: Vec<Option<Arc<Row>>> = {
                let inner = self.inner.lock();
                some.iter().map(|mac| inner.rows.get(mac).cloned()).collect()
            };
            let mut before = before.into_iter();
            let mut rows = Vec::with_capacity(some.len());
            services.timelines.look_at(some, patience, now, |mac, seen| {
                let known = before.next().flatten();
                let row = seen.and_then(|(timeline, diagnosis)| {
                    Row::new(services, (mac, timeline, &diagnosis), known.as_deref(), now)
                });
                rows.push((mac, row));
            });
            let mut through = Vec::new();
            let mut inner = self.inner.lock();
            for (mac, row) in rows {
                let went = |row: &Row| matches!(row.state, State::Loaded | State::Up);
                let before = inner.rows.get(&mac).is_some_and(|known| went(known));
                if let Some(row) = row.as_ref().filter(|row| went(row) && !before) {
                    through.push((mac, row.arch.clone().unwrap_or_default()));
                }
                let (is_other, is_wrong) = inner.put(mac, row, now);
                changed |= is_other;
                wrong |= is_wrong;
            }
            drop(inner);
            self.learn(services, &through);
        }
        let total = services.timelines.bytes_under_way()
            + services.recorder.bytes().iter().map(|(_, bytes)| bytes).sum::<u64>();
        let mut inner = self.inner.lock();
        changed |= inner.rate.note(Instant::now(), total);
        if inner.rows.len() > MAX_MACHINES.get() + AT_ONCE {
            inner.forget_oldest();
            changed = true;
        }
        if wrong {
            inner.groups = Arc::new(groups::grouped(inner.rows.values()));
        }
        drop(inner);
        if changed {
            self.version.send_modify(|version| *version += 1);
        }
    }

    /// Looks anew at machines that an operator decided about.
    pub(crate) fn touch(&self, services: &Services, macs: &[MacAddr]) {
        self.inner.lock().touched.extend(macs);
        self.look(services, SystemTime::now());
    }

    /// Learns how long the pauses of boots are that went through.
    fn learn(&self, services: &Services, through: &[(MacAddr, String)]) {
        for (mac, arch) in through {
            let Some(timeline) = services.timelines.get(*mac) else { continue };
            let pauses = crate::page::pauses(&timeline);
            self.inner.lock().usual.learn(arch, pauses);
        }
    }

    /// How long a pause usually is on such firmware, in seconds.
    pub(crate) fn usual(&self, arch: &str, what: &'static str) -> Option<f64> {
        self.inner.lock().usual.pause(arch, what)
    }

    /// Follows the number of the last change.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// The number of the last change.
    pub(crate) fn version(&self) -> u64 {
        *self.version.borrow()
    }

    /// The summary of one machine.
    pub(crate) fn row(&self, mac: MacAddr) -> Option<Arc<Row>> {
        self.inner.lock().rows.get(&mac).cloned()
    }

    /// The machines that fit, in no order.
    pub(crate) fn rows(&self, fits: impl Fn(&Row) -> bool) -> Vec<Arc<Row>> {
        self.inner.lock().rows.values().filter(|row| fits(row)).cloned().collect()
    }

    /// Calls `look` with the summary of every machine.
    pub(crate) fn each(&self, look: impl FnMut(&Arc<Row>)) {
        self.inner.lock().rows.values().for_each(look);
    }

    /// How many machines there are.
    pub(crate) fn machines(&self) -> usize {
        self.inner.lock().rows.len()
    }

    /// How many machines are in a state.
    #[cfg(test)]
    pub(crate) fn count(&self, state: State) -> usize {
        self.inner.lock().counts[state.place()]
    }

    /// The groups of faults, the worst first.
    pub(crate) fn groups(&self) -> Arc<Vec<Group>> {
        Arc::clone(&self.inner.lock().groups)
    }

    /// Bytes a second of all transfers together.
    pub(crate) fn rate(&self) -> f64 {
        self.inner.lock().rate.now
    }
}

impl Inner {
    fn take_due(&mut self, now: SystemTime) -> Vec<MacAddr> {
        let later = self.due.split_off(&(now, MacAddr([0xff; 6])));
        let due = std::mem::replace(&mut self.due, later);
        due.into_iter()
            .map(|(_, mac)| {
                self.due_of.remove(&mac);
                mac
            })
            .collect()
    }

    fn schedule(&mut self, mac: MacAddr, due: Option<SystemTime>) {
        if let Some(before) = self.due_of.remove(&mac) {
            self.due.remove(&(before, mac));
        }
        if let Some(due) = due {
            self.due.insert((due, mac));
            self.due_of.insert(mac, due);
        }
    }

    /// Puts a row in place; whether anything is other than before, and whether a finding is.
    fn put(&mut self, mac: MacAddr, row: Option<Row>, now: SystemTime) -> (bool, bool) {
        self.schedule(mac, row.as_ref().and_then(|row| row.due(now)));
        let before = match row {
            Some(row) => {
                if self.rows.get(&mac).is_some_and(|known| **known == row) {
                    return (false, false);
                }
                let row = Arc::new(row);
                self.counts[row.state.place()] += 1;
                let before = self.rows.insert(mac, Arc::clone(&row));
                let found = before.as_ref().and_then(|row| row.found.as_ref());
                let wrong = found != row.found.as_ref() || row.found.is_some();
                if let Some(before) = &before {
                    self.counts[before.state.place()] -= 1;
                }
                return (true, wrong);
            }
            None => self.rows.remove(&mac),
        };
        if let Some(before) = &before {
            self.counts[before.state.place()] -= 1;
        }
        (before.is_some(), before.is_some_and(|row| row.found.is_some()))
    }

    /// The timelines have forgotten them.
    fn forget_oldest(&mut self) {
        let mut seen: Vec<(SystemTime, MacAddr)> =
            self.rows.values().map(|row| (row.seen, row.mac)).collect();
        seen.sort_unstable();
        let too_many = seen.len() - MAX_MACHINES.get();
        for (_, mac) in seen.into_iter().take(too_many) {
            self.put(mac, None, SystemTime::UNIX_EPOCH);
        }
    }
}

impl Rate {
    /// Takes the sum of all bytes; whether the rate is another one.
    fn note(&mut self, at: Instant, total: u64) -> bool {
        let Some((then, before)) = self.before else {
            self.before = Some((at, total));
            return false;
        };
        let seconds = at.duration_since(then).as_secs_f64();
        if seconds < 0.9 {
            return false;
        }
        let rate = total.saturating_sub(before) as f64 / seconds;
        let is_other = (rate - self.now).abs() > 1e3;
        self.now = rate;
        self.before = Some((at, total));
        is_other
    }
}

/// Changes are taken in this often.
const EVERY: Duration = Duration::from_millis(400);
/// Machines that are looked at while the timelines are held.
const AT_ONCE: usize = 128;

#[cfg(test)]
mod tests;
