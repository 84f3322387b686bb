//! The responder's files, fetched when a client asks for them and served while they come in.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use imagestore::platform::{DirBuilderExt, OpenOptionsExt};
use imagestore::{BootFile, BootPath, FillError, Filling};
use parking_lot::{Mutex, MutexGuard};
use pxe_policy::Signers;
use tftp::{Mode, Packet, RequestOptions};
use tracing::{info, warn};

use super::ask::address_of;
use super::cache::Cache;
use super::error::ResponderError;
use crate::fetch::{Coming, Fetch};
use crate::secure_boot;
use crate::settings::Relay;

/// The kind of file behind a path, for the folders that a responder has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Made for one machine: its variables and its BCD.
    OfAMachine,
    /// Boot programs and boot images, which every machine of the site may have.
    OfTheSite,
}

impl Kind {
    /// None for a path that is never fetched through.
    pub(super) fn from_path(path: &BootPath) -> Option<Self> {
        let path = path.to_string().to_ascii_lowercase();
        match path.trim_start_matches('/').split('/').next()? {
            "smstemp" => Some(Kind::OfAMachine),
            "smsboot" | "smsimages" | "boot" => Some(Kind::OfTheSite),
            _ => None,
        }
    }

    /// The largest file of this kind, in bytes: variables files have some tens of kilobytes.
    fn max_size(self, settings: &Relay) -> u64 {
        match self {
            Kind::OfAMachine => 16 << 20,
            Kind::OfTheSite => settings.cache_limit,
        }
    }
}

/// The files that came through lately, in a folder.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    cache: Arc<Mutex<Cache>>,
    number: AtomicU64,
}

impl Files {
    /// Uses a folder of its own, and removes what another run left there.
    pub(super) fn new(folder: PathBuf) -> Self {
        for left in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let _ = fs::remove_file(left.path()); // it only takes room
        }
        Files { folder, cache: Arc::default(), number: AtomicU64::new(0) }
    }

    /// Opens a file: one that came lately or is coming, or one that begins to come now. Many who
    /// ask at once share one fetch. Must run where blocking is allowed.
    pub(super) fn open(
        &self,
        settings: &Relay,
        path: &BootPath,
        kind: Kind,
    ) -> Result<BootFile, ResponderError> {
        let name = path.to_string().to_ascii_lowercase();
        let (slot, tag) = lock(&self.cache).slot(&name, Instant::now())?;
        let begun = slot.get_or_init(|| self.fetch(settings, path, name, kind)).clone()?;
        Ok(BootFile::coming(begun, &tag))
    }

    /// Lets go of what is not wanted any more.
    pub(super) fn sweep(&self, now: Instant) {
        lock(&self.cache).sweep(now);
    }

    /// Begins to fetch a file; gives it once its size is known.
    fn fetch(
        &self,
        settings: &Relay,
        path: &BootPath,
        name: String,
        kind: Kind,
    ) -> Result<Arc<Filling>, ResponderError> {
        // As Windows' own servers spell paths.
        let asked = format!("\\{}", path.to_string().trim_start_matches('/').replace('/', "\\"));
        let options = RequestOptions::asking(Some(BLOCK_SIZE), Some(WINDOW), None, true);
        let request = Packet::read_request(asked.as_bytes(), Mode::Octet, &options)
            .ok_or_else(|| ResponderError::PathTooLong(asked.clone()))?;
        let (begun, beginning) = mpsc::sync_channel(1);
        let mut incoming = Incoming {
            place: self.folder.join(self.number.fetch_add(1, Ordering::Relaxed).to_string()),
            name,
            max_size: kind.max_size(settings),
            all: settings.cache_limit,
            cache: Arc::clone(&self.cache),
            begun,
            filling: None,
        };
        let responder = settings.responder.clone();
        tokio::runtime::Handle::current().spawn(async move {
            let fetched = match address_of(&responder).await {
                Ok(addr) => {
                    let server = SocketAddr::from((addr, TFTP_PORT));
                    let fetch = Fetch { server, request, variable_window: None };
                    fetch.run(|coming| incoming.keep(coming)).await.map_err(ResponderError::from)
                }
                Err(error) => Err(error.into()),
            };
            match &fetched {
                Ok(fetched) => info!(path = asked, bytes = fetched.bytes, responder, "fetched through"),
                Err(error) => {
                    warn!(path = asked, error = error.to_string(), responder, "not fetched through");
                }
            }
            let filling = incoming.filling.clone();
            incoming.end(fetched.map(|fetched| fetched.bytes));
            if let Some(signers) = filling.and_then(|filling| signers_of(&filling)) {
                info!(path = asked, signed_by = %signers, responder, "the responder's boot program is signed");
            }
        });
        let begun = beginning.recv_timeout(PATIENCE);
        begun.unwrap_or_else(|_| Err(ResponderError::Silent(settings.responder.clone())))
    }
}

