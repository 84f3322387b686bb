//! All directories of the configuration, asked at the same time, each until the deadline; an answer
//! that comes later is kept for the machine's next packet.
//!
//! Answers are kept for a while; an older one is used only when the directory cannot be reached,
//! and is marked as such. A directory that fails is not asked for some time.

mod memory;

use std::sync::Arc;
use std::time::{Duration, Instant};

use pxe_policy::{Answer, DirectoryAnswer, Identity, MacAddr, Trouble, TroubleKind};
use thiserror::Error;
use tokio::sync::watch;

use crate::certificates::Seen;
use crate::configmgr::Mirror;
use crate::configured::{Configured, OpenError, Settings};
use crate::directory::{Directory, PackageTypes};
use memory::{Memory, Recalled};

/// Every directory of the configuration, in its order.
#[derive(Debug, Default)]
pub struct Directories {
    all: Vec<Arc<Entry>>,
    deadline: Duration,
}

/// One directory with what it said lately.
#[derive(Debug)]
struct Entry {
    name: &'static str,
    directory: Box<dyn Directory>,
    memory: Memory,
    limits: AnswerAge,
}

/// How long answers count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct AnswerAge {
    /// Answers up to this age are used as they are.
    fresh: Duration,
    /// When the directory cannot be reached.
    stale: Duration,
}

impl Directories {
    /// Each directory with why it is not asked, if it is not.
    pub fn health(&self) -> Vec<(&'static str, Option<Trouble>)> {
        let now = Instant::now();
        let trouble = |entry: &Entry| {
            entry.directory.trouble().or_else(|| entry.memory.rests(now).map(|rest| rest.trouble()))
        };
        self.all.iter().map(|entry| (entry.name, trouble(entry))).collect()
    }

    /// Opens what the configuration names. Nothing is asked yet.
    pub fn open(settings: &Settings<'_>) -> Result<Self, OpenError> {
        let limits = AnswerAge { fresh: settings.cache, stale: settings.stale };
        let open = |one: &dyn Configured| {
            let directory = one.open(settings.cache)?;
            let limits = if one.keeps_answers() { limits } else { AnswerAge::default() };
            Ok(Arc::new(Entry { name: one.name(), directory, memory: Memory::default(), limits }))
        };
        let all = settings.all.iter().map(|one| open(&**one)).collect::<Result<_, OpenError>>()?;
        Ok(Directories { all, deadline: settings.deadline })
    }

    /// Asks another one first, which is in memory.
    pub fn with_first(mut self, name: &'static str, directory: Box<dyn Directory>) -> Self {
        let limits = AnswerAge::default();
        self.all.insert(0, Arc::new(Entry { name, directory, memory: Memory::default(), limits }));
        self
    }

    /// Lets the site be answered for from a copy.
    pub fn mirroring(self, mirror: &Arc<Mirror>) -> Self {
        self.all.iter().for_each(|entry| entry.directory.attach(mirror));
        self
    }

    /// The copy of the site, where there is one.
    pub fn mirror(&self) -> Option<&Arc<Mirror>> {
        self.all.iter().find_map(|entry| entry.directory.mirror())
    }

    /// Brings the copy of the site up to date, and gives the time until something is due again;
    /// None without one.
    pub async fn sync(&self) -> Option<Result<Duration, Trouble>> {
        let asking = self.all.iter().find_map(|entry| entry.directory.sync())?;
        Some(asking.await)
    }

    /// The types of the site's packages; None without a site.
    pub async fn package_types(&self) -> Option<PackageTypes> {
        let asking = self.all.iter().find_map(|entry| entry.directory.package_types())?;
        Some(asking.await)
    }

