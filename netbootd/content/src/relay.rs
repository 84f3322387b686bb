//! The distribution point's own responder behind this server: netbootd forwards requests to it and
//! serves its files.
//!
//! [`admission`] decides which machines are forwarded, [`ask`] forwards one request and waits for
//! the answer, [`files`] fetches the files that the answer names, and [`cache`] keeps them for a
//! while. Files made for one machine are served to its own segment only, because they hold secrets
//! of the site.

mod admission;
mod ask;
mod cache;
mod error;
mod files;

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use imagestore::{BootFile, BootPath};
use netbootd_dhcp::v4::forward::{Told, Unusable};
use netbootd_dhcp::v4::{Arrival, Packet};
use parking_lot::Mutex;
use tracing::warn;

use crate::settings;
use admission::Admission;
pub use error::{NoAddress, ResponderError};
use files::Files;

/// The state of the responder, and the limits on questions to it.
#[derive(Debug)]
pub struct Relay {
    admission: Mutex<Admission>,
    files: Files,
    warned: Mutex<Option<Instant>>,
}

impl Relay {
    /// Opens the folder for files that come through, and removes what another run left there.
    pub fn new(state_dir: &Path) -> Self {
        Relay {
            admission: Mutex::default(),
            files: Files::new(state_dir.join("relay")),
            warned: Mutex::default(),
        }
    }

    /// Puts a machine's question to the responder.
    pub async fn ask(
        &self,
        settings: &settings::Relay,
        packet: &Packet,
        arrival: &Arrival<'_>,
    ) -> Result<Told, Unusable> {
        let client = Some(packet.header.ciaddr()).filter(|addr| !addr.is_unspecified());
        let client = client.unwrap_or(*arrival.from.ip());
        let segment = segment_of(client, settings, arrival)
            .ok_or_else(|| Unusable::Elsewhere { client, iface: arrival.iface.name.clone() })?;
        if !self.with_admission(|admission| admission.admits(client, Instant::now())) {
            return Err(Unusable::TooOften { client, times: admission::AT_ONCE });
        }
        let told = ask::ask(settings, packet, arrival.local).await?;
        if told.has_secret() {
            self.warn_of_secret(&settings.responder);
        }
        self.with_admission(|admission| admission.note_files(segment, &told, Instant::now()));
        Ok(told)
    }

    /// One of the responder's files, for a client that may have it. Waits for the responder.
    pub fn open(
        &self,
        settings: &settings::Relay,
        path: &BootPath,
        client: Ipv4Addr,
    ) -> Option<Result<BootFile, ResponderError>> {
        let kind = files::Kind::from_path(path)?;
        let may = self.with_admission(|admission| admission.may_fetch(client, path, kind, Instant::now()));
        may.then(|| self.files.open(settings, path, kind))
    }

    /// Lets go of files that nobody has read for a while.
    pub fn sweep(&self) {
        self.files.sweep(Instant::now());
    }

    fn with_admission<T>(&self, action: impl FnOnce(&mut Admission) -> T) -> T {
        action(&mut self.admission.lock())
    }

    fn warn_of_secret(&self, responder: &str) {
        let mut warned = self.warned.lock();
        if warned.is_none_or(|at| at.elapsed() > WARN_EVERY) {
            *warned = Some(Instant::now());
            warn!(
                responder,
                "the distribution point has no password for PXE: any client can read the media certificate"
            );
        }
    }
}

/// The segment of a client that may be handed on: the receiving interface's, or one that the
/// configuration names.
fn segment_of(client: Ipv4Addr, settings: &settings::Relay, arrival: &Arrival<'_>) -> Option<ipnet::Ipv4Net> {
    let holds = |addr: Ipv4Addr| {
        let own = arrival.iface.addrs.iter().find(|net| net.contains(&addr)).copied();
        own.or_else(|| settings.segments.iter().find(|net| net.contains(&addr)).copied())
    };
    // The packet comes from there too: an address can be claimed.
    holds(*arrival.from.ip()).and_then(|_| holds(client)).map(|net| net.trunc())
}

/// A site's secret is warned of this often.
const WARN_EVERY: Duration = Duration::from_secs(3600);
