//! What happened to each machine lately, step by step, and what is being transferred now.
//!
//! Fed with the events that the log is written from.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use lru::LruCache;
use netbootd_diagnosis::{Diagnosis, Fleet, Machine, Patience, diagnose};
use pxe_policy::{MacAddr, Reason, SystemUuid};

use crate::event::{Event, Recorded, TransferId, TransferStalled, TransferStarted};

/// The machines that were heard of lately. At most [`MAX_MACHINES`]; the ones not heard of for longest leave first.
#[derive(Debug, Default)]
pub struct Timelines {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    machines: LruCache<MacAddr, Timeline>,
    fleet: Fleet,
    transfers: BTreeMap<TransferId, Transfer>,
    lost: u64,
}

/// One machine's steps, oldest first. At most [`MAX_STEPS`].
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// Its GUID, as it last said it.
    pub uuid: Option<SystemUuid>,
    /// Its name, when a directory knows it.
    pub name: Option<String>,
    /// What happened.
    pub steps: VecDeque<Arc<Recorded>>,
    /// Its boots.
    pub machine: Machine,
}

/// A transfer under way.
#[derive(Debug, Clone)]
pub struct Transfer {
    /// Since when.
    pub since: SystemTime,
    /// What.
    pub started: TransferStarted,
    /// Bytes that the client has.
    pub bytes: u64,
}

impl Timelines {
    /// Takes up one event; gives whose step it is.
    pub fn take(&self, recorded: &Arc<Recorded>) -> Option<MacAddr> {
        self.with(|inner| inner.take(recorded))
    }

    /// Counts events that nobody could take up because the server was busy.
    pub fn note_lost(&self, events: u64) {
        self.with(|inner| inner.lost += events);
    }

    /// One machine's steps.
    pub fn of(&self, mac: MacAddr) -> Option<Timeline> {
        self.with(|inner| inner.machines.peek(&mac).cloned())
    }

