//! How the operator wants decisions to be made.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Brake, Generation};

/// How the operator wants decisions to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Requests of clients that have waited for less are left to other servers, in seconds.
    pub response_delay: u16,
    /// Hidden deployments that are given all the same, by id.
    pub hidden_deployments: Vec<String>,
    /// The treatment of a machine that no directory knows: the rules decide, or it is refused.
    pub unknown: UnknownMachines,
    /// For how long a Required deployment that was given counts as the same boot.
    pub same_boot: Duration,
    /// How many Required deployments are given at most.
    pub brake: Option<Brake>,
    /// Whether somebody must press a key for what is Available.
    pub prompt: Prompt,
    /// Whether firmware is given the program first that asks the server once more (wdsnbp.com,
    /// wdsmgfw.efi), where the image has it.
    pub boot_program: bool,
    /// Whether Configuration Manager's deployments are left to the distribution point's own
    /// responder, which alone makes variables files.
    pub relay: bool,
    /// Files that send a BIOS PC on to its disk at once; without one that is there, silence does
    /// it.
    pub abort_files: Vec<String>,
    /// The generation of Windows boot programs that is offered first; None offers that of 2023 to
    /// machines that are known to trust it, and that of 2011 to all others.
    pub signed_by: Option<Generation>,
    /// The generation that machines get of an image, whatever they trust, by the image's name.
    pub image_signed_by: BTreeMap<String, Generation>,
}

impl Settings {
    /// The generation that an image is given in, by its name or by the folder of its files.
    pub(super) fn generation_of_image(&self, image: Option<&str>, file: &str) -> Option<Generation> {
        let folder = file.trim_start_matches(['/', '\\']).split(['/', '\\']).next().unwrap_or_default();
        let is_named = |name: &str| {
            name.eq_ignore_ascii_case(folder) || image.is_some_and(|image| name.eq_ignore_ascii_case(image))
        };
        self.image_signed_by.iter().find(|(name, _)| is_named(name)).map(|(_, generation)| *generation)
    }
}

/// The treatment of machines that no directory knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownMachines {
    /// The rules behind the directories decide.
    #[default]
    Rules,
    /// Unknown machines get no boot file.
    Refuse,
    /// They wait until an operator approves; then the rules decide.
    Approve,
}

/// An operator's decision about a machine that no directory knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Approval {
    /// No operator has decided.
    #[default]
    Pending,
    /// An operator lets it boot.
    Approved,
    /// An operator refuses it.
    Rejected,
}

/// Whether somebody must press a key for what is Available.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prompt {
    /// BIOS firmware is given a menu that wants a key; UEFI firmware, whose menus are often broken,
    /// starts at once.
    #[default]
    Bios,
    /// BIOS and UEFI firmware are given the menu.
    All,
    /// No key is ever needed.
    None,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            response_delay: 0,
            hidden_deployments: Vec::new(),
            unknown: UnknownMachines::default(),
            same_boot: Duration::from_secs(120),
            brake: None,
            prompt: Prompt::default(),
            boot_program: false,
            relay: false,
            abort_files: Vec::new(),
            signed_by: None,
            image_signed_by: BTreeMap::new(),
        }
    }
}
