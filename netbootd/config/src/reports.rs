//! The reports of machines, and the addresses that findings are sent to.

use std::path::PathBuf;

use netbootd_diagnosis::Severity;

use netbootd_net::Secret;

/// The reports that machines may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reports {
    /// Whether generated scripts report by HTTP, and the boot port takes it.
    pub enabled: bool,
    /// Whether messages of syslog are taken on UDP 514.
    pub syslog: bool,
}

/// Where findings are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// An http or https URL.
    pub url: String,
    /// The least bad finding that is sent.
    pub severity: Severity,
    /// The key of the signature.
    pub secret: Option<Secret>,
    /// The authorities of the server's certificate (PEM); None for those of the system.
    pub ca: Option<PathBuf>,
}
