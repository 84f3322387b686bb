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
    /// The header in which those proxies name the operator they signed in, in small letters.
    pub user_header: Option<String>,
    /// The token of an administrator.
    pub token: Option<Secret>,
    /// A certificate chain and its key (PEM), for HTTPS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Operators by name, beside the one token, which is an administrator's.
    pub operators: Vec<Operator>,
}

/// An operator with a token, or one whom a reverse proxy signs in.
#[derive(Debug, Clone)]
pub struct Operator {
    /// The name in the log.
    pub name: String,
    /// The permissions of the operator.
    pub role: Role,
    /// The operator's token, for signing in and for scripts.
    pub token: Option<Secret>,
}

/// An operator's permissions; each role includes the ones before.
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