    /// The certificates of boot media and PXE that a site has.
    pub async fn certificates(&self) -> Vec<Seen> {
        match self.all.iter().find_map(|entry| entry.directory.certificates()) {
            Some(asking) => asking.await,
            None => Vec::new(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Each with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &dyn Directory)> {
        self.all.iter().map(|entry| (entry.name, &*entry.directory))
    }

    /// Every directory's answer for a machine, in their order. Takes no longer than the deadline.
    pub async fn ask(&self, who: &Identity) -> Vec<Answer> {
        let asked: Vec<_> = self.all.iter().map(|entry| entry.begin(who, Instant::now())).collect();
        let until = tokio::time::Instant::now() + self.deadline;
        let mut answers = Vec::with_capacity(asked.len());
        for (entry, asked) in self.all.iter().zip(asked) {
            answers.push(entry.finish(who, asked, until, self.deadline).await);
        }
        answers
    }

    /// Forgets what was said of a machine. Gives how many answers that were.
    pub fn forget(&self, mac: MacAddr) -> usize {
        self.all.iter().map(|entry| entry.memory.forget(mac)).sum()
    }

    /// Reads directory files that changed.
    pub fn refresh(&self) {
        self.all.iter().for_each(|entry| entry.directory.refresh());
    }
}

/// A question under way, or its answer.
enum Asked {
    Answered(Box<Answer>),
    /// The answer that a request waits for since then; others that ask meanwhile share it.
    Waiting(watch::Receiver<Option<Result<DirectoryAnswer, Trouble>>>, Instant),
}

impl Entry {
    fn begin(self: &Arc<Self>, who: &Identity, now: Instant) -> Asked {
        if let Some(answer) = self.directory.at_once(self.name, who) {
            return Asked::Answered(Box::new(answer));
        }
        match self.memory.recall(who, now, self.limits.fresh) {
            Recalled::Fresh(said, age) => Asked::Answered(Box::new(self.answer(Ok(*said), age))),
            Recalled::Resting(rest) => Asked::Answered(Box::new(self.old_or(who, now, rest.trouble()))),
            Recalled::Pending(receiver, asked) => Asked::Waiting(receiver, asked),
            Recalled::Ask(sender, receiver) => {
                let (entry, who) = (Arc::clone(self), who.clone());
                // Goes on when the deadline is over, for the machine's next packet.
                tokio::spawn(async move {
                    let said = tokio::time::timeout(LONGEST, entry.directory.ask(&who)).await;
                    let said = said.unwrap_or_else(|_| {
                        Err(Trouble::new(TroubleKind::Timeout, AskError::GivenUp(LONGEST)))
                    });
                    entry.memory.keep(&who, &said, now, Instant::now());
                    let _ = sender.send(Some(said)); // nobody may be waiting any more
                });
                Asked::Waiting(receiver, now)
            }
        }
    }

    async fn finish(
        &self,
        who: &Identity,
        asked: Asked,
        until: tokio::time::Instant,
        deadline: Duration,
    ) -> Answer {
        let (mut receiver, asked) = match asked {
            Asked::Answered(answer) => return *answer,
            Asked::Waiting(receiver, asked) => (receiver, asked),
        };
        let waited = tokio::time::timeout_at(until, receiver.wait_for(Option::is_some)).await;
        let said = match waited {
            Ok(Ok(said)) => said.clone().unwrap_or_else(|| Err(broken())),
            Ok(Err(_)) => Err(broken()),
            Err(_) => Err(Trouble::new(TroubleKind::Timeout, AskError::Late(deadline))),
        };
        match said {
            Ok(said) => self.answer(Ok(said), asked.elapsed()),
            Err(trouble) => self.old_or(who, Instant::now(), trouble),
        }
    }

    fn old_or(&self, who: &Identity, now: Instant, trouble: Trouble) -> Answer {
        let old = self.memory.old(who, now, self.limits.stale);
        let old = old.map(|(said, age)| Answer { stale: true, ..self.answer(Ok(said), age) });
        let copy = self.directory.while_away(self.name, who, self.limits.stale);
        let newest = old.into_iter().chain(copy).min_by_key(|answer| answer.age);
        newest.unwrap_or_else(|| self.answer(Err(trouble), Duration::ZERO))
    }

    fn answer(&self, said: Result<DirectoryAnswer, Trouble>, age: Duration) -> Answer {
        Answer { directory: self.name.to_owned(), age: age.as_secs(), stale: false, said }
    }
}

fn broken() -> Trouble {
    Trouble::new(TroubleKind::Failed, AskError::BrokeOff)
}

/// Why a directory's answer is missing, whatever the directory.
#[derive(Debug, Error)]
enum AskError {
    /// Within the deadline of one request.
    #[error("no answer within {} ms", .0.as_millis())]
    Late(Duration),
    /// Within the longest time that a question may take.
    #[error("no answer within {} s", .0.as_secs())]
    GivenUp(Duration),
    /// The task that asked has ended.
    #[error("the question broke off")]
    BrokeOff,
}

/// A question that takes longer is given up.
const LONGEST: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
