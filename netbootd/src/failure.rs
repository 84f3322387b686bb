//! Why a command failed.

use std::fmt;

use netbootd_config::{Config, Findings, Source};
use netbootd_net::with_causes;

/// Why a command failed, with its exit code.
#[derive(Debug)]
pub enum Failure {
    /// The configuration cannot be used (78, EX_CONFIG).
    Config(Box<Findings>),
    /// Something that the configuration names cannot be used: an interface, a port that is taken
    /// (78).
    Unusable(String),
    /// The system denies something (77, EX_NOPERM).
    Permission(String),
    /// Nothing, or nothing good, came back (1).
    NoAnswer(String),
    /// Ctrl-C ended it (130).
    Interrupted(String),
    /// Something that cannot happen (70, EX_SOFTWARE).
    Bug(String),
}

impl Failure {
    /// Something that cannot be used, with its causes.
    pub fn unusable(error: impl std::error::Error) -> Self {
        Failure::Unusable(with_causes(&error))
    }

    /// The process' exit code (sysexits.h).
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Config(_) | Failure::Unusable(_) => 78,
            Failure::Permission(_) => 77,
            Failure::NoAnswer(_) => 1,
            Failure::Interrupted(_) => INTERRUPTED,
            Failure::Bug(_) => 70,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Config(findings) => write!(f, "{findings}"),
            Failure::Unusable(text)
            | Failure::Permission(text)
            | Failure::NoAnswer(text)
            | Failure::Interrupted(text) => f.write_str(text),
            Failure::Bug(text) => write!(f, "this is a bug in netbootd: {text}"),
        }
    }
}

/// The configuration that `serve` runs on, its findings, and the words that say which it is.
pub fn chosen_config(source: &Source) -> Result<(Config, Findings, String), Failure> {
    source.load().map_err(|findings| Failure::Config(Box::new(findings)))
}

/// The exit code of shells for a command that SIGINT ended.
pub(crate) const INTERRUPTED: u8 = 130;
