//! The recent steps of each machine, and the transfers under way.
//!
//! Fed with the events that the log is written from.

mod machines;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::SystemTime;

use machines::Machines;
use netbootd_diagnosis::step::Step;
use netbootd_diagnosis::{
    Boot, Diagnosis, Fleet, Machine, Past, Patience, ServerPart, ServerTrouble, diagnose, observe,
};
use parking_lot::Mutex;
use pxe_policy::{MacAddr, Reason, SystemUuid};

use crate::event::{Disproved, Event, Recorded, Reported, TransferId, TransferStalled, TransferStarted};

/// The machines seen lately. At most [`MAX_MACHINES`]; those not seen for longest leave first, and
/// before them those that only asked and fetched nothing.
#[derive(Debug, Default)]
pub struct Timelines {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    machines: Machines,
    fleet: Fleet,
    transfers: BTreeMap<TransferId, Transfer>,
    lost: u64,
    boots: u32,
    changes: u64,
}

/// One machine's steps, oldest first. At most [`MAX_STEPS`].
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// Its GUID, as it last said it.
    pub uuid: Option<SystemUuid>,
    /// Its name, when a directory knows it.
    pub name: Option<String>,
    /// The steps of the machine, the oldest first.
    pub steps: VecDeque<Arc<Recorded>>,
    /// The boots that the steps make.
    pub machine: Machine,
    /// The number of its present boot, which its screen shows; from 1 on, and again after
    /// [`MAX_NUMBER`].
    pub number: u32,
    /// The number of its last change among those of all machines.
    changed: u64,
}

/// A transfer under way.
#[derive(Debug, Clone)]
pub struct Transfer {
    /// When the transfer began.
    pub since: SystemTime,
    /// The begin of the transfer.
    pub started: TransferStarted,
    /// Bytes that the client has.
    pub bytes: u64,
}

impl Timelines {
    /// Adds one event; gives whose step it is.
    pub fn record(&self, recorded: &Arc<Recorded>) -> Option<MacAddr> {
        self.take_ending(recorded, Patience::default()).0
    }

    /// Adds one event; gives whose step it is, and the finding that it ends.
    pub fn take_ending(
        &self,
        recorded: &Arc<Recorded>,
        patience: Patience,
    ) -> (Option<MacAddr>, Option<Past>) {
        self.with(|inner| inner.record(recorded, patience))
    }

    /// Counts events that were lost because the server was busy.
    pub fn note_lost(&self, events: u64) {
        self.with(|inner| inner.lost += events);
    }

    /// Notes that a part of this server does not work: evidence for the boots of that time.
    pub fn server_fails(&self, at: SystemTime, part: ServerPart, trouble: ServerTrouble) {
        self.with(|inner| inner.fleet.server_fails(at, part, trouble));
    }

    /// Notes that a part of this server works.
    pub fn server_works(&self, at: SystemTime, part: ServerPart) {
        self.with(|inner| inner.fleet.server_works(at, part));
    }

    /// The timeline of one machine.
    pub fn get(&self, mac: MacAddr) -> Option<Timeline> {
        self.with(|inner| inner.machines.peek(&mac).cloned())
    }

    /// Whether the switch port of a machine blocks after iPXE resets the link, as its last boot
    /// shows.
    pub fn port_blocks(&self, mac: MacAddr, patience: Patience, now: SystemTime) -> bool {
        self.with(|inner| {
            let timeline = inner.machines.peek(&mac);
            timeline.is_some_and(|timeline| {
                netbootd_diagnosis::port_blocks(mac, &timeline.machine, &inner.fleet, patience, now)
            })
        })
    }

    /// The diagnosis of a machine's boot.
    pub fn diagnose(&self, mac: MacAddr, patience: Patience, now: SystemTime) -> Diagnosis {
        self.with(|inner| {
            let timeline = inner.machines.peek(&mac);
            timeline
                .map(|timeline| diagnose(mac, &timeline.machine, &inner.fleet, patience, now))
                .unwrap_or_default()
        })
    }

    /// The diagnosis with a report that was recorded just now, and the number of the boot. The
    /// report's way to the timeline is longer than the answer's to the machine.
    pub fn diagnose_after(&self, mac: MacAddr, report: &Reported, patience: Patience) -> (u32, Diagnosis) {
        let now = SystemTime::now();
        self.with(|inner| {
            let timeline = inner.machines.peek(&mac);
            let mut machine = timeline.map(|timeline| timeline.machine.clone()).unwrap_or_default();
            machine.observe(now, Step::Reported(report));
            (
                timeline.map_or(0, |timeline| timeline.number),
                diagnose(mac, &machine, &inner.fleet, patience, now),
            )
        })
    }

    /// The number of a machine's present boot; 0 when none is known.
    pub fn boot_number(&self, mac: MacAddr) -> u32 {
        self.with(|inner| inner.machines.peek(&mac).map_or(0, |timeline| timeline.number))
    }

