//! The responder's files, fetched when a client asks for them and served while they come in.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use imagestore::{BootFile, BootPath, Filling};
use tftp::{Mode, Packet, RequestOptions};
use tracing::{info, warn};

use super::ask::address_of;
use crate::config::Relay;
use crate::fetch::{Coming, Fetch};

/// What kind of file a path is of, for the folders that a responder has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Made for one machine: its variables and its BCD.
    OfAMachine,
    /// Boot programs and boot images, which every machine of the site may have.
    OfTheSite,
}

impl Kind {
    /// None for a path that is never fetched through.
    pub(super) fn of(path: &BootPath) -> Option<Self> {
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

/// The files that came through lately.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    kept: Mutex<HashMap<String, Kept>>,
    number: AtomicU64,
}

#[derive(Debug)]
struct Kept {
    filling: Arc<Filling>,
    tag: String,
    since: Instant,
    used: Instant,
}

impl Files {
    /// In a folder of its own. What another run left there is removed.
    pub(super) fn new(folder: PathBuf) -> Self {
        for left in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let _ = fs::remove_file(left.path()); // it only takes room
        }
        Files { folder, kept: Mutex::default(), number: AtomicU64::new(0) }
    }

    /// Opens a file: one that came lately or is coming, or one that begins to come now. Must run where blocking is allowed.
    pub(super) fn open(&self, settings: &Relay, path: &BootPath, kind: Kind) -> Result<BootFile, String> {
        let now = Instant::now();
        let name = path.to_string().to_ascii_lowercase();
        self.sweep(now);
        if let Some(kept) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&name) {
            kept.used = now;
            return Ok(BootFile::coming(Arc::clone(&kept.filling), &kept.tag));
        }
        let limit = kind.max_size(settings);
        let place = self.folder.join(format!("{}", self.number.fetch_add(1, Ordering::Relaxed)));
        let coming = fetch(settings, path, limit, place)?;
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut all, coming.len(), settings.cache_limit)?;
        let tag = format!("\"relay-{:x}-{:x}\"", std::process::id(), self.number.load(Ordering::Relaxed));
        let file = BootFile::coming(Arc::clone(&coming), &tag);
        all.insert(name, Kept { filling: coming, tag, since: now, used: now });
        Ok(file)
    }

    /// Lets go of what failed, what nobody has read for a while, and what may have changed at the responder.
    pub(super) fn sweep(&self, now: Instant) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, kept| {
            let is_read = Arc::strong_count(&kept.filling) > 1;
            let idle = now.duration_since(kept.used) > IDLE && !is_read;
            !kept.filling.has_failed() && !idle && now.duration_since(kept.since) < LIFETIME
        });
    }
}

/// Lets go of what was used longest ago, as long as nobody reads it.
fn make_room(all: &mut HashMap<String, Kept>, wanted: u64, limit: u64) -> Result<(), String> {
    loop {
        let total: u64 = all.values().map(|kept| kept.filling.len()).sum();
        if total + wanted <= limit {
            return Ok(());
        }
        let unread = all.iter().filter(|(_, kept)| Arc::strong_count(&kept.filling) == 1);
        let oldest = unread.min_by_key(|(_, kept)| kept.used).map(|(name, _)| name.clone());
        let oldest = oldest.ok_or_else(|| format!("no room: {total} bytes of {limit} are being read"))?;
        all.remove(&oldest);
    }
}

/// Begins to fetch a file; gives it once its size is known.
fn fetch(settings: &Relay, path: &BootPath, limit: u64, place: PathBuf) -> Result<Arc<Filling>, String> {
    // As Windows' own servers spell paths.
    let asked = format!("\\{}", path.to_string().trim_start_matches('/').replace('/', "\\"));
    let options = RequestOptions::asking(Some(BLOCK_SIZE), Some(WINDOW), None, true);
    let request = Packet::read_request(asked.as_bytes(), Mode::Octet, &options)
        .ok_or_else(|| format!("{asked} is too long for a TFTP request"))?;
    let (begun, beginning) = mpsc::sync_channel(1);
    let responder = settings.responder.clone();
    tokio::runtime::Handle::current().spawn(async move {
        let mut incoming = Incoming { place, limit, begun, filling: None };
        let fetched = match address_of(&responder).await {
            Ok(addr) => {
                let server = SocketAddr::from((addr, TFTP_PORT));
                let fetch = Fetch { server, request, variable_window: None };
                fetch.run(|coming| incoming.take(coming)).await.map_err(|error| error.to_string())
            }
            Err(error) => Err(error),
        };
        match &fetched {
            Ok(fetched) => info!(path = asked, bytes = fetched.bytes, responder, "fetched through"),
            Err(error) => warn!(path = asked, error, responder, "not fetched through"),
        }
        incoming.end(fetched.map(|fetched| fetched.bytes));
    });
    let begun = beginning.recv_timeout(PATIENCE);
    begun.unwrap_or_else(|_| Err(format!("{} did not begin to send", settings.responder)))
}

/// A file that comes in.
struct Incoming {
    place: PathBuf,
    limit: u64,
    begun: mpsc::SyncSender<Result<Arc<Filling>, String>>,
    filling: Option<Arc<Filling>>,
}

impl Incoming {
    fn take(&mut self, coming: Coming<'_>) -> io::Result<()> {
        match (coming, &self.filling) {
            (Coming::Size(size), _) => {
                let size = size.ok_or_else(|| io::Error::other("the responder does not tell its size"))?;
                if size > self.limit {
                    let limit = self.limit;
                    return Err(io::Error::other(format!(
                        "{size} bytes, more than the {limit} that are taken"
                    )));
                }
                let filling = Arc::new(Filling::new(self.open()?, size));
                let _ = self.begun.send(Ok(Arc::clone(&filling))); // whoever asked may have left
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
            fs::create_dir_all(folder)?;
        }
        let file = File::options().create_new(true).read(true).write(true).open(&self.place)?;
        fs::remove_file(&self.place)?;
        Ok(file)
    }

    fn end(self, fetched: Result<u64, String>) {
        match (self.filling, fetched) {
            (Some(filling), Ok(bytes)) if bytes == filling.len() => filling.end(Ok(())),
            (Some(filling), Ok(bytes)) => {
                filling.end(Err(format!("{bytes} bytes came of {}", filling.len())));
            }
            (Some(filling), Err(error)) => filling.end(Err(error)),
            (None, fetched) => {
                let error = fetched.err().unwrap_or_else(|| "nothing came".to_owned());
                let _ = self.begun.send(Err(error)); // whoever asked may have left
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
/// Nobody has read it for this long.
const IDLE: Duration = Duration::from_secs(600);
/// A boot image may be distributed anew.
const LIFETIME: Duration = Duration::from_secs(3600);
