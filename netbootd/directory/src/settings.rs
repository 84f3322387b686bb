//! Where the directories are, and how they are asked.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use netbootd_net::Secret;
use serde::Deserialize;
use thiserror::Error;

use crate::directory::Directory;

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

    /// Opens it; nothing is asked yet. What it keeps in memory is `fresh` for this long.
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

/// A server whose certificate counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// What it is for: the directory's name, or `site`.
    pub part: &'static str,
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Certificates (PEM) of the authority that signed its own, when the system does not know it.
    pub ca: Option<PathBuf>,
}

/// The device file.
#[derive(Debug, Clone, Copy)]
pub struct Devices<'a>(pub &'a Path);

/// Configuration Manager's AdminService.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigMgr {
    /// `https://<SMS Provider>/AdminService`.
    pub url: String,
    /// Certificates (PEM) of the authority that signed its own, when the system does not know it.
    pub ca: Option<PathBuf>,
    /// Who asks.
    pub account: Account,
    /// The distribution point whose settings count, by its full name.
    pub distribution_point: Option<String>,
    /// Whether unknown computers are served; None leaves that to the distribution point's setting.
    pub unknown_computers: Option<bool>,
    /// Whether Macs need a deployment as well.
    pub macs: bool,
    /// Other servers of the site whose certificates are looked at: management points, distribution points.
    pub certificates: Vec<String>,
}

/// Active Directory, or another LDAP directory with its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveDirectory {
    /// `ldaps://host` or `ldap://host`.
    pub url: String,
    /// Whether TLS begins after the connection is made.
    pub start_tls: bool,
    /// Where computers are looked for; None for all that the server has.
    pub base: Option<String>,
    /// How it is told who asks.
    pub bind: Bind,
    /// Who asks.
    pub account: Account,
    /// Certificates (PEM) of the authority that signed its own, when the system does not know it.
    pub ca: Option<PathBuf>,
}

/// Who asks a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// A name: `user@REALM` for Kerberos.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// Its keys.
    pub keytab: Option<PathBuf>,
}

impl Account {
    /// The file of its keys, and what it is for.
    pub(crate) fn files(&self) -> Option<(&Path, &'static str)> {
        self.keytab.as_deref().map(|file| (file, "a keytab"))
    }

    /// Whether there is anything to get a ticket with. On Windows there is always the account of the
    /// service.
    pub fn uses_kerberos(&self) -> bool {
        cfg!(windows) || self.keytab.is_some() || self.password.is_some()
    }
}

/// How a directory is told who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bind {
    /// Not at all.
    Anonymous,
    /// By name and password.
    Simple,
    /// By Kerberos.
    Gssapi,
}