    /// The machine whose present boot has this number.
    pub fn with_number(&self, number: u32) -> Option<MacAddr> {
        let is = |(_, timeline): &(&MacAddr, &Timeline)| timeline.number == number;
        self.with(|inner| inner.machines.iter().find(is).map(|(mac, _)| *mac))
    }

    /// The recently seen machines, newest first, as far as `fits` says.
    pub fn newest(
        &self,
        limit: usize,
        fits: impl Fn(MacAddr, &Timeline) -> bool,
    ) -> Vec<(MacAddr, Timeline)> {
        self.with(|inner| {
            let newest = inner.machines.iter().filter(|(mac, timeline)| fits(**mac, timeline));
            newest.take(limit).map(|(mac, timeline)| (*mac, timeline.clone())).collect()
        })
    }

    /// Of the newest machines those with a step since then.
    pub fn active_since(&self, since: SystemTime, limit: usize) -> Vec<MacAddr> {
        let active = |(_, timeline): &(&MacAddr, &Timeline)| {
            timeline.steps.back().is_some_and(|step| step.at >= since)
        };
        self.with(|inner| inner.machines.iter().take(limit).filter(active).map(|(mac, _)| *mac).collect())
    }

    /// A machine's name, the number of its boot, and what is found.
    pub fn summary(
        &self,
        mac: MacAddr,
        patience: Patience,
        now: SystemTime,
    ) -> Option<(Option<String>, u32, Diagnosis)> {
        self.with(|inner| {
            let timeline = inner.machines.peek(&mac)?;
            let diagnosis = diagnose(mac, &timeline.machine, &inner.fleet, patience, now);
            Some((timeline.name.clone(), timeline.number, diagnosis))
        })
    }

    /// The machines that changed after the change with this number, the newest first, and the
    /// number of the last change.
    pub fn changed_since(&self, number: u64) -> (u64, Vec<MacAddr>) {
        self.with(|inner| {
            // Each change moves its machine to the front.
            let changed = inner.machines.iter().take_while(|(_, timeline)| timeline.changed > number);
            (inner.changes, changed.map(|(mac, _)| *mac).collect())
        })
    }

    /// Shows some machines, each with its diagnosis; None for one that is forgotten.
    pub fn look_at(
        &self,
        macs: &[MacAddr],
        patience: Patience,
        now: SystemTime,
        mut look: impl FnMut(MacAddr, Option<(&Timeline, Diagnosis)>),
    ) {
        self.with(|inner| {
            for mac in macs {
                let timeline = inner.machines.peek(mac);
                let seen = timeline.map(|timeline| {
                    (timeline, diagnose(*mac, &timeline.machine, &inner.fleet, patience, now))
                });
                look(*mac, seen);
            }
        });
    }

    /// Bytes that clients have of the transfers under way.
    pub fn bytes_under_way(&self) -> u64 {
        self.with(|inner| inner.transfers.values().map(|transfer| transfer.bytes).sum())
    }

    /// How many machines are kept, and how many steps were lost because the server was busy.
    pub fn size(&self) -> (usize, u64) {
        self.with(|inner| (inner.machines.len(), inner.lost))
    }

    /// The transfers under way, by number.
    pub fn transfers(&self) -> Vec<(TransferId, Transfer)> {
        self.with(|inner| inner.transfers.iter().map(|(id, transfer)| (*id, transfer.clone())).collect())
    }

    fn with<T>(&self, action: impl FnOnce(&mut Inner) -> T) -> T {
        action(&mut self.inner.lock())
    }
}

impl Default for Inner {
    fn default() -> Self {
        Inner {
            machines: Machines::default(),
            fleet: Fleet::new(),
            transfers: BTreeMap::new(),
            lost: 0,
            boots: 0,
            changes: 0,
        }
    }
}

impl Inner {
    /// Gives whose step it is, and the finding that it ends.
    fn record(&mut self, recorded: &Arc<Recorded>, patience: Patience) -> (Option<MacAddr>, Option<Past>) {
        let mac = self.machine_of(&recorded.event);
        let recording = self.record_step(recorded, mac, patience);
        if let (Some(mac), Event::TransferFinished(_)) = (mac, &recorded.event) {
            self.machines.settle(mac);
        }
        recording
    }

