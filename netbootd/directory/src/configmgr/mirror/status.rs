//! How far the copy of the site is, and how old.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pxe_policy::Trouble;
use serde::{Deserialize, Serialize};

use super::Mirror;
use super::shapes::Shapes;
use super::sweep::Held;

/// The state of the copy.
#[derive(Debug, Default)]
pub(super) struct Status {
    /// The site that it is of.
    pub(super) url: String,
    /// Whether the file was read.
    pub(super) loaded: bool,
    /// Whether every device was read once.
    pub(super) whole: bool,
    /// When the last cycle of changes began that ended well.
    pub(super) synced: Option<At>,
    /// When the last whole reading of the devices ended.
    pub(super) swept: Option<At>,
    pub(super) shapes: Option<Shapes>,
    pub(super) held: Option<Held>,
    pub(super) accepted: bool,
    pub(super) trouble: Option<Trouble>,
    /// The count of All Systems, where the account sees it.
    pub(super) counted: Option<u64>,
    /// Why boundaries, groups and content are not read, where they are not.
    pub(super) unread: Vec<Trouble>,
}

/// A time that survives a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    /// Seconds since 1970, for the file.
    pub(super) unix: u64,
    /// None when it was before this start.
    instant: Option<Instant>,
}

/// The file's row about the copy.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Meta {
    url: String,
    whole: bool,
    synced: Option<u64>,
    swept: Option<u64>,
}

/// The copy of the site, for operators.
#[derive(Debug, Clone, Serialize)]
pub struct MirrorView {
    /// The URL of the site's AdminService.
    pub url: String,
    /// Whether every device was read once; until then each machine is looked up at the site.
    pub whole: bool,
    /// Seconds since the copy was up to date.
    pub age: Option<u64>,
    /// Seconds since every device was read.
    pub swept: Option<u64>,
    /// The number of machines' records.
    pub devices: usize,
    /// Of these obsolete or decommissioned.
    pub retired: usize,
    /// The site's count of All Systems, where the account sees it.
    pub counted: Option<u64>,
    /// The number of task sequence deployments.
    pub deployments: usize,
    /// Collections that something is deployed to.
    pub collections: usize,
    /// The number of memberships of these.
    pub memberships: usize,
    /// The number of boundaries.
    pub boundaries: usize,
    /// Classes beside the path of a boot that the account does not see.
    pub unread: Vec<String>,
    /// The forms of question that the site serves, once they were tried.
    pub shapes: Option<Shapes>,
    /// Removals that wait for an operator.
    pub held: Option<Held>,
    /// Why the copy is not brought up to date.
    pub trouble: Option<String>,
}

impl Status {
    /// How old the copy is, once it is whole. A copy of before this start is as old as the
    /// clock says; a clock that was set back makes it too old to count.
    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        self.synced.filter(|_| self.whole).map(|at| at.age(now, SystemTime::now()))
    }

    pub(super) fn accept(&mut self) -> Option<Held> {
        self.accepted = self.held.is_some();
        if self.accepted {
            self.swept = None;
        }
        self.held
    }

    pub(super) fn meta(&self) -> Meta {
        let unix = |at: Option<At>| at.map(|at| at.unix);
        Meta { url: self.url.clone(), whole: self.whole, synced: unix(self.synced), swept: unix(self.swept) }
    }

    /// Restores the state from the file; false when the file is of another site.
    pub(super) fn restore(&mut self, meta: &Meta) -> bool {
        if meta.url != self.url {
            return false;
        }
        let at = |unix: Option<u64>| unix.map(|unix| At { unix, instant: None });
        (self.whole, self.synced, self.swept) = (meta.whole, at(meta.synced), at(meta.swept));
        true
    }
}

impl At {
    pub(super) fn now() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        At { unix, instant: Some(Instant::now()) }
    }

    pub(super) fn age(&self, now: Instant, clock: SystemTime) -> Duration {
        match self.instant {
            Some(at) => now.saturating_duration_since(at),
            None => {
                let clock = clock.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                Duration::from_secs(clock.checked_sub(self.unix).unwrap_or(TOO_OLD))
            }
        }
    }
}

impl Mirror {
    /// The copy's state for operators.
    pub fn view(&self) -> MirrorView {
        let model = self.model.read();
        let status = self.status.lock();
        let seconds = |at: Option<At>| at.map(|at| at.age(Instant::now(), SystemTime::now()).as_secs());
        MirrorView {
            url: status.url.clone(),
            whole: status.whole,
            age: seconds(status.synced),
            swept: seconds(status.swept),
            devices: model.len(),
            retired: model.devices().filter(|device| device.retired).count(),
            counted: status.counted,
            deployments: model.tables.deployments(),
            collections: model.members.ids().count(),
            memberships: model.members.total(),
            boundaries: model.places.len(),
            unread: status.unread.iter().map(Trouble::to_string).collect(),
            shapes: status.shapes,
            held: status.held,
            trouble: status.trouble.as_ref().map(Trouble::to_string),
        }
    }
}

/// In seconds: older than any answer may be.
const TOO_OLD: u64 = 10 * 365 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_makes_a_copy_too_old() {
        let at = At { unix: 1_000_000, instant: None };
        let clock = |unix| UNIX_EPOCH + Duration::from_secs(unix);
        let now = Instant::now();
        assert_eq!(at.age(now, clock(1_000_060)), Duration::from_secs(60));
        assert_eq!(at.age(now, clock(996_400)), Duration::from_secs(TOO_OLD));
        let running = At { unix: 1_000_000, instant: Some(now) };
        assert_eq!(running.age(now + Duration::from_secs(5), clock(0)), Duration::from_secs(5));
    }

    #[test]
    fn a_copy_of_another_site_is_not_taken_up() {
        let meta = Meta { url: "https://old/AdminService".into(), whole: true, synced: Some(1), swept: None };
        let mut status = Status { url: "https://new/AdminService".into(), ..Status::default() };
        assert!(!status.restore(&meta) && !status.whole);
        status.url.clone_from(&meta.url);
        assert!(status.restore(&meta) && status.whole && status.swept.is_none());
    }
}
