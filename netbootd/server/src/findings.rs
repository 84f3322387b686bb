//! Findings as they open and end: for metrics, webhooks and `netbootd watch --findings`.
//!
//! Machines with a step of late are looked at once a second, those with an open finding now and
//! then, so that silences are found at their deadline. All of it is beside the boot path: packets
//! and transfers never wait for it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use netbootd_diagnosis::Severity;
use netbootd_telemetry::finding::FindingView;
use netbootd_telemetry::view::rfc3339;
use parking_lot::Mutex;
use pxe_policy::MacAddr;
use serde::Serialize;
use tokio::sync::broadcast;

use crate::services::Services;
use crate::webhook::outcomes::Outcomes;

/// The open findings, and how many there were.
#[derive(Debug)]
pub struct Findings {
    /// How the messages of webhooks ended.
    pub webhooks: Outcomes,
    inner: Mutex<Inner>,
    watchers: broadcast::Sender<Arc<Change>>,
}

#[derive(Debug, Default)]
struct Inner {
    open: HashMap<MacAddr, Open>,
    opened: BTreeMap<&'static str, u64>,
}

#[derive(Debug)]
struct Open {
    finding: FindingView,
    name: Option<String>,
    boot: u32,
    looked: SystemTime,
}

/// A finding that opens or ends.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// When it happened (RFC 3339).
    pub at: String,
    /// Whether the finding `opened` or `ended`.
    pub event: Happened,
    /// The machine's hardware address.
    pub mac: String,
    /// Its name, when a directory knows it.
    pub name: Option<String>,
    /// The number of its boot, as its screen shows it.
    pub boot: u32,
    /// The fault of its boot, present or past.
    #[serde(flatten)]
    pub finding: FindingView,
}

/// The change of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Happened {
    /// It is there from now on.
    Opened,
    /// The machine goes on, or something else is wrong with it.
    Ended,
}

/// A machine at one look.
#[derive(Debug)]
pub struct Seen {
    /// The machine's name, when one is known.
    pub name: Option<String>,
    /// The number of its boot.
    pub boot: u32,
    /// The fault of its boot, if there is one.
    pub finding: Option<FindingView>,
}

/// Looks at the machines every second until shutdown.
pub async fn follow(services: Arc<Services>, findings: Arc<Findings>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = services.lifecycle.shutdown.cancelled() => return,
        }
        findings.look(&services, SystemTime::now());
    }
}

impl Default for Findings {
    fn default() -> Self {
        Findings {
            webhooks: Outcomes::default(),
            inner: Mutex::default(),
            watchers: broadcast::Sender::new(WATCHER_BACKLOG),
        }
    }
}

impl Findings {
    /// Looks at the machines that did something lately, and at those with an open finding.
    fn look(&self, services: &Services, now: SystemTime) {
        let patience = services.snapshot.load().config.diagnosis;
        let mut macs = services.timelines.active_since(now - LATELY, AT_ONCE);
        macs.extend(self.with(|inner| inner.due(now)));
        macs.sort_unstable();
        macs.dedup();
        for mac in macs {
            let seen = services.timelines.summary(mac, patience, now).map(|(name, boot, diagnosis)| Seen {
                name,
                boot,
                finding: diagnosis.finding.as_ref().map(FindingView::new),
            });
            self.note(mac, seen, now);
        }
    }

    /// Notes what one look at a machine shows; None for one that is forgotten.
    pub fn note(&self, mac: MacAddr, seen: Option<Seen>, now: SystemTime) {
        let changes = self.with(|inner| inner.note(mac, seen, now));
        for change in changes {
            // No watcher is no failure.
            let _ = self.watchers.send(Arc::new(change));
        }
    }

    /// Every change from now on. A watcher that falls behind loses the oldest ones and learns how
    /// many.
    pub fn watch(&self) -> broadcast::Receiver<Arc<Change>> {
        self.watchers.subscribe()
    }

    /// How many findings opened since the start, by cause.
    pub fn opened(&self) -> BTreeMap<&'static str, u64> {
        self.with(|inner| inner.opened.clone())
    }

    /// How many are open, by severity.
    pub fn open(&self) -> [(Severity, usize); 3] {
        self.with(|inner| {
            [Severity::Notice, Severity::Warning, Severity::Error].map(|severity| {
                (severity, inner.open.values().filter(|open| open.finding.severity == severity).count())
            })
        })
    }

    fn with<T>(&self, action: impl FnOnce(&mut Inner) -> T) -> T {
        action(&mut self.inner.lock())
    }
}

