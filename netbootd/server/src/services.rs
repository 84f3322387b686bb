//! The parts that all listeners share: the configuration in force, the boot tree, the machines, the
//! record.

mod contents;
mod host;
mod keep_link;
mod limited;
pub mod trust;

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use arc_swap::ArcSwap;
use imagestore::{BootTree, MountError};
use netbootd_config::{Bounds, Config, Mode, Ports};
use netbootd_content::files::{Files, Images};
use netbootd_content::machines::Machines;
use netbootd_dhcp::v4 as dhcp;
use netbootd_dhcp::v4::boot_info::BootService;
use netbootd_directory::configmgr::Mirror;
use netbootd_directory::device_file::DEVICES;
use netbootd_directory::{Directories, OpenError};
use netbootd_state::approvals::Approvals;
use netbootd_state::assignments::AssignmentStore;
use netbootd_state::file::{DatabaseError, State};
use netbootd_state::ledger::{Begun, LedgerStore, now};
use netbootd_state::shared::Shared;
use netbootd_telemetry::event::{Answered, Recorder};
use netbootd_telemetry::strangers::Strangers;
use netbootd_telemetry::timeline::Timelines;
use pxe_policy::{
    Answer, BootRequest, Class, Decision, Deployed, Entry, Evidence, Identity, ImageOffer, MacAddr, Purpose,
    Reason, Screened, Site, Stage, Verdict, Via, decide,
};
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::bsdp_server::BsdpServer;
use crate::https::Https;
use crate::limits::Limits;
use crate::limits::descriptors::Need;
pub use contents::Contents;
pub use host::{Lifecycle, Network};
pub use limited::UNSENT;
use trust::BootTrust;

/// The parts that all listeners share: all that a boot needs.
#[derive(Debug)]
pub struct Services {
    /// The state file, which ledger and bindings share.
    pub state: Arc<State>,
    /// The configuration in force.
    pub snapshot: ArcSwap<Snapshot>,
    /// The recently seen machines.
    pub machines: Machines,
    /// The server of Macs, when they are served.
    pub netboot: Option<Arc<BsdpServer>>,
    /// The deployments that were given.
    pub ledger: LedgerStore,
    /// Operators' decisions about machines that no directory knows.
    pub approvals: Approvals,
    /// Devices that operators registered, and what each of them boots.
    pub assignments: AssignmentStore,
    /// Machines' reactions to boot programs of each generation of authorities.
    pub trust: BootTrust,
    /// The files of clients, beside the boot tree and the images.
    pub content: Contents,
    /// The certificates of the HTTPS port.
    pub https: Https,
    /// The network of this host.
    pub network: Network,
    /// Bounds on what a stranger may have.
    pub limits: Limits,
    /// Senders of what no boot client sends.
    pub strangers: Arc<Strangers>,
    /// The recorder that each event goes to.
    pub recorder: Recorder,
    /// Each machine's recent steps.
    pub timelines: Timelines,
    /// How the services end.
    pub lifecycle: Lifecycle,
    /// Places for packets that wait for a directory or the disk.
    gate: Arc<Semaphore>,
}

/// A configuration with its boot tree and its directories opened.
#[derive(Debug)]
pub struct Snapshot {
    /// The configuration in force.
    pub config: Config,
    /// The files that clients may have.
    pub files: Files,
    /// The directories of the configuration.
    pub directories: Directories,
}

