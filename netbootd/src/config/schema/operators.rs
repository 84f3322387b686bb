//! What stands beside the boot path: the log, another responder, the status port, the shared database.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::Ipv4Net;
use netbootd_state::shared::OnLoss;
use serde::Deserialize;
use toml::Spanned;

use super::{Lasting, OneOrMany, Size, Text};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
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
pub(in crate::config) struct Relay {
    pub(in crate::config) responder: Spanned<String>,
    pub(in crate::config) timeout: Option<Text<Lasting>>,
    #[serde(default)]
    pub(in crate::config) segments: OneOrMany<Text<Ipv4Net>>,
    #[serde(default = "yes")]
    pub(in crate::config) deployments: bool,
    pub(in crate::config) cache_limit: Option<Text<Size>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(in crate::config) struct Diagnosis {
    pub(in crate::config) patience: Option<Spanned<f64>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Status {
    #[serde(default = "yes")]
    pub(in crate::config) enabled: bool,
    pub(in crate::config) listen: Option<Spanned<Text<SocketAddr>>>,
    #[serde(default)]
    pub(in crate::config) names: OneOrMany<String>,
    pub(in crate::config) token_file: Option<Spanned<PathBuf>>,
    pub(in crate::config) certificate: Option<Spanned<PathBuf>>,
    pub(in crate::config) key: Option<Spanned<PathBuf>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Database {
    pub(in crate::config) url: Spanned<String>,
    pub(in crate::config) password_file: Option<Spanned<PathBuf>>,
    pub(in crate::config) ca: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(in crate::config) allow_plain: bool,
    pub(in crate::config) deadline: Option<Spanned<Text<Lasting>>>,
    #[serde(default)]
    pub(in crate::config) on_loss: OnLoss,
}

fn yes() -> bool {
    true
}
