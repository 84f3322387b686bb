//! The port that operators look at, and the operators with tokens of their own.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use netbootd_net::Secret;

/// The port that operators look at.
#[derive(Debug, Clone)]
pub struct Status {
    /// The address and port of the status API.
    pub listen: SocketAddr,
    /// Whether the configuration says so.
    pub chosen: bool,
    /// The names that it is reached by, beside addresses, `localhost` and the host's own name.
    pub names: Vec<String>,
    /// Reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` count.
    pub proxies: Vec<IpAddr>,
    /// What those send who may act.
    pub token: Option<Secret>,
    /// A certificate chain and its key (PEM), for HTTPS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Operators with tokens of their own, beside the one token, which is an administrator's.
    pub operators: Vec<Operator>,
}

/// An operator with a token.
#[derive(Debug, Clone)]
pub struct Operator {
    /// The name in the log.
    pub name: String,
    /// What the operator may do.
    pub role: Role,
    /// What the operator signs in with, or a script sends.
    pub token: Secret,
}

/// What an operator may do; each may what the ones before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Reads everything, changes nothing.
    Viewer,
    /// Approves and assigns machines, verifies images.
    Operator,
    /// Reloads the configuration, clears and removes.
    Admin,
}

impl Role {
    /// The word in the configuration and on the page.
    pub fn word(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }
}
