//! The directories that know machines: the device file, Configuration Manager, Active Directory.
//!
//! All are asked at the same time, each until the deadline; an answer that comes later is kept for the machine's next packet. Answers are
//! kept for a while; an older one is used only when the directory cannot be reached, and is marked as such. A directory that fails is
//! left alone for some time.

pub mod active_directory;
pub mod address;
pub mod certificates;
pub mod configmgr;
pub mod device_file;
pub mod kerberos;
mod memory;
pub mod settings;

use std::sync::Arc;
use std::time::{Duration, Instant};

use netbootd_net::tls::TlsError;
use netbootd_state::shared::SharedDevices;
use pxe_policy::{Answer, DirectoryAnswer, Identity, MacAddr, Trouble, TroubleKind};
use thiserror::Error;
use tokio::sync::watch;

use crate::settings::Settings;
use active_directory::ActiveDirectory;
use configmgr::ConfigMgr;
use configmgr::client::SiteError;
use device_file::{DeviceFile, DeviceFileError};
use memory::{Memory, Recalled};

/// Every directory of the configuration, in its order.
#[derive(Debug, Default)]
pub struct Directories {
    all: Vec<Arc<Directory>>,
    deadline: Duration,
}

/// Why a directory of the configuration cannot be used.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The device file.
    #[error(transparent)]
    Devices(#[from] DeviceFileError),
    /// Configuration Manager.
    #[error(transparent)]
    ConfigMgr(#[from] SiteError),
    /// Active Directory's certificate cannot be verified.
    #[error(transparent)]
    ActiveDirectory(#[from] TlsError),
}

/// One directory with what it said lately.
#[derive(Debug)]
pub struct Directory {
    /// Its name in evidence.
    pub name: &'static str,
    source: Source,
    memory: Memory,
    limits: Limits,
}

/// How long answers count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// As they are.
    pub fresh: Duration,
    /// When the directory cannot be reached.
    pub stale: Duration,
}

/// The kinds of directories.
#[derive(Debug)]
pub enum Source {
    /// A file of devices.
    File(DeviceFile),
    /// The devices of the database that several servers share.
    Shared(SharedDevices),
    /// Configuration Manager's AdminService.
    ConfigMgr(Box<ConfigMgr>),
    /// Active Directory, or another LDAP directory with its schema.
    ActiveDirectory(Box<ActiveDirectory>),
}

impl Source {
    async fn ask(&self, who: &Identity) -> Result<DirectoryAnswer, Trouble> {
        match self {
            Source::File(file) => Ok(file.ask(who)),
            Source::Shared(devices) => devices.ask(DEVICES, who).said,
            Source::ConfigMgr(site) => site.ask(who).await,
            Source::ActiveDirectory(directory) => directory.ask(who).await,
        }
    }
}

impl Directories {
    /// Each directory with why it is not asked, if it is not.
    pub fn health(&self) -> Vec<(&'static str, Option<Trouble>)> {
        let now = Instant::now();
        let trouble = |directory: &Directory| match &directory.source {
            Source::Shared(devices) => devices.trouble(),
            _ => directory.memory.rests(now).map(|rest| rest.trouble()),
        };
        self.all.iter().map(|directory| (directory.name, trouble(directory))).collect()
    }

    /// Opens what the configuration names. Nothing is asked yet.
    pub fn open(settings: &Settings<'_>) -> Result<Self, OpenError> {
        let limits = Limits { fresh: settings.cache, stale: settings.stale };
        let mut all = Vec::new();
        let mut add = |name, source, limits| {
            all.push(Arc::new(Directory { name, source, memory: Memory::default(), limits }));
        };
        if let Some(file) = settings.devices {
            // It is in memory itself.
            let none = Limits { fresh: Duration::ZERO, stale: Duration::ZERO };
            add(DEVICES, Source::File(DeviceFile::open(file)?), none);
        }
        if let Some(site) = settings.configmgr {
            add("configmgr", Source::ConfigMgr(Box::new(ConfigMgr::open(site, settings.cache)?)), limits);
        }
        if let Some(directory) = settings.active_directory {
            add(
                "active-directory",
                Source::ActiveDirectory(Box::new(ActiveDirectory::open(directory)?)),
                limits,
            );
        }
        Ok(Directories { all, deadline: settings.deadline })
    }

    /// The site, if there is one.
    pub fn site(&self) -> Option<&ConfigMgr> {
        self.all.iter().find_map(|directory| match &directory.source {
            Source::ConfigMgr(site) => Some(&**site),
            _ => None,
        })
    }

    /// Asks the devices of the database first.
    pub fn with_shared(mut self, devices: SharedDevices) -> Self {
        let none = Limits { fresh: Duration::ZERO, stale: Duration::ZERO };
        let source = Source::Shared(devices);
        self.all.insert(
            0,
            Arc::new(Directory { name: DEVICES, source, memory: Memory::default(), limits: none }),
        );
        self
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Each with its name and what it is.
    pub fn sources(&self) -> impl Iterator<Item = (&'static str, &Source)> {
        self.all.iter().map(|directory| (directory.name, &directory.source))
    }

    /// What every directory says of a machine, in their order. Takes no longer than the deadline.
    pub async fn ask(&self, who: &Identity) -> Vec<Answer> {
        let asked: Vec<_> = self.all.iter().map(|directory| directory.begin(who, Instant::now())).collect();
        let until = tokio::time::Instant::now() + self.deadline;
        let mut answers = Vec::with_capacity(asked.len());
        for (directory, asked) in self.all.iter().zip(asked) {
            answers.push(directory.finish(who, asked, until, self.deadline).await);
        }
        answers
    }

    /// Forgets what was said of a machine. Gives how many answers that were.
    pub fn forget(&self, mac: MacAddr) -> usize {
        self.all.iter().map(|directory| directory.memory.forget(mac)).sum()
    }

    /// Takes up changes of files.
    pub fn refresh(&self) {
        for directory in &self.all {
            if let Source::File(file) = &directory.source {
                file.refresh();
            }
        }
    }
}

/// A question under way, or its answer.
enum Asked {
    Answered(Box<Answer>),
    /// Since then.
    Waiting(watch::Receiver<Option<Result<DirectoryAnswer, Trouble>>>, Instant),
}

impl Directory {
    fn begin(self: &Arc<Self>, who: &Identity, now: Instant) -> Asked {
        if let Source::File(file) = &self.source {
            return Asked::Answered(Box::new(self.answer(Ok(file.ask(who)), Duration::ZERO)));
        }
        if let Source::ConfigMgr(site) = &self.source
            && who.is_mac
            && !site.is_asked_about_macs()
        {
            let skipped = DirectoryAnswer { skipped: true, ..DirectoryAnswer::default() };
            return Asked::Answered(Box::new(self.answer(Ok(skipped), Duration::ZERO)));
        }
        if let Source::Shared(devices) = &self.source {
            return Asked::Answered(Box::new(devices.ask(self.name, who)));
        }
        match self.memory.recall(who, now, self.limits.fresh) {
            Recalled::Fresh(said, age) => Asked::Answered(Box::new(self.answer(Ok(*said), age))),
            Recalled::Resting(rest) => Asked::Answered(Box::new(self.old_or(who, now, rest.trouble()))),
            Recalled::Pending(receiver, asked) => Asked::Waiting(receiver, asked),
            Recalled::Ask(sender, receiver) => {
                let (directory, who) = (Arc::clone(self), who.clone());
                // Goes on when the deadline is over, for the machine's next packet.
                tokio::spawn(async move {
                    let said = tokio::time::timeout(LONGEST, directory.source.ask(&who)).await;
                    let said = said.unwrap_or_else(|_| {
                        Err(Trouble::new(
                            TroubleKind::Timeout,
                            format!("no answer within {} s", LONGEST.as_secs()),
                        ))
                    });
                    directory.memory.keep(&who, &said, now, Instant::now());
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
            Err(_) => {
                let detail = format!("no answer within {} ms", deadline.as_millis());
                Err(Trouble::new(TroubleKind::Timeout, detail))
            }
        };
        match said {
            Ok(said) => self.answer(Ok(said), asked.elapsed()),
            Err(trouble) => self.old_or(who, Instant::now(), trouble),
        }
    }

    fn old_or(&self, who: &Identity, now: Instant, trouble: Trouble) -> Answer {
        match self.memory.old(who, now, self.limits.stale) {
            Some((said, age)) => Answer { stale: true, ..self.answer(Ok(said), age) },
            None => self.answer(Err(trouble), Duration::ZERO),
        }
    }

    fn answer(&self, said: Result<DirectoryAnswer, Trouble>, age: Duration) -> Answer {
        Answer { directory: self.name.to_owned(), age: age.as_secs(), stale: false, said }
    }
}

fn broken() -> Trouble {
    Trouble::new(TroubleKind::Failed, "the question broke off")
}

/// The name of the devices in evidence, wherever they come from: the ledger knows machines by it.
const DEVICES: &str = "devices";
/// A question that takes longer is given up.
const LONGEST: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
