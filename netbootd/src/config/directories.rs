//! Who may be asked about machines, and how.

use std::path::PathBuf;
use std::time::Duration;

use netbootd_dhcp::v4::boot_info::LocalBoot;
use netbootd_dhcp::v4::boot_program;
use netbootd_net::Secret;
use pxe_policy::Settings;

use super::Bind;

/// How decisions are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What the decision itself looks at.
    pub settings: Settings,
    /// How machines are sent to their disks.
    pub local_boot: LocalBoot,
    /// How Windows' boot programs let somebody choose what is Available.
    pub program_prompt: boot_program::Prompt,
    /// How long a packet waits for the directories.
    pub deadline: Duration,
    /// How long their answers count.
    pub cache: Duration,
    /// How long older answers are used when they cannot be reached.
    pub stale: Duration,
}

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
    /// Whether there is anything to get a ticket with. On Windows there is always the account of the service.
    pub fn uses_kerberos(&self) -> bool {
        cfg!(windows) || self.keytab.is_some() || self.password.is_some()
    }
}
