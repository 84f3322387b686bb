//! What every listener shares: the configuration in force, the boot tree, the machines, the record.

use std::net::Ipv4Addr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use imagestore::{BootTree, MountError};
use pxe_policy::{BootRequest, Verdict, decide};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::content;
use crate::dhcp::boot_info::BootService;
use crate::event::Recorder;
use crate::files::{Files, Images};
use crate::machines::Machines;
use crate::netboot_server::NetbootServer;
use crate::reload::ConfigSource;

/// What every listener shares.
#[derive(Debug)]
pub struct Services {
    /// The configuration in force.
    pub snapshot: ArcSwap<Snapshot>,
    /// The machines seen lately.
    pub machines: Machines,
    /// Who answers Macs, when they are answered.
    pub netboot: Option<Arc<NetbootServer>>,
    /// The images of the store.
    pub images: Option<Arc<Images>>,
    /// Where the configuration came from.
    pub source: ConfigSource,
    /// Where events go.
    pub recorder: Recorder,
    /// Ends every listener and transfer.
    pub shutdown: CancellationToken,
}

/// A configuration with its boot tree opened.
#[derive(Debug)]
pub struct Snapshot {
    /// The configuration.
    pub config: Config,
    /// The files that clients may have.
    pub files: Files,
}

impl Snapshot {
    /// Opens the folders.
    pub fn new(config: Config, images: Option<Arc<Images>>) -> Result<Self, MountError> {
        let files = Files::new(BootTree::new(&config.mounts)?, images);
        Ok(Snapshot { config, files })
    }

    /// How boot clients are answered.
    pub fn boot_service(&self) -> BootService {
        BootService { style: self.config.dhcp.offer_style, http_port: self.config.http.port }
    }
}

impl Services {
    /// With nothing seen yet.
    pub fn new(snapshot: Snapshot) -> Self {
        Services {
            snapshot: ArcSwap::from_pointee(snapshot),
            machines: Machines::default(),
            netboot: None,
            images: None,
            source: ConfigSource::default(),
            recorder: Recorder::new(),
            shutdown: CancellationToken::new(),
        }
    }

    /// Answers Macs as well.
    pub fn with_netboot(mut self, netboot: Option<NetbootServer>) -> Self {
        self.netboot = netboot.map(Arc::new);
        self
    }

    /// Whether a client's address belongs to a Mac that has chosen an image here.
    pub fn is_netbooting_mac(&self, client: Ipv4Addr) -> bool {
        let Some(netboot) = &self.netboot else { return false };
        self.machines.mac_of(client).is_some_and(|mac| netboot.is_bound(mac))
    }

    /// Decides what a machine gets, and remembers it.
    pub fn decide(&self, request: &BootRequest) -> Verdict {
        let snapshot = self.snapshot.load();
        let verdict =
            decide(request, &snapshot.config.rules, |path| content::available(&snapshot, path, request));
        self.machines.decided(request, &verdict);
        verdict
    }
}