/// The authorities behind a boot program's signatures, once all of it is there.
fn signers_of(filling: &Arc<Filling>) -> Option<Signers> {
    let file = BootFile::coming(Arc::clone(filling), "");
    if !file.is_whole() {
        return None;
    }
    secure_boot::signers_of(&file)
}

fn lock(cache: &Mutex<Cache>) -> MutexGuard<'_, Cache> {
    cache.lock()
}

/// A file that comes in.
struct Incoming {
    place: PathBuf,
    name: String,
    max_size: u64,
    all: u64,
    cache: Arc<Mutex<Cache>>,
    begun: mpsc::SyncSender<Result<Arc<Filling>, ResponderError>>,
    filling: Option<Arc<Filling>>,
}

impl Incoming {
    fn keep(&mut self, coming: Coming<'_>) -> io::Result<()> {
        match (coming, &self.filling) {
            (Coming::Size(size), _) => {
                let size = size.ok_or_else(|| io::Error::other("the responder does not tell its size"))?;
                if size > self.max_size {
                    let words = format!("{size} bytes, more than the {} that are taken", self.max_size);
                    return Err(io::Error::other(words));
                }
                lock(&self.cache).reserve(&self.name, size, self.all).map_err(io::Error::other)?;
                let filling = Arc::new(Filling::new(self.open()?, size));
                let _ = self.begun.send(Ok(Arc::clone(&filling))); // the client may have left
                self.filling = Some(filling);
                Ok(())
            }
            (Coming::Bytes(bytes), Some(filling)) => filling.put(bytes),
            (Coming::Bytes(_), None) => Err(io::Error::other("bytes before their size")),
        }
    }

    /// A file without a name: its room is free again once the last reader is gone.
    fn open(&self) -> io::Result<File> {
        if let Some(folder) = self.place.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let file = File::options().create_new(true).read(true).write(true).mode(0o600).open(&self.place)?;
        fs::remove_file(&self.place)?;
        Ok(file)
    }

    fn end(self, fetched: Result<u64, ResponderError>) {
        match (self.filling, fetched) {
            (Some(filling), Ok(bytes)) if bytes == filling.len() => filling.end(Ok(())),
            (Some(filling), Ok(bytes)) => {
                filling.end(Err(FillError::Short { there: bytes, wanted: filling.len() }));
            }
            (Some(filling), Err(refused)) => filling.end(Err(FillError::failed(refused))),
            (None, fetched) => {
                let refused = fetched.err().unwrap_or(ResponderError::Nothing);
                let _ = self.begun.send(Err(refused)); // the client may have left
            }
        }
    }
}

const TFTP_PORT: u16 = 69;
/// Fills an Ethernet frame with the headers and room for a tunnel.
const BLOCK_SIZE: u16 = 1428;
const WINDOW: u16 = 16;
/// Until the first answer, with the requests that are repeated.
const PATIENCE: Duration = Duration::from_secs(10);
