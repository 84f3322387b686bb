//! The tables about who a machine is: policy, and the directories that know.

use std::path::PathBuf;

use netbootd_directory::settings::Bind;
use pxe_policy::MacAddr;
use serde::Deserialize;
use toml::Spanned;

use super::{Lasting, OneOrMany, Text};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(in crate::config) struct Policy {
    pub(in crate::config) banned_guids: Vec<Spanned<String>>,
    pub(in crate::config) banned_macs: OneOrMany<Text<MacAddr>>,
    pub(in crate::config) mac_ignore_list: Option<Spanned<PathBuf>>,
    pub(in crate::config) response_delay: u16,
    pub(in crate::config) unknown_machines: UnknownMachines,
    pub(in crate::config) hidden_deployments: OneOrMany<String>,
    pub(in crate::config) prompt: Prompt,
    pub(in crate::config) boot_program: bool,
    pub(in crate::config) boot_program_prompt: ProgramPrompt,
    pub(in crate::config) local_boot: LocalBoot,
    pub(in crate::config) abort_file: OneOrMany<String>,
    pub(in crate::config) same_boot: Option<Text<Lasting>>,
    pub(in crate::config) brake: Option<Brake>,
    pub(in crate::config) deadline: Option<Spanned<Text<Lasting>>>,
    pub(in crate::config) cache: Option<Text<Lasting>>,
    pub(in crate::config) stale: Option<Text<Lasting>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Brake {
    pub(in crate::config) boots: usize,
    pub(in crate::config) within: Text<Lasting>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum UnknownMachines {
    #[default]
    Rules,
    Refuse,
    Approve,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum Prompt {
    #[default]
    Bios,
    All,
    None,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum ProgramPrompt {
    #[default]
    OptIn,
    OptOut,
    None,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum LocalBoot {
    #[default]
    Silence,
    Menu,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Devices {
    pub(in crate::config) file: Option<Spanned<PathBuf>>,
    pub(in crate::config) shared: Option<Spanned<bool>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct ConfigMgr {
    pub(in crate::config) url: Spanned<String>,
    pub(in crate::config) ca: Option<Spanned<PathBuf>>,
    pub(in crate::config) user: Option<String>,
    pub(in crate::config) password_file: Option<Spanned<PathBuf>>,
    pub(in crate::config) keytab: Option<Spanned<PathBuf>>,
    pub(in crate::config) distribution_point: Option<String>,
    pub(in crate::config) unknown_computers: Option<bool>,
    #[serde(default)]
    pub(in crate::config) macs: bool,
    #[serde(default)]
    pub(in crate::config) certificates: OneOrMany<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct ActiveDirectory {
    pub(in crate::config) url: Spanned<String>,
    #[serde(default)]
    pub(in crate::config) start_tls: bool,
    pub(in crate::config) base: Option<String>,
    pub(in crate::config) bind: Spanned<Bind>,
    pub(in crate::config) ca: Option<Spanned<PathBuf>>,
    pub(in crate::config) user: Option<String>,
    pub(in crate::config) password_file: Option<Spanned<PathBuf>>,
    pub(in crate::config) keytab: Option<Spanned<PathBuf>>,
}
