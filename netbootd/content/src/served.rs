//! The sources that a path is looked up in.

use std::sync::Arc;

use netbootd_net::interfaces::Interfaces;
use netbootd_telemetry::timeline::Timelines;
use pxe_policy::MacAddr;

use crate::content::Digests;
use crate::files::Files;
use crate::ingests::Ingests;
use crate::machines::Machines;
use crate::programs::Programs;
use crate::relay::Relay;
use crate::settings::{self, GeneratedFile};
use crate::unattended::AnswerFile;
use crate::winpe;

/// The configured sources of files.
#[derive(Debug, Clone, Copy)]
pub struct Served<'a> {
    /// Boot folder and images.
    pub files: &'a Files,
    /// The files that are rendered for the machine that asks.
    pub generated: &'a [GeneratedFile],
    /// The answer files of installers.
    pub unattended: &'a Arc<[AnswerFile]>,
    /// This server's HTTP port.
    pub http_port: u16,
    /// Whether scripts report how they fare.
    pub reports: bool,
    /// How Windows PE is fetched.
    pub winpe: winpe::Settings,
    /// Where wimboot is in the boot tree.
    pub wimboot: Option<&'a str>,
    /// Whether boot media without a password is handed out.
    pub media_without_password: bool,
    /// The boot menu: images, heading, password.
    pub menu: &'a crate::menu::Settings,
    /// The distribution point's own responder.
    pub responder: Option<&'a settings::Relay>,
}

/// The knowledge about machines that ask, and about files that are not there yet.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Which machine has which address.
    pub machines: &'a Machines,
    /// The imports under way.
    pub ingests: &'a Ingests,
    /// The machines that were forwarded to the responder.
    pub relay: &'a Relay,
    /// The steps of each machine.
    pub timelines: &'a Timelines,
    /// Which boot program each address runs.
    pub programs: &'a Programs,
    /// Digests of boot images for Raspberry Pis.
    pub digests: &'a Digests,
    /// The interfaces and addresses of this host.
    pub interfaces: &'a Interfaces,
}

impl Known<'_> {
    /// The number of a machine's boot, which its screen shows; 0 when it is not known.
    pub(crate) fn boot_number(&self, mac: Option<MacAddr>) -> u32 {
        mac.map_or(0, |mac| self.timelines.boot_number(mac))
    }
}
