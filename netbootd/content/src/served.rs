//! What a path is looked up in.

use crate::files::Files;
use crate::ingests::Ingests;
use crate::machines::Machines;
use crate::relay::Relay;
use crate::settings::{self, GeneratedFile};
use crate::winpe;

/// What is served, as it is configured.
#[derive(Debug, Clone, Copy)]
pub struct Served<'a> {
    /// Boot folder and images.
    pub files: &'a Files,
    /// What is rendered for the machine that asks.
    pub generated: &'a [GeneratedFile],
    /// This server's HTTP port.
    pub http_port: u16,
    /// How Windows PE is fetched.
    pub winpe: winpe::Settings,
    /// Where wimboot is in the boot tree.
    pub wimboot: Option<&'a str>,
    /// The distribution point's own responder.
    pub responder: Option<&'a settings::Relay>,
}

/// What is known of those who ask, and of files that are not there yet.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Which machine has which address.
    pub machines: &'a Machines,
    /// What is being taken into the store.
    pub ingests: &'a Ingests,
    /// Who was handed on to the responder.
    pub relay: &'a Relay,
}
