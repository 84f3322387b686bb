//! The operators' side of a running netbootd: where the configuration came from, reloads, the
//! sandbox, the history, findings, certificates, the check of the image store.

mod addresses;
mod deployment_day;
mod follow;
mod reloads;
mod sandboxed;

use std::sync::Arc;
use std::time::Instant;

use netbootd_config::Source;
use netbootd_content::files::Images;
use netbootd_directory::certificates::Certificates;
use netbootd_directory::configmgr::Mirror;
use netbootd_state::file::{DatabaseError, State};
use netbootd_state::history::History;
use netbootd_state::shared::Shared;

use crate::findings::Findings;
use crate::scrub::Scrub;
use crate::services::Services;
pub use addresses::AddressServers;
pub use deployment_day::{DeploymentDay, List};
pub use follow::{FLUSH_EVERY, follow};
pub use reloads::{OutOfReach, ReloadError, Reloaded, Reloads};
pub use sandboxed::Sandboxed;

/// A running netbootd: the services of the boot path, and what operators see and change beside
/// them.
#[derive(Debug)]
pub struct Daemon {
    /// The services of the boot path.
    pub services: Arc<Services>,
    /// The start of the process.
    pub started: Instant,
    /// The origin of the configuration.
    pub source: Source,
    /// The privileges that this process gave up.
    pub sandboxed: Sandboxed,
    /// Requests to reload the configuration.
    pub reloads: Reloads,
    /// The servers of addresses.
    pub addresses: AddressServers,
    /// The machines that are deployed today.
    pub day: DeploymentDay,
    /// The image store, when there is one.
    pub images: Option<Arc<Images>>,
    /// The database that several servers share.
    pub shared: Option<Arc<Shared>>,
    /// Each machine's steps of the last days, on the disk.
    pub history: History,
    /// The findings that are open, and their watchers.
    pub findings: Arc<Findings>,
    /// How far the image store has been read again.
    pub scrub: Arc<Scrub>,
    /// The certificates that netbootd depends on.
    pub certificates: Certificates,
    /// The copy of the Configuration Manager site.
    pub mirror: Arc<Mirror>,
}

impl Daemon {
    /// Around services, with what the state file remembers.
    pub fn open(services: Services, state: Arc<State>) -> Result<Self, DatabaseError> {
        let folder = state.folder().to_owned();
        Ok(Daemon {
            images: services.snapshot.load().files.store().cloned(),
            services: Arc::new(services),
            started: Instant::now(),
            source: Source::default(),
            sandboxed: Sandboxed::default(),
            reloads: Reloads::default(),
            addresses: AddressServers::default(),
            day: DeploymentDay::open(state.folder()),
            shared: None,
            history: History::new(state.folder()),
            findings: Arc::default(),
            scrub: Arc::new(Scrub::open(state)?),
            certificates: Certificates::default(),
            mirror: Arc::new(Mirror::new(folder)),
        })
    }

    /// With a state file that is removed at once.
    #[cfg(any(test, feature = "testing"))]
    #[allow(clippy::unwrap_used, clippy::missing_panics_doc)] // for tests
    pub fn in_memory(snapshot: crate::services::Snapshot) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = Arc::new(State::open(folder.path()).unwrap());
        let services = Services::open(snapshot, Arc::clone(&state)).unwrap();
        Daemon::open(services, state).unwrap()
    }
}
