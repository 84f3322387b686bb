//! The database that several servers share.

use std::path::PathBuf;
use std::time::Duration;

use netbootd_net::Secret;
use serde::Deserialize;

/// PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// `postgresql://user@host/database`.
    pub url: String,
    /// The user's password.
    pub password: Option<Secret>,
    /// Certificates (PEM) of the authority that signed its own, when the system does not know it.
    pub ca: Option<PathBuf>,
    /// Whether it may be spoken to without TLS.
    pub allow_plain: bool,
    /// How long an answer may take before the database counts as away.
    pub deadline: Duration,
    /// What goes on while it is away.
    pub on_loss: OnLoss,
}

/// What goes on while the database is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnLoss {
    /// Leases that run are confirmed for the rest of their time, and no others are given.
    #[default]
    KnownLeases,
    /// Nobody is answered about addresses.
    Silence,
}
