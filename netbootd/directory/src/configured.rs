//! The directories of a configuration, before they are opened.

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use thiserror::Error;

use crate::directory::Directory;
use crate::settings::{Account, Endpoint};

/// The directories of a configuration.
#[derive(Debug)]
pub struct Settings<'a> {
    /// Each, in the order that they are asked in.
    pub all: Vec<Box<dyn Configured + 'a>>,
    /// A packet waits for them no longer.
    pub deadline: Duration,
    /// Their answers count as they are for this long.
    pub cache: Duration,
    /// Older answers count for this long when they cannot be reached.
    pub stale: Duration,
}

impl Settings<'_> {
    /// The servers whose certificates count.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.all.iter().flat_map(|one| one.endpoints()).collect()
    }

    /// The files that the directories read, and what for.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &'static str)> {
        self.all.iter().flat_map(|one| one.files())
    }

    /// The accounts that they are asked with.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.all.iter().filter_map(|one| one.account())
    }
}

impl<T: Configured + ?Sized> Configured for &T {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn open(&self, fresh: Duration) -> Result<Box<dyn Directory>, OpenError> {
        (**self).open(fresh)
    }

    fn keeps_answers(&self) -> bool {
        (**self).keeps_answers()
    }

    fn files(&self) -> Vec<(&Path, &'static str)> {
        (**self).files()
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        (**self).endpoints()
    }

    fn account(&self) -> Option<&Account> {
        (**self).account()
    }
}

/// A directory as the configuration names it, before it is opened.
pub trait Configured: fmt::Debug {
    /// Its name in evidence: the ledger knows machines by it.
    fn name(&self) -> &'static str;

    /// Opens the directory without a query to it. Its answers stay in memory for `fresh`.
    fn open(&self, fresh: Duration) -> Result<Box<dyn Directory>, OpenError>;

    /// Whether answers are kept; not for one that is in memory itself.
    fn keeps_answers(&self) -> bool {
        true
    }

    /// The files that it reads, and what for: the sandbox lets them be read.
    fn files(&self) -> Vec<(&Path, &'static str)>;

    /// The servers whose certificates count.
    fn endpoints(&self) -> Vec<Endpoint> {
        Vec::new()
    }

    /// The account that it is asked with.
    fn account(&self) -> Option<&Account> {
        None
    }
}

/// Why a directory of the configuration cannot be opened.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct OpenError(Box<dyn Error + Send + Sync>);

impl OpenError {
    /// With the directory's own error.
    pub fn new(error: impl Error + Send + Sync + 'static) -> Self {
        OpenError(Box::new(error))
    }
}
