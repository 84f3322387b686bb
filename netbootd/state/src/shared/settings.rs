//! Where the database is that several servers share, and what goes on without it.

use std::path::PathBuf;
use std::time::Duration;

use netbootd_net::{Secret, with_causes};
use serde::Deserialize;
use thiserror::Error;

/// The settings of the PostgreSQL database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// The URL, such as `postgresql://user@host/database`.
    pub url: String,
    /// The password of the database's user.
    pub password: Option<Secret>,
    /// Certificates (PEM) of the authority that signed its own, when the system does not know it.
    pub ca: Option<PathBuf>,
    /// Whether it may be spoken to without TLS.
    pub allow_plain: bool,
    /// How long an answer may take before the database counts as away.
    pub deadline: Duration,
    /// The service that goes on while it is away.
    pub on_loss: OnLoss,
}

/// The fault of a database's address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UrlProblem {
    /// It cannot be read: in words.
    #[error("this is no database: {0}")]
    Malformed(String),
    /// A password is in it.
    #[error("a password in an address is seen by others")]
    Password,
    /// Host or user is missing.
    #[error("a host and a user are needed")]
    Incomplete,
}

impl Database {
    /// Everything that is wrong with an address.
    pub fn check_url(url: &str) -> Vec<UrlProblem> {
        let parsed = match url.parse::<tokio_postgres::Config>() {
            Ok(parsed) => parsed,
            Err(error) => return vec![UrlProblem::Malformed(with_causes(&error))],
        };
        let has_password = parsed.get_password().is_some();
        let is_incomplete = parsed.get_hosts().is_empty() || parsed.get_user().is_none();
        let problems = [(has_password, UrlProblem::Password), (is_incomplete, UrlProblem::Incomplete)];
        problems.into_iter().filter_map(|(is_there, problem)| is_there.then_some(problem)).collect()
    }
}

/// The service that goes on while the database is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnLoss {
    /// Leases that run are confirmed for the rest of their time, and no others are given.
    #[default]
    KnownLeases,
    /// Nobody is answered about addresses.
    Silence,
}
