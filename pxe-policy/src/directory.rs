//! The answers of directories about a machine: the device file, Configuration Manager, Active
//! Directory.

use std::error::Error;
use std::fmt;

use crate::{BootAction, Deployment, MacAddr, SharedError, SystemUuid, Trusts, with_causes};

/// One directory's answer about a machine's identifiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The directory's name in the configuration.
    pub directory: String,
    /// How old the answer is, in seconds.
    pub age: u64,
    /// Whether it is older than answers may be, and is used because the directory is out of reach.
    pub stale: bool,
    /// The directory's answer, or its trouble.
    pub said: Result<DirectoryAnswer, Trouble>,
}

/// The records of a directory that answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirectoryAnswer {
    /// The records that the GUID finds.
    pub by_uuid: Vec<Record>,
    /// The records that the hardware address finds.
    pub by_mac: Vec<Record>,
    /// The record for machines that the site does not know (ConfigMgr's unknown computer object),
    /// when it has one.
    pub unknown: Option<Record>,
    /// Whether the site decides what its machines boot. One that has nothing to offer then goes to
    /// its disk.
    pub decides: bool,
    /// Whether the directory was not asked, because it is not asked about Macs.
    pub skipped: bool,
    /// Identifiers that the site's own list of duplicates left out of the lookup.
    pub left_out: Vec<Identifier>,
}

/// An identifier by which directories look a machine up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identifier {
    /// The GUID that SMBIOS holds.
    Guid(SystemUuid),
    /// The hardware address of the network card.
    Mac(MacAddr),
}

/// One record of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The unique key within its directory: a resource id, a distinguished name, a line.
    pub key: String,
    /// The machine's name in the directory.
    pub name: String,
    /// The site it belongs to.
    pub site: Option<String>,
    /// When it was made, as the directory writes it; later ones sort behind.
    pub created: Option<String>,
    /// Obsolete or decommissioned: such records take no part.
    pub retired: bool,
    /// The hardware addresses that it lists, when the directory says so.
    pub macs: Vec<MacAddr>,
    /// The boot file that it names itself.
    pub boot: Option<BootAction>,
    /// The deployments to it.
    pub deployments: Vec<Deployment>,
    /// The authorities that the machine trusts, where the directory says so.
    pub trusts: Option<Trusts>,
}

/// Why a directory said nothing of use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The kind of trouble, which decides the cure.
    pub kind: TroubleKind,
    /// The error that the directory ended with.
    pub error: SharedError,
}

/// The kinds of trouble that an operator can tell apart and cure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TroubleKind {
    /// It did not answer in time.
    Timeout,
    /// Its name is not known, or nobody listens there.
    Unreachable,
    /// It failed lately and is not asked for a while.
    Resting,
    /// Its certificate is not trusted.
    CertificateUntrusted,
    /// Its certificate is for another name.
    CertificateName,
    /// Its certificate has expired.
    CertificateExpired,
    /// It takes no NTLM, and Kerberos did not work out.
    KerberosNeeded,
    /// Its clock and this server's differ too much for Kerberos.
    ClockSkew,
    /// It offers NTLM and no Kerberos (and ConfigMgr refuses NTLM from 2509 on).
    NtlmOnly,
    /// It does not accept who asks.
    Unauthorized,
    /// The account has no rights there.
    Forbidden,
    /// Its answer does not have the promised form.
    Malformed,
    /// It said more than is read.
    TooLarge,
    /// It failed by itself.
    Failed,
}

impl Trouble {
    /// An error of a directory, with its kind.
    pub fn new(kind: TroubleKind, error: impl Error + Send + Sync + 'static) -> Self {
        Trouble { kind, error: SharedError::new(error) }
    }

    /// The error and its causes as text, without the kind.
    pub fn detail(&self) -> String {
        with_causes(&self.error)
    }
}

impl TroubleKind {
    /// Every kind, for documentation and tests.
    pub const ALL: [TroubleKind; 14] = [
        TroubleKind::Timeout,
        TroubleKind::Unreachable,
        TroubleKind::Resting,
        TroubleKind::CertificateUntrusted,
        TroubleKind::CertificateName,
        TroubleKind::CertificateExpired,
        TroubleKind::KerberosNeeded,
        TroubleKind::ClockSkew,
        TroubleKind::NtlmOnly,
        TroubleKind::Unauthorized,
        TroubleKind::Forbidden,
        TroubleKind::Malformed,
        TroubleKind::TooLarge,
        TroubleKind::Failed,
    ];

    /// The word for the log and the metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            TroubleKind::Timeout => "timeout",
            TroubleKind::Unreachable => "unreachable",
            TroubleKind::Resting => "resting",
            TroubleKind::CertificateUntrusted => "certificate-untrusted",
            TroubleKind::CertificateName => "certificate-name",
            TroubleKind::CertificateExpired => "certificate-expired",
            TroubleKind::KerberosNeeded => "kerberos-needed",
            TroubleKind::ClockSkew => "clock-skew",
            TroubleKind::NtlmOnly => "ntlm-only",
            TroubleKind::Unauthorized => "unauthorized",
            TroubleKind::Forbidden => "forbidden",
            TroubleKind::Malformed => "malformed",
            TroubleKind::TooLarge => "too-large",
            TroubleKind::Failed => "failed",
        }
    }

    /// The operator's remedy for such trouble.
    pub fn cure(self) -> &'static str {
        match self {
            TroubleKind::Timeout => "see whether the server is overloaded or a firewall drops packets to it",
            TroubleKind::Unreachable => "check the name, its DNS record, the port and the service",
            TroubleKind::Resting => "it is asked again by itself; `netbootd doctor` asks it now",
            TroubleKind::CertificateUntrusted => {
                "name its authority's certificate with `ca` (a site's own is issued by \"SMS Issuing\")"
            }
            TroubleKind::CertificateName => "use the full name that stands in the certificate",
            TroubleKind::CertificateExpired => "renew the certificate, and check both clocks",
            TroubleKind::KerberosNeeded => {
                "use the full name, not an address; check the SPN, the keytab and the clocks"
            }
            TroubleKind::ClockSkew => {
                "set the time on this server by the domain's time service; Kerberos accepts five minutes"
            }
            TroubleKind::NtlmOnly => {
                "let the web server offer Negotiate: netbootd speaks no NTLM, and the AdminService refuses it from 2509 on"
            }
            TroubleKind::Unauthorized => "check the account, its password or keytab, and the SPN",
            TroubleKind::Forbidden => "give the account a role that may read (Read-only Analyst)",
            TroubleKind::Malformed => "see whether the address leads to this service and not to another",
            TroubleKind::TooLarge => "narrow the search base",
            TroubleKind::Failed => "look into the server's own log",
        }
    }
}

impl fmt::Display for TroubleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.detail())
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Identifier::Guid(guid) => write!(f, "GUID {guid}"),
            Identifier::Mac(mac) => write!(f, "hardware address {mac}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_trouble_keeps_its_error_and_prints_it_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("port {port}")]
        struct Port {
            port: u16,
            source: io::Error,
        }
        let source = io::Error::other("connection refused");
        let trouble = Trouble::new(TroubleKind::Unreachable, Port { port: 636, source });
        assert_eq!(trouble.detail(), "port 636: connection refused");
        assert_eq!(trouble.to_string(), format!("{}: port 636: connection refused", trouble.kind));
        assert_eq!(trouble.error.downcast_ref::<Port>().map(|error| error.port), Some(636));
    }
}
