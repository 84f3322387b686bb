//! The tables beside the boot path: the log, another responder, the status port, the shared
//! database.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::Ipv4Net;
use netbootd_state::shared::OnLoss;
use serde::Deserialize;
use toml::Spanned;

use super::super::Role;
use super::{Lasting, OneOrMany, Size, Text};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Lines that people read.
    Text,
    /// One JSON object a line.
    Json,
    /// As Configuration Manager's logs are written.
    #[serde(rename = "cmtrace")]
    CmTrace,
    /// Entries of systemd's journal, with their fields.
    Journald,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Relay {
    pub(crate) responder: Spanned<String>,
    pub(crate) timeout: Option<Text<Lasting>>,
    #[serde(default)]
    pub(crate) segments: OneOrMany<Text<Ipv4Net>>,
    #[serde(default = "yes")]
    pub(crate) deployments: bool,
    pub(crate) cache_limit: Option<Text<Size>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Diagnosis {
    pub(crate) patience: Option<Spanned<f64>>,
    pub(crate) keep_link: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Reports {
    pub(crate) enabled: bool,
    pub(crate) syslog: bool,
}

impl Default for Reports {
    fn default() -> Self {
        Reports { enabled: true, syslog: false }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Webhook {
    pub(crate) url: Spanned<String>,
    #[serde(default)]
    pub(crate) severity: AtLeast,
    pub(crate) secret_file: Option<Spanned<PathBuf>>,
    pub(crate) ca: Option<Spanned<PathBuf>>,
}

/// The least bad finding that is sent.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AtLeast {
    Notice,
    #[default]
    Warning,
    Error,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Status {
    #[serde(default = "yes")]
    pub(crate) enabled: bool,
    pub(crate) listen: Option<Spanned<Text<SocketAddr>>>,
    #[serde(default)]
    pub(crate) names: OneOrMany<String>,
    #[serde(default)]
    pub(crate) trusted_proxies: OneOrMany<Text<IpAddr>>,
    pub(crate) user_header: Option<Spanned<String>>,
    pub(crate) token_file: Option<Spanned<PathBuf>>,
    pub(crate) certificate: Option<Spanned<PathBuf>>,
    pub(crate) key: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(crate) operator: Vec<Operator>,
}

/// Somebody who signs in on the page, or a script.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Operator {
    pub(crate) name: Spanned<String>,
    pub(crate) role: Role,
    pub(crate) token_file: Option<Spanned<PathBuf>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Database {
    pub(crate) url: Spanned<String>,
    pub(crate) password_file: Option<Spanned<PathBuf>>,
    pub(crate) ca: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(crate) allow_plain: bool,
    pub(crate) deadline: Option<Spanned<Text<Lasting>>>,
    #[serde(default)]
    pub(crate) on_loss: OnLoss,
}

fn yes() -> bool {
    true
}