impl Inner {
    /// The machines whose open finding was not looked at for a while.
    fn due(&self, now: SystemTime) -> Vec<MacAddr> {
        let is_due = |open: &Open| now.duration_since(open.looked).is_ok_and(|ago| ago >= LOOK_AGAIN);
        self.open.iter().filter(|(_, open)| is_due(open)).map(|(mac, _)| *mac).collect()
    }

    fn note(&mut self, mac: MacAddr, seen: Option<Seen>, now: SystemTime) -> Vec<Change> {
        let change = |event, open: &Open| Change {
            at: rfc3339(now),
            event,
            mac: mac.to_string(),
            name: open.name.clone(),
            boot: open.boot,
            finding: open.finding.clone(),
        };
        let found = seen.and_then(|Seen { name, boot, finding }| {
            Some(Open { finding: finding?, name, boot, looked: now })
        });
        let same = |known: &Open| {
            found.as_ref().is_some_and(|found| {
                (known.finding.cause, &known.finding.headline)
                    == (found.finding.cause, &found.finding.headline)
            })
        };
        if let Some(known) = self.open.get_mut(&mac)
            && same(known)
        {
            known.looked = now;
            return Vec::new();
        }
        let mut changes = Vec::new();
        if let Some(ended) = self.open.remove(&mac) {
            changes.push(change(Happened::Ended, &ended));
        }
        if let Some(found) = found {
            // Made-up machines crowd out one another, and no memory.
            if self.open.len() < MAX_OPEN {
                *self.opened.entry(found.finding.cause).or_default() += 1;
                changes.push(change(Happened::Opened, &found));
                self.open.insert(mac, found);
            }
        }
        changes
    }
}

const EVERY: Duration = Duration::from_secs(1);
/// A silence of a system is found after minutes; nothing new is found after this.
const LATELY: Duration = Duration::from_secs(10 * 60);
/// Machines with a step of late that one look takes, the newest first: a diagnosis takes some ten
/// microseconds.
const AT_ONCE: usize = 500;
/// An open finding of a machine that does nothing ends when the machine is forgotten.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// Open findings that are followed.
const MAX_OPEN: usize = 4096;
/// Changes kept for a watcher that is slow to fetch them.
const WATCHER_BACKLOG: usize = 1024;

#[cfg(test)]
mod tests {
    use netbootd_diagnosis::Cause;

    use super::*;

    fn seen(cause: Option<Cause>) -> Option<Seen> {
        let finding = cause.map(|cause| FindingView {
            cause: cause.as_str(),
            severity: cause.severity(),
            headline: cause.headline(),
            evidence: Vec::new(),
            cure: cause.cure().to_owned(),
            codes: cause.codes(),
        });
        Some(Seen { name: None, boot: 7, finding })
    }

    #[tokio::test]
    async fn a_finding_is_told_once_when_it_opens_and_once_when_it_ends() {
        let findings = Findings::default();
        let mut watcher = findings.watch();
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        let looks = [
            None,
            Some(Cause::NoAddress),
            Some(Cause::NoAddress),
            Some(Cause::SlowTransfer),
            None,
            None,
            Some(Cause::NoAddress),
        ];
        for cause in looks {
            findings.note(mac, seen(cause), SystemTime::UNIX_EPOCH);
        }
        findings.note(mac, None, SystemTime::UNIX_EPOCH);
        let mut told = Vec::new();
        while let Ok(change) = watcher.try_recv() {
            told.push((change.event, change.finding.cause));
        }
        use Happened::{Ended, Opened};
        assert_eq!(
            told,
            [
                (Opened, "no-address"),
                (Ended, "no-address"),
                (Opened, "slow-transfer"),
                (Ended, "slow-transfer"),
                (Opened, "no-address"),
                (Ended, "no-address"),
            ]
        );
        assert_eq!(findings.opened(), BTreeMap::from([("no-address", 2), ("slow-transfer", 1)]));
        assert!(findings.open().iter().all(|(_, count)| *count == 0));
    }

    #[test]
    fn a_hundred_thousand_machines_leave_a_bounded_table() {
        let findings = Findings::default();
        for n in 0_u32..100_000 {
            let [a, b, c, d] = n.to_be_bytes();
            findings.note(MacAddr([2, 0, a, b, c, d]), seen(Some(Cause::NoAddress)), SystemTime::UNIX_EPOCH);
        }
        assert_eq!(findings.open()[2], (Severity::Error, MAX_OPEN));
    }
}