/// Why a configuration cannot be put in force.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// A folder of boot files.
    #[error(transparent)]
    Tree(#[from] MountError),
    /// A directory cannot be set up.
    #[error(transparent)]
    Directory(#[from] OpenError),
}

impl Snapshot {
    /// Opens the folders and the directories.
    pub fn new(config: Config, images: Option<Arc<Images>>) -> Result<Self, SnapshotError> {
        let tree = BootTree::new(&config.mounts)?;
        let directories = Directories::open(&config.directories())?;
        Ok(Snapshot { files: Files::new(tree, images), directories, config })
    }

    /// With the devices of the database, if the configuration says so.
    pub fn sharing(mut self, shared: Option<&Arc<Shared>>) -> Self {
        if let Some(shared) = shared.filter(|_| self.config.shared_devices) {
            self.directories = self.directories.with_first(DEVICES, Box::new(shared.devices()));
        }
        self
    }

    /// With the site answered for from a copy, if the configuration says so.
    pub fn mirroring(mut self, mirror: &Arc<Mirror>) -> Self {
        self.directories = self.directories.mirroring(mirror);
        self
    }

    /// Makes a whole URL of a boot file that goes by HTTPS: a certificate is for a name.
    fn secure(&self, decision: &mut Decision) {
        let Decision::Boot(boot) = decision else { return };
        if boot.via != Via::Https || boot.is_url() {
            return;
        }
        match self.config.https.as_ref().and_then(netbootd_config::Https::origin) {
            Some(origin) => boot.file = origin.url(&boot.file),
            None => boot.via = Via::Http,
        }
    }

    /// How boot clients are answered.
    pub fn boot_service(&self) -> BootService {
        BootService {
            style: self.config.dhcp.offer_style,
            http_port: self.config.http.port,
            local_boot: self.config.policy.local_boot,
            program_prompt: self.config.policy.program_prompt,
            log_server: self.config.reports.syslog,
        }
    }
}

impl Services {
    /// With what the state file remembers.
    pub fn open(snapshot: Snapshot, state: Arc<State>) -> Result<Self, DatabaseError> {
        Ok(Services {
            content: Contents::new(&snapshot.config.server.state_dir),
            snapshot: ArcSwap::from_pointee(snapshot),
            machines: Machines::default(),
            netboot: None,
            ledger: LedgerStore::open(Arc::clone(&state))?,
            approvals: Approvals::open(Arc::clone(&state))?,
            assignments: AssignmentStore::open(Arc::clone(&state))?,
            trust: BootTrust::open(Arc::clone(&state))?,
            state,
            https: Https::default(),
            network: Network::default(),
            limits: Limits::new(Instant::now()),
            strangers: Arc::default(),
            recorder: Recorder::new(),
            timelines: Timelines::default(),
            lifecycle: Lifecycle::default(),
            gate: Arc::new(Semaphore::new(MAX_WAITING)),
        })
    }

    /// With a state file that goes at once.
    #[cfg(any(test, feature = "testing"))]
    #[allow(clippy::unwrap_used, clippy::missing_panics_doc)] // for tests
    pub fn in_memory(snapshot: Snapshot) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = Arc::new(State::open(folder.path()).unwrap());
        Services::open(snapshot, state).unwrap()
    }

    /// With the ledger and the approvals of a database that several servers share.
    pub fn sharing(mut self, shared: &Arc<Shared>) -> Self {
        self.ledger = shared.ledger();
        self.approvals = shared.approvals();
        self.assignments = shared.assignments();
        self.trust = BootTrust::kept_in(shared.trust());
        self
    }

    /// Answers Macs as well.
    pub fn with_netboot(mut self, netboot: Option<BsdpServer>) -> Self {
        self.netboot = netboot.map(Arc::new);
        self
    }

    /// How many transfers there may be.
    pub fn transfer_bounds(&self) -> Bounds {
        let need = self.need_of_files();
        self.limits.open_files.get().map_or(need.transfers, |files| need.transfers_within(*files))
    }

    /// The open files that the limits need.
    pub fn need_of_files(&self) -> Need {
        let config = &self.snapshot.load().config;
        let transfers = config.limits.transfers(config.tftp.max_transfers);
        Need { transfers, connections: config.http.max_connections }
    }

    /// Whether a client's address belongs to a Mac that has chosen an image here.
    pub fn is_netbooting_mac(&self, client: IpAddr) -> bool {
        let Some(netboot) = &self.netboot else { return false };
        self.machines.mac_of(client).is_some_and(|mac| netboot.bindings().is_bound(mac))
    }

    /// Work that may wait for a directory or the disk, unless too much of it does already. Other
    /// machines' packets do not wait for it.
    pub async fn beside(&self, iface: &str, work: impl Future<Output = ()> + Send + 'static) {
        let Ok(permit) = Arc::clone(&self.gate).try_acquire_owned() else {
            return self.too_many_wait(iface);
        };
        let work = async move {
            work.await;
            drop(permit);
        };
        begin(work).await;
    }

    /// The directories' answers about the machine behind a request; empty when there are none, or
    /// when the machine is never served.
    pub async fn consult(&self, request: &BootRequest) -> Vec<Answer> {
        let snapshot = self.snapshot.load_full();
        if snapshot.directories.is_empty() {
            return Vec::new();
        }
        let Screened { request, ignored, .. } = snapshot.config.bans.screen(request);
        if ignored { Vec::new() } else { snapshot.directories.ask(&Identity::from_request(&request)).await }
    }

    /// The verdict for a machine. Nothing is given, and no boot begins or ends; only the site's
    /// memory of a deployment is kept.
    pub fn judge(&self, request: &BootRequest, answers: &[Answer]) -> Verdict {
        let verdict = self.judged(request, answers).1;
        let noted = verdict.learned.iter().filter(|entry| entry.noted.is_some());
        self.amend(noted.map(|entry| Entry { stage: Stage::Firmware, ..entry.clone() }).collect());
        verdict
    }

    /// Decides what a machine gets, and remembers it.
    pub fn decide(&self, request: &BootRequest, answers: &[Answer]) -> Verdict {
        self.decide_of(request, answers, false)
    }

    /// The same; a question of `netbootd probe` shows nothing of what the machine does.
    pub fn decide_of(&self, request: &BootRequest, answers: &[Answer], probe: bool) -> Verdict {
        let uuid = request.uuid;
        if !probe {
            self.trust.asked(request, Instant::now());
        }
        let (request, verdict) = self.judged(request, answers);
        self.machines.decided(&request, uuid, &verdict);
        self.approvals.heard(&request, &verdict, now());
        self.amend(verdict.learned.clone());
        verdict
    }

    /// Writes down what is known besides of entries of the ledger. No answer waits for that.
    fn amend(&self, learned: Vec<Entry>) {
        if !learned.is_empty() {
            let ledger = self.ledger.clone();
            tokio::spawn(async move { ledger.amend(learned).await });
        }
    }

    /// The verdict, and the request as bans leave it.
    fn judged(&self, request: &BootRequest, answers: &[Answer]) -> (BootRequest, Verdict) {
        let snapshot = self.snapshot.load();
        let served = snapshot.served();
        let Screened { mut request, banned_guid, ignored } = snapshot.config.bans.screen(request);
        let assigned = self.assignments.find(&request);
        if request.class == Class::Ipxe && request.item.is_none() {
            request.item = self.machines.chosen_item(request.mac);
        }
        request.tags = assigned.as_ref().map(|device| device.tags.clone()).unwrap_or_default();
        let mut verdict = if self.is_off(&request) {
            Verdict::silence(Reason::Disabled)
        } else if ignored {
            Verdict::silence(Reason::MacIgnored)
        } else {
            let menu = &snapshot.config.menu;
            let trust = self.trust.known(&request);
            let menu_images = |offer: &ImageOffer| menu.firmware_images(&snapshot.files, offer);
            self.ledger.with(|ledger| {
                let site = Site {
                    rules: &snapshot.config.rules,
                    settings: &snapshot.config.policy.settings,
                    answers,
                    ledger,
                    approval: self.approvals.get(request.mac),
                    assigned: assigned.as_ref(),
                    menu: menu.enabled && !snapshot.files.images().is_empty(),
                    firmware_menu: menu.firmware_source(&menu_images),
                    now: now(),
                    available: &|path| netbootd_content::available(&served, path, &request),
                    image_folder: &|package| snapshot.files.image_folder(package),
                    kernel_of: &|folder| snapshot.files.kernel_of(folder),
                    trust: &trust,
                    signers: &|path| snapshot.files.signers(path),
                };
                decide(&request, &site)
            })
        };
        if verdict.deployment.as_ref().is_some_and(|deployed| deployed.purpose == Purpose::Required)
            && matches!(verdict.decision, Decision::Boot(_))
            && self.ledger.is_away()
        {
            // It could have been given by another server a moment ago.
            (verdict.decision, verdict.reason) = (Decision::LocalBoot, Reason::SharedStateAway);
        }
        self.keep_link(&snapshot, &request, &mut verdict);
        snapshot.secure(&mut verdict.decision);
        verdict.evidence.splice(0..0, banned_guid.map(|(guid, by)| Evidence::GuidBanned { guid, by }));
        (request, verdict)
    }

    /// Whether nothing here answers such a client.
    fn is_off(&self, request: &BootRequest) -> bool {
        let dhcp = &self.snapshot.load().config.dhcp;
        match request.class {
            Class::Bsdp => self.netboot.is_none() || dhcp.ports == Ports::BootServerOnly,
            // It takes an offer that has an address in it.
            Class::Uboot => dhcp.mode != Mode::Server,
            _ => !request.segment.is_ipv6() && dhcp.mode == Mode::Off,
        }
    }

    /// Writes down that a machine is about to be given a deployment by another server, which is
    /// then asked. An error is the reason why it must not be.
    pub async fn begin(&self, deployed: &Deployed, mac: MacAddr) -> Result<Option<Begun>, Reason> {
        let settings = self.snapshot.load().config.policy.settings.clone();
        self.ledger.begin(deployed, mac, &settings, now()).await
    }

    /// Writes down that a machine is given a deployment, or its next boot. An error is the reason
    /// why it must not be.
    pub async fn give(&self, deployed: &Deployed, mac: MacAddr) -> Result<(), Reason> {
        let settings = self.snapshot.load().config.policy.settings.clone();
        self.ledger.give(deployed, mac, &settings, now()).await
    }

    /// Writes down what an answer gives away, before it leaves. An answer that must not leave
    /// becomes silence, with its reason.
    pub async fn commit<R>(&self, mut answer: dhcp::Answer<R>) -> dhcp::Answer<R> {
        answer.event.elsewhere = answer.event.elsewhere.filter(|addr| !self.network.interfaces.owns(*addr));
        let Some((deployed, mac)) = answer.gives.take() else { return answer };
        if let Err(reason) = self.give(&deployed, mac).await {
            answer.reply = None;
            answer.event.decision = Answered::LocalBoot;
            answer.event.reason = reason;
        }
        answer
    }
}

/// Does at once what can be done at once; only what then has to wait becomes a task of its own.
pub async fn begin(work: impl Future<Output = ()> + Send + 'static) {
    let mut work = Box::pin(work);
    let ended = poll_fn(|context| Poll::Ready(work.as_mut().poll(context).is_ready())).await;
    if !ended {
        tokio::spawn(work);
    }
}

/// Packets that wait for a directory or the disk at a time; clients ask again anyway.
const MAX_WAITING: usize = 4096;

#[cfg(test)]
mod tests;
