//! The tables about who a machine is: policy, and the directories that know.

use std::collections::BTreeMap;
use std::path::PathBuf;

use netbootd_directory::settings::Bind;
use pxe_policy::{Generation, MacAddr};
use serde::Deserialize;
use toml::Spanned;

use super::{Lasting, OneOrMany, Text};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Policy {
    pub(crate) banned_guids: Vec<Spanned<String>>,
    pub(crate) banned_macs: OneOrMany<Text<MacAddr>>,
    pub(crate) mac_ignore_list: Option<Spanned<PathBuf>>,
    pub(crate) response_delay: u16,
    pub(crate) unknown_machines: UnknownMachines,
    pub(crate) hidden_deployments: OneOrMany<String>,
    pub(crate) prompt: Prompt,
    pub(crate) boot_program: bool,
    pub(crate) boot_program_prompt: ProgramPrompt,
    pub(crate) signed_by: Option<Text<Generation>>,
    pub(crate) image_signed_by: BTreeMap<String, Text<Generation>>,
    pub(crate) local_boot: LocalBoot,
    pub(crate) abort_file: OneOrMany<String>,
    pub(crate) same_boot: Option<Text<Lasting>>,
    pub(crate) brake: Option<Brake>,
    pub(crate) deadline: Option<Spanned<Text<Lasting>>>,
    pub(crate) cache: Option<Text<Lasting>>,
    pub(crate) stale: Option<Text<Lasting>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Brake {
    pub(crate) boots: usize,
    pub(crate) within: Text<Lasting>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UnknownMachines {
    #[default]
    Rules,
    Refuse,
    Approve,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Prompt {
    #[default]
    Bios,
    All,
    None,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProgramPrompt {
    #[default]
    OptIn,
    OptOut,
    None,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LocalBoot {
    #[default]
    Silence,
    Menu,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Devices {
    pub(crate) file: Option<Spanned<PathBuf>>,
    pub(crate) shared: Option<Spanned<bool>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ConfigMgr {
    pub(crate) url: Spanned<String>,
    pub(crate) ca: Option<Spanned<PathBuf>>,
    pub(crate) user: Option<String>,
    pub(crate) password_file: Option<Spanned<PathBuf>>,
    pub(crate) keytab: Option<Spanned<PathBuf>>,
    pub(crate) distribution_point: Option<String>,
    pub(crate) unknown_computers: Option<bool>,
    #[serde(default)]
    pub(crate) macs: bool,
    pub(crate) mirror: Option<bool>,
    #[serde(default)]
    pub(crate) certificates: OneOrMany<String>,
    pub(crate) secure_boot: Option<Inventory>,
}

/// The table `[configmgr.secure-boot]` as written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Inventory {
    pub(crate) class: Spanned<String>,
    pub(crate) property: Spanned<String>,
    pub(crate) values: Option<OneOrMany<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ActiveDirectory {
    pub(crate) url: Spanned<String>,
    #[serde(default)]
    pub(crate) start_tls: bool,
    pub(crate) base: Option<String>,
    pub(crate) bind: Spanned<Bind>,
    pub(crate) ca: Option<Spanned<PathBuf>>,
    pub(crate) user: Option<String>,
    pub(crate) password_file: Option<Spanned<PathBuf>>,
    pub(crate) keytab: Option<Spanned<PathBuf>>,
}
