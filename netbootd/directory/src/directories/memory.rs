//! A directory's recent answers, and whether it is worth asking.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pxe_policy::{DirectoryAnswer, Identity, MacAddr, Trouble, TroubleKind};
use thiserror::Error;
use tokio::sync::watch;

/// Answers of one directory by machine. At most [`MAX_MACHINES`]; the oldest leave first.
#[derive(Debug, Default)]
pub(super) struct Memory {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    machines: HashMap<Identity, Entry>,
    failures: u32,
    rests_until: Option<(Instant, Rest)>,
}

/// The reason why a directory is not asked for a while.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("it failed {failures} times, last: {last}")]
pub(super) struct Rest {
    /// How often it failed in a row.
    failures: u32,
    /// The trouble of the last failure.
    last: Trouble,
}

impl Rest {
    /// The trouble that a question meets meanwhile.
    pub(super) fn trouble(&self) -> Trouble {
        Trouble::new(TroubleKind::Resting, self.clone())
    }
}

#[derive(Debug, Default)]
struct Entry {
    /// With the time of the question.
    said: Option<(DirectoryAnswer, Instant)>,
    pending: Option<(Pending, Instant)>,
}

type Pending = watch::Receiver<Option<Result<DirectoryAnswer, Trouble>>>;

/// The state of one machine's answer.
pub(super) enum Recalled {
    /// This, of that age.
    Fresh(Box<DirectoryAnswer>, Duration),
    /// Nothing, and the directory is not asked, for this reason.
    Resting(Rest),
    /// Nothing yet: somebody is asking, since then.
    Pending(Pending, Instant),
    /// Nothing: ask, and send what comes.
    Ask(watch::Sender<Option<Result<DirectoryAnswer, Trouble>>>, Pending),
}

impl Memory {
    /// The cached answer, or the next step. Of several requests for one machine at a time, the
    /// first asks the directory.
    pub(super) fn recall(&self, who: &Identity, now: Instant, fresh: Duration) -> Recalled {
        self.with(|kept| {
            if let Some(entry) = kept.machines.get(who) {
                if let Some((said, at)) = &entry.said
                    && now.saturating_duration_since(*at) <= fresh
                {
                    return Recalled::Fresh(Box::new(said.clone()), now.saturating_duration_since(*at));
                }
                // A question that broke off has left nobody to answer it.
                let pending = entry.pending.as_ref().filter(|(pending, _)| pending.has_changed().is_ok());
                if let Some((pending, asked)) = pending {
                    return Recalled::Pending(pending.clone(), *asked);
                }
            }
            if let Some((until, why)) = &kept.rests_until {
                if now < *until {
                    return Recalled::Resting(why.clone());
                }
                // One goes ahead; the others keep resting until it is back.
                let why = why.clone();
                kept.rests_until = Some((now + REST, why));
            }
            kept.make_room();
            let (sender, receiver) = watch::channel(None);
            kept.machines.entry(who.clone()).or_default().pending = Some((receiver.clone(), now));
            Recalled::Ask(sender, receiver)
        })
    }

    /// Keeps what was said to a question of some time. Failures leave the last good answer where it
    /// is.
    ///
    /// An answer is as old as its question: it may have been read before something changed that
    /// happened while it was on its way.
    pub(super) fn keep(
        &self,
        who: &Identity,
        said: &Result<DirectoryAnswer, Trouble>,
        asked: Instant,
        now: Instant,
    ) {
        self.with(|kept| {
            match said {
                Ok(_) => (kept.failures, kept.rests_until) = (0, None),
                Err(trouble) => {
                    kept.failures += 1;
                    if kept.failures >= FAILURES {
                        let why = Rest { failures: kept.failures, last: trouble.clone() };
                        kept.rests_until = Some((now + REST, why));
                    }
                }
            }
            let Some(entry) = kept.machines.get_mut(who) else { return };
            entry.pending = None;
            if let Ok(said) = said {
                entry.said = Some((said.clone(), asked));
            } else if entry.said.is_none() {
                kept.machines.remove(who);
            }
        });
    }

    /// An answer that is no older than `limit`.
    pub(super) fn old(
        &self,
        who: &Identity,
        now: Instant,
        limit: Duration,
    ) -> Option<(DirectoryAnswer, Duration)> {
        self.with(|kept| {
            let (said, at) = kept.machines.get(who)?.said.as_ref()?;
            let age = now.saturating_duration_since(*at);
            (age <= limit).then(|| (said.clone(), age))
        })
    }

    /// The reason why the directory is not asked now, if there is one.
    pub(super) fn rests(&self, now: Instant) -> Option<Rest> {
        self.with(|kept| {
            let (until, why) = kept.rests_until.as_ref()?;
            (now < *until).then(|| why.clone())
        })
    }

