//! The remembered state of each next hop. Pure: time and the kernel's answer come in as arguments.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;

use super::State;
use crate::bounded;

/// An address, and the interface that it is reached by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Hop {
    pub(super) to: IpAddr,
    /// 0 lets the route decide.
    pub(super) ifindex: u32,
}

/// How a datagram may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// The next hop is there: it leaves at once.
    Known,
    /// It makes the kernel look for the next hop, and waits in the socket's buffer until that
    /// answers.
    Trial,
}

/// Why a datagram is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Its next hop does not answer.
    Unresolved,
    /// Too many next hops do not answer.
    TooMany,
}

/// At most [`MAX_HOPS`]; those not used for longest leave first.
#[derive(Debug)]
pub(super) struct Table {
    hops: LruCache<Hop, Seen>,
    /// Those that are waited for, with the begin of that.
    trials: HashMap<Hop, Trial>,
    swept: Option<Instant>,
}

/// The kernel's last answer about a hop that no packet waits for.
#[derive(Debug, Clone, Copy)]
enum Seen {
    Resolved {
        looked: Instant,
    },
    /// It did not answer within [`TRIAL`].
    Silent {
        since: Instant,
        looked: Instant,
    },
}

impl Seen {
    fn is_idle(self, now: Instant) -> bool {
        let (Seen::Resolved { looked } | Seen::Silent { looked, .. }) = self;
        now.duration_since(looked) >= SILENT_FOR
    }
}

#[derive(Debug, Clone, Copy)]
struct Trial {
    since: Instant,
    sent: u32,
}

impl Default for Table {
    fn default() -> Self {
        Table { hops: bounded::lru(MAX_HOPS), trials: HashMap::new(), swept: None }
    }
}

impl Table {
    pub(super) fn admit(
        &mut self,
        hop: Hop,
        now: Instant,
        look: impl Fn(Hop) -> State,
    ) -> Result<Admitted, Refused> {
        match self.hops.get(&hop) {
            Some(Seen::Resolved { looked }) if now.duration_since(*looked) < RESOLVED_FOR => {
                return Ok(Admitted::Known);
            }
            Some(Seen::Silent { looked, .. }) if now.duration_since(*looked) < LOOK_AGAIN => {
                return Err(Refused::Unresolved);
            }
            _ => {}
        }
        match look(hop) {
            State::Resolved => {
                self.resolved(hop, now);
                Ok(Admitted::Known)
            }
            State::Unresolved => self.unresolved(hop, now, look),
            State::Unknown => Ok(Admitted::Known),
        }
    }

    /// Forgets the hops whose state is no longer used without asking the kernel.
    pub(super) fn forget_idle(&mut self, now: Instant) -> usize {
        let hops = self.hops.len();
        let before = hops + self.trials.len();
        while self.hops.peek_lru().is_some_and(|(_, seen)| seen.is_idle(now)) {
            self.hops.pop_lru();
        }
        self.trials.retain(|_, trial| now.duration_since(trial.since) < SILENT_FOR);
        bounded::release(&mut self.hops, hops);
        before - self.hops.len() - self.trials.len()
    }

    /// How many hops are waited for.
    pub(super) fn trials(&self) -> usize {
        self.trials.len()
    }

    fn resolved(&mut self, hop: Hop, now: Instant) {
        self.trials.remove(&hop);
        self.hops.put(hop, Seen::Resolved { looked: now });
    }

    fn unresolved(
        &mut self,
        hop: Hop,
        now: Instant,
        look: impl Fn(Hop) -> State,
    ) -> Result<Admitted, Refused> {
        if let Some(trial) = self.trials.get_mut(&hop) {
            if now.duration_since(trial.since) >= TRIAL {
                self.trials.remove(&hop);
                self.hops.put(hop, Seen::Silent { since: now, looked: now });
                return Err(Refused::Unresolved);
            }
            if trial.sent >= MAX_WAITING {
                return Err(Refused::Unresolved);
            }
            trial.sent += 1;
            return Ok(Admitted::Trial);
        }
        if let Some(Seen::Silent { since, looked }) = self.hops.get_mut(&hop)
            && now.duration_since(*since) < SILENT_FOR
        {
            *looked = now;
            return Err(Refused::Unresolved);
        }
        if self.trials.len() >= MAX_TRIALS {
            self.sweep(now, look);
        }
        if self.trials.len() >= MAX_TRIALS {
            return Err(Refused::TooMany);
        }
        self.hops.pop(&hop);
        self.trials.insert(hop, Trial { since: now, sent: 1 });
        Ok(Admitted::Trial)
    }

    /// Ends the trials of hops that have answered by now, or not for too long.
    fn sweep(&mut self, now: Instant, look: impl Fn(Hop) -> State) {
        if self.swept.is_some_and(|swept| now.duration_since(swept) < SWEEP_EVERY) {
            return;
        }
        self.swept = Some(now);
        let hops = &mut self.hops;
        self.trials.retain(|hop, trial| {
            if now.duration_since(trial.since) >= TRIAL {
                hops.put(*hop, Seen::Silent { since: now, looked: now });
                return false;
            }
            let resolved = look(*hop) != State::Unresolved;
            if resolved {
                hops.put(*hop, Seen::Resolved { looked: now });
            }
            !resolved
        });
    }
}

/// The kernel asks three times, a second apart, before it gives a neighbour up and drops what waits
/// for it.
const TRIAL: Duration = Duration::from_secs(3);
/// Datagrams that may wait for one hop: the first ones of a machine that boots.
const MAX_WAITING: u32 = 4;
/// Hops that may be waited for at a time. The kernel has 1024 neighbours in all by default
/// (gc_thresh3), and needs the rest for others.
const MAX_TRIALS: usize = 256;
/// The time for which nothing is sent to a hop that did not answer, unless the kernel resolves it.
const SILENT_FOR: Duration = Duration::from_secs(30);
/// How often the kernel is asked of a hop that answers: it finds out itself when one goes.
const RESOLVED_FOR: Duration = Duration::from_secs(1);
/// How often it is asked of one that does not.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const SWEEP_EVERY: Duration = Duration::from_millis(50);
/// Some 100 bytes each.
const MAX_HOPS: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");

#[cfg(test)]
mod tests;
