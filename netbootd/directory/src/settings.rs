//! Where the directories are, and how they are asked.

use std::path::{Path, PathBuf};

use netbootd_net::Secret;
use serde::Deserialize;

/// A server whose certificate counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The part that uses the server: the directory's name, or `site`.
    pub part: &'static str,
    /// The name of the host.
    pub host: String,
    /// The port of the server.
    pub port: u16,
    /// Certificates (PEM) of the authority that signed its own, when the system does not know it.
    pub ca: Option<PathBuf>,
}

/// How the device file is read.
#[derive(Debug, Clone, Copy)]
pub struct Devices<'a>(pub &'a Path);

/// The settings of Configuration Manager's AdminService.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigMgr {
    /// The URL: `https://<SMS Provider>/AdminService`.
    pub url: String,
    /// Certificates (PEM) of the authority that signed its own, when the system does not know it.
    pub ca: Option<PathBuf>,
    /// The account that asks.
    pub account: Account,
    /// The distribution point whose settings count, by its full name.
    pub distribution_point: Option<String>,
    /// Whether unknown computers are served; None leaves that to the distribution point's setting.
    pub unknown_computers: Option<bool>,
    /// Whether Macs need a deployment as well.
    pub macs: bool,
    /// Whether a copy of the site is kept, which most machines are answered from.
    pub mirror: bool,
    /// Other servers of the site whose certificates are looked at: management points, distribution
    /// points.
    pub certificates: Vec<String>,
    /// Where its hardware inventory says whether a machine trusts the authorities of 2023.
    pub secure_boot: Option<Inventory>,
}

/// A property of a class of the hardware inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// The class: letters, digits and `_`.
    pub class: String,
    /// The property of the class, in the same letters.
    pub property: String,
    /// The values of machines that trust them.
    pub values: Vec<String>,
}

/// Active Directory, or another LDAP directory with its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveDirectory {
    /// The URL: `ldaps://host` or `ldap://host`.
    pub url: String,
    /// Whether TLS begins after the connection is made.
    pub start_tls: bool,
    /// Where computers are looked for; None for all that the server has.
    pub base: Option<String>,
    /// How the client proves its account to the server.
    pub bind: Bind,
    /// The account that asks.
    pub account: Account,
    /// Certificates (PEM) of the authority that signed its own, when the system does not know it.
    pub ca: Option<PathBuf>,
}

/// The account that asks a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// A name: `user@REALM` for Kerberos.
    pub user: Option<String>,
    /// The password of the account.
    pub password: Option<Secret>,
    /// The keytab of the account.
    pub keytab: Option<PathBuf>,
}

impl Account {
    /// The file of its keys, and what it is for.
    pub(crate) fn files(&self) -> Option<(&Path, &'static str)> {
        self.keytab.as_deref().map(|file| (file, "a keytab"))
    }

    /// Whether there is anything to get a ticket with. On Windows there is always the account of
    /// the service.
    pub fn uses_kerberos(&self) -> bool {
        cfg!(windows) || self.keytab.is_some() || self.password.is_some()
    }
}

/// How a client proves its account to a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bind {
    /// Without a name or password.
    Anonymous,
    /// By name and password.
    Simple,
    /// By a ticket of Kerberos.
    Gssapi,
}