    fn record_step(
        &mut self,
        recorded: &Arc<Recorded>,
        mac: Option<MacAddr>,
        patience: Patience,
    ) -> (Option<MacAddr>, Option<Past>) {
        let event = &recorded.event;
        match event {
            Event::TransferStarted(started) if self.transfers.len() < MAX_TRANSFERS => {
                let transfer = Transfer { since: recorded.at, started: started.clone(), bytes: 0 };
                self.transfers.insert(started.id, transfer);
            }
            Event::TransferProgress { id, bytes } => {
                if let Some(transfer) = self.transfers.get_mut(id) {
                    transfer.bytes = *bytes;
                }
            }
            Event::TransferFinished(finished) => {
                self.transfers.remove(&finished.id);
            }
            _ => {}
        }
        let Some(mac) = mac else {
            self.note_unknown(recorded);
            return (None, None);
        };
        // Hosts that only take an address from another server are no machines of this one, unless
        // they booted here before.
        if is_plain_host(&recorded.event) && !self.machines.contains(&mac) {
            return (None, None);
        }
        self.changes += 1;
        let timeline = self.machines.change(mac, self.changes);
        let began = timeline.machine.boot().map(|boot| boot.started);
        let past = event.step().and_then(|step| {
            observe(mac, recorded.at, step, &mut timeline.machine, &mut self.fleet, patience)
        });
        if timeline.machine.boot().map(|boot| boot.started) != began {
            self.boots = self.boots % MAX_NUMBER + 1;
            timeline.number = self.boots;
        }
        if let Event::Decided(decided) = event {
            timeline.uuid = decided.uuid.or(timeline.uuid);
            timeline.name = decided.machine.clone().or(timeline.name.take());
        }
        if let Event::Disproved(disproved) = event {
            timeline.take_back(disproved);
        }
        let is_unproved = is_unproved(event) && timeline.machine.boot().is_some_and(Boot::has_tftp);
        let is_silent =
            matches!(event, Event::TransferProgress { .. } | Event::TransferStalled(_) | Event::Disproved(_));
        if is_silent || is_unproved {
            return (None, past);
        }
        if timeline.steps.len() >= MAX_STEPS {
            // Reports displace only other reports, none of a machine's other steps.
            let is_report = |step: &Arc<Recorded>| matches!(step.event, Event::Reported(_));
            let reports = timeline.steps.iter().filter(|step| is_report(step)).count();
            let place = timeline.steps.iter().position(is_report).filter(|_| reports > MAX_REPORTS);
            timeline.steps.remove(place.unwrap_or(0));
        }
        timeline.steps.push_back(Arc::clone(recorded));
        (Some(mac), past)
    }

    /// A machine behind an address translation asks from an address that no machine has.
    fn note_unknown(&mut self, recorded: &Recorded) {
        match &recorded.event {
            Event::TransferStarted(started) if !started.partial && !started.peer.ip().is_loopback() => {
                self.fleet.note_unknown(recorded.at, started.peer.ip(), &started.path);
            }
            Event::FileRefused(refused) => {
                self.fleet.note_unknown(recorded.at, refused.peer.ip(), &refused.path);
            }
            _ => {}
        }
    }

    /// Whose step an event is.
    fn machine_of(&self, event: &Event) -> Option<MacAddr> {
        match event {
            // Macs read their root in thousands of parts.
            Event::TransferStarted(started) if started.partial => None,
            Event::TransferFinished(finished) if finished.partial => None,
            Event::TransferProgress { id, .. } | Event::TransferStalled(TransferStalled { id, .. }) => {
                let started = &self.transfers.get(id)?.started;
                started.mac.filter(|_| !started.partial)
            }
            event => event.mac(),
        }
    }
}

/// Whether somebody else may have begun a transfer: nothing in it was acknowledged.
fn is_unproved(event: &Event) -> bool {
    match event {
        Event::TransferStarted(started) => !started.proved,
        Event::TransferFinished(finished) => !finished.proved,
        _ => false,
    }
}

/// Whether a packet is of a DHCP client that does not ask to boot, and nothing was given to it.
fn is_plain_host(event: &Event) -> bool {
    matches!(event, Event::Decided(decided) if decided.reason == Reason::NotABootRequest)
}

impl Timeline {
    /// Forgets a refused request that the machine did not send.
    fn take_back(&mut self, disproved: &Disproved) {
        let of_it = |step: &Arc<Recorded>| {
            matches!(&step.event, Event::FileRefused(refused)
                if refused.peer == disproved.peer && refused.path == disproved.path)
        };
        if let Some(place) = self.steps.iter().rposition(of_it) {
            self.steps.remove(place);
        }
    }
}

impl Transfer {
    /// The client that fetches the file.
    pub fn peer(&self) -> SocketAddr {
        self.started.peer
    }
}

/// More machines than a site switches on in a day.
pub const MAX_MACHINES: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
/// Of those that fetched nothing yet, this many always have a place.
const MAX_ASKING: usize = 1000;
/// A boot has about twenty; a few boots are worth comparing.
pub const MAX_STEPS: usize = 48;
/// Reports and messages of syslog among them that make room for others.
const MAX_REPORTS: usize = 16;
/// Four digits are quickly read from a screen and typed.
pub const MAX_NUMBER: u32 = 9999;
const MAX_TRANSFERS: usize = 20_000;
#[cfg(test)]
mod tests;