    /// Forgets a machine, whatever GUID it came with.
    pub(super) fn forget(&self, mac: MacAddr) -> usize {
        self.with(|kept| {
            let before = kept.machines.len();
            kept.machines.retain(|who, _| who.mac != mac);
            before - kept.machines.len()
        })
    }

    fn with<T>(&self, action: impl FnOnce(&mut Kept) -> T) -> T {
        action(&mut self.kept.lock())
    }
}

impl Kept {
    /// Half of them go at once, so that a flood does not sort the table for every packet.
    fn make_room(&mut self) {
        if self.machines.len() < MAX_MACHINES {
            return;
        }
        let mut ages: Vec<Instant> =
            self.machines.values().filter_map(|entry| entry.said.as_ref().map(|(_, at)| *at)).collect();
        ages.sort_unstable();
        let middle = ages.get(ages.len() / 2).copied();
        self.machines.retain(|_, entry| {
            entry.said.as_ref().is_some_and(|(_, at)| middle.is_some_and(|middle| *at > middle))
        });
    }
}

/// As many as the machines whose addresses are remembered.
const MAX_MACHINES: usize = 32_768;
/// After so many failures in a row the directory is not asked for a while.
const FAILURES: u32 = 3;
/// A directory that failed is not asked for this long.
const REST: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use pxe_policy::TroubleKind;

    use super::*;

    fn who(n: u8) -> Identity {
        Identity { mac: MacAddr([2, 0, 0, 0, 0, n]), uuid: None, arch: None, is_mac: false }
    }

    fn failed() -> Result<DirectoryAnswer, Trouble> {
        Err(Trouble::new(TroubleKind::Unreachable, std::io::Error::other("nobody listens")))
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_question_that_broke_off_is_asked_again() {
        let (memory, now) = (Memory::default(), Instant::now());
        drop(memory.recall(&who(1), now, MINUTE));
        assert!(matches!(memory.recall(&who(1), now, MINUTE), Recalled::Ask(..)));
    }

    #[test]
    fn an_answer_is_fresh_for_a_while_and_old_for_longer() {
        let (memory, now) = (Memory::default(), Instant::now());
        let first = memory.recall(&who(1), now, MINUTE);
        assert!(matches!(first, Recalled::Ask(..)));
        assert!(matches!(memory.recall(&who(1), now, MINUTE), Recalled::Pending(_, asked) if asked == now));
        // It was on its way for a second.
        memory.keep(&who(1), &Ok(DirectoryAnswer::default()), now, now + Duration::from_secs(1));
        assert!(matches!(memory.recall(&who(1), now + MINUTE, MINUTE), Recalled::Fresh(_, MINUTE)));
        let later = now + MINUTE * 2;
        assert!(matches!(memory.recall(&who(1), later, MINUTE), Recalled::Ask(..)));
        memory.keep(&who(1), &failed(), later, later);
        assert_eq!(memory.old(&who(1), later, MINUTE * 3).unwrap().1, MINUTE * 2);
        assert!(memory.old(&who(1), later, MINUTE).is_none());
        assert_eq!(memory.forget(who(1).mac), 1);
        assert!(memory.old(&who(1), later, MINUTE * 3).is_none());
    }

    #[test]
    fn a_directory_that_fails_rests_and_one_goes_ahead_afterwards() {
        let (memory, now) = (Memory::default(), Instant::now());
        for n in 1..=3 {
            assert!(matches!(memory.recall(&who(n), now, MINUTE), Recalled::Ask(..)));
            memory.keep(&who(n), &failed(), now, now);
        }
        assert!(matches!(memory.recall(&who(4), now, MINUTE), Recalled::Resting(rest) if rest.failures == 3));
        let later = now + REST;
        assert!(matches!(memory.recall(&who(4), later, MINUTE), Recalled::Ask(..)));
        assert!(matches!(memory.recall(&who(5), later, MINUTE), Recalled::Resting(_)));
        memory.keep(&who(4), &Ok(DirectoryAnswer::default()), later, later);
        assert!(matches!(memory.recall(&who(5), later, MINUTE), Recalled::Ask(..)));
    }

    #[test]
    fn the_memory_is_bounded() {
        let (memory, now) = (Memory::default(), Instant::now());
        for n in 0..MAX_MACHINES * 2 {
            let [_, _, a, b, c, d] = (n as u64).to_be_bytes()[2..].try_into().unwrap();
            let who = Identity { mac: MacAddr([2, 0, a, b, c, d]), uuid: None, arch: None, is_mac: false };
            let at = now + Duration::from_millis(n as u64);
            assert!(matches!(memory.recall(&who, at, MINUTE), Recalled::Ask(..)));
            memory.keep(&who, &Ok(DirectoryAnswer::default()), at, at);
        }
        assert!(memory.with(|kept| kept.machines.len()) <= MAX_MACHINES);
    }
}
