//! How decisions are made, and what the directories are opened with.

use std::time::Duration;

use netbootd_dhcp::v4::boot_info::LocalBoot;
use netbootd_dhcp::v4::boot_program;
use netbootd_directory::settings::Devices;
use netbootd_directory::{Configured, Settings as DirectorySettings};
use pxe_policy::Settings;

use super::Config;

/// How decisions are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The settings of the decision itself.
    pub settings: Settings,
    /// How machines are sent to their disks.
    pub local_boot: LocalBoot,
    /// How Windows' boot programs let somebody choose what is Available.
    pub program_prompt: boot_program::Prompt,
    /// How long a packet waits for the directories.
    pub deadline: Duration,
    /// How long their answers count.
    pub cache: Duration,
    /// How long older answers are used when they cannot be reached.
    pub stale: Duration,
}

impl Config {
    /// The settings that the directories are opened with.
    pub fn directories(&self) -> DirectorySettings<'_> {
        fn boxed<'a>(one: impl Configured + 'a) -> Box<dyn Configured + 'a> {
            Box::new(one)
        }
        let all = [
            self.devices.as_deref().map(|file| boxed(Devices(file))),
            self.configmgr.as_ref().map(boxed),
            self.active_directory.as_ref().map(boxed),
        ];
        DirectorySettings {
            all: all.into_iter().flatten().collect(),
            deadline: self.policy.deadline,
            cache: self.policy.cache,
            stale: self.policy.stale,
        }
    }
}