    /// What is wrong with a machine's boot, and what should come next.
    pub fn diagnose(&self, mac: MacAddr, patience: Patience, now: SystemTime) -> Diagnosis {
        self.with(|inner| {
            let timeline = inner.machines.peek(&mac);
            timeline
                .map(|timeline| diagnose(mac, &timeline.machine, &inner.fleet, patience, now))
                .unwrap_or_default()
        })
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

    /// How many machines are kept, and how many steps were lost because the server was busy.
    pub fn size(&self) -> (usize, u64) {
        self.with(|inner| (inner.machines.len(), inner.lost))
    }

    /// What is being transferred, by number.
    pub fn transfers(&self) -> Vec<(TransferId, Transfer)> {
        self.with(|inner| inner.transfers.iter().map(|(id, transfer)| (*id, transfer.clone())).collect())
    }

    fn with<T>(&self, action: impl FnOnce(&mut Inner) -> T) -> T {
        action(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for Inner {
    fn default() -> Self {
        Inner {
            machines: LruCache::new(MAX_MACHINES),
            fleet: Fleet::new(),
            transfers: BTreeMap::new(),
            lost: 0,
        }
    }
}

impl Inner {
    fn take(&mut self, recorded: &Arc<Recorded>) -> Option<MacAddr> {
        let event = &recorded.event;
        let mac = self.machine_of(event);
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
        let mac = mac?;
        // Hosts that only take an address from another server are no machines of this one, unless they booted here before.
        if is_plain_host(&recorded.event) && !self.machines.contains(&mac) {
            return None;
        }
        let timeline = self.machines.get_or_insert_mut(mac, Timeline::default);
        if let Some(step) = event.step() {
            self.fleet.observe(mac, recorded.at, step, &timeline.machine);
            timeline.machine.observe(recorded.at, step);
        }
        if let Event::Decided(decided) = event {
            timeline.uuid = decided.uuid.or(timeline.uuid);
            timeline.name = decided.machine.clone().or(timeline.name.take());
        }
        if matches!(event, Event::TransferProgress { .. } | Event::TransferStalled(_)) {
            return None;
        }
        if timeline.steps.len() >= MAX_STEPS {
            timeline.steps.pop_front();
        }
        timeline.steps.push_back(Arc::clone(recorded));
        Some(mac)
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

/// Whether a packet is of a DHCP client that does not ask to boot, and nothing was given to it.
fn is_plain_host(event: &Event) -> bool {
    matches!(event, Event::Decided(decided) if decided.reason == Reason::NotABootRequest)
}

impl Transfer {
    /// Who fetches.
    pub fn peer(&self) -> SocketAddr {
        self.started.peer
    }
}

/// More machines than a site switches on in a day.
pub const MAX_MACHINES: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
/// A boot has about twenty; a few boots are worth comparing.
pub const MAX_STEPS: usize = 48;
const MAX_TRANSFERS: usize = 20_000;
#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::testing::{completed, decided, offer, refused, started, step};
    use crate::event::{Answered, Decided, Proto};

    fn mac(n: usize) -> MacAddr {
        let [a, b, c, d] = u32::try_from(n).unwrap().to_be_bytes();
        MacAddr([2, 0, a, b, c, d])
    }

    #[test]
    fn a_machines_steps_are_kept_and_the_oldest_leave_first() {
        let timelines = Timelines::default();
        for n in 0..MAX_STEPS as u64 + 2 {
            timelines.take(&step(n, offer(mac(1))));
        }
        let timeline = timelines.of(mac(1)).unwrap();
        assert_eq!(timeline.steps.len(), MAX_STEPS);
        assert_eq!(timeline.steps[0].at, SystemTime::UNIX_EPOCH + Duration::from_secs(2));
        let max = MAX_MACHINES.get();
        for n in 2..=max + 1 {
            timelines.take(&step(100, offer(mac(n))));
        }
        assert_eq!(timelines.size(), (max, 0));
        assert!(timelines.of(mac(1)).is_none(), "it was not heard of for longest");
        let newest = timelines.newest(2, |_, _| true);
        assert_eq!(newest.iter().map(|(mac, _)| *mac).collect::<Vec<_>>(), [mac(max + 1), mac(max)]);
    }

    #[test]
    fn a_question_of_a_probe_is_no_boot_that_could_have_gone_wrong() {
        let found = |probe| {
            let timelines = Timelines::default();
            let event = decided(mac(1), Proto::Proxy, Answered::Offer, Reason::Rule);
            timelines.take(&step(1, Event::Decided(Decided { probe, boot_file: Some("b".into()), ..event })));
            assert_eq!(timelines.of(mac(1)).unwrap().steps.len(), 1, "it is shown");
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
            timelines.diagnose(mac(1), Patience::default(), now).finding.is_some()
        };
        assert_eq!((found(false), found(true)), (true, false));
    }

    #[test]
    fn hosts_that_only_want_an_address_of_another_server_are_no_machines() {
        let timelines = Timelines::default();
        let plain =
            |n| Event::Decided(decided(mac(n), Proto::Proxy, Answered::Ignore, Reason::NotABootRequest));
        assert_eq!(timelines.take(&step(1, plain(1))), None);
        assert_eq!(timelines.size().0, 0);
        timelines.take(&step(1, offer(mac(2))));
        assert_eq!(
            timelines.take(&step(2, plain(2))),
            Some(mac(2)),
            "the system of a machine that booted here"
        );
        assert_eq!((timelines.size().0, timelines.of(mac(2)).unwrap().steps.len()), (1, 2));
    }

    #[test]
    fn a_transfer_is_under_way_from_its_start_to_its_end() {
        let timelines = Timelines::default();
        timelines.take(&step(1, started(7, mac(1), "boot.efi")));
        timelines.take(&step(2, Event::TransferProgress { id: TransferId(7), bytes: 500 }));
        let under_way = timelines.transfers();
        assert_eq!((under_way[0].0, under_way[0].1.bytes), (TransferId(7), 500));
        timelines.take(&step(3, completed(7, mac(1), "boot.efi")));
        timelines.take(&step(4, refused(mac(1), "grub.cfg")));
        assert!(timelines.transfers().is_empty());
        assert_eq!(timelines.of(mac(1)).unwrap().steps.len(), 3, "progress is no step");
    }
}
