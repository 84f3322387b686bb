//! Port 69: requests come in here, each accepted one becomes a transfer with a task of its own.
//!
//! Cancelled by the services' shutdown token; transfers under way then tell their clients.

mod lanes;
mod line;
mod record;
mod text;
mod transfer;
mod window;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tftp::{ErrorCode, Packet, Request};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use crate::event::{Event, FileRefused, Proto, Refusal};
use crate::heartbeat::Pulse;
use crate::net::iface::Iface;
use crate::net::udp::{Endpoint, Incoming, Received, Source};
use crate::services::Services;
use lanes::Lanes;
use line::Line;
use transfer::Transfer;

/// Listens for requests on all interfaces or on one.
#[derive(Debug)]
pub struct TftpListener {
    services: Arc<Services>,
    endpoint: Arc<Endpoint>,
    transfers: Arc<Transfers>,
    lanes: Arc<Lanes>,
    pulse: Pulse,
}

/// The transfers under way, by client address and port.
#[derive(Debug, Default)]
struct Transfers(Mutex<HashMap<SocketAddr, Entry>>);

#[derive(Debug)]
struct Entry {
    number: u64,
    since: Instant,
    request: Vec<u8>,
    inbox: mpsc::Sender<Mail>,
}

/// What reaches a transfer's task from outside its own socket.
#[derive(Debug)]
enum Mail {
    /// A datagram of the client, in single-port mode.
    Datagram(Vec<u8>),
    /// The client's port is closed, in single-port mode.
    Unreachable,
    /// The client began something else from the same port.
    Superseded,
}

impl TftpListener {
    /// Binds the port on an address, or on all of its kind: of one interface, or of the host.
    pub fn bind(services: Arc<Services>, iface: Option<&Iface>, addr: IpAddr, port: u16) -> io::Result<Self> {
        let device = iface.map(|iface| iface.name.as_str());
        let name = format!("tftp on {} of {}", device.unwrap_or("every interface"), addr);
        TftpListener::open(services, name, || Endpoint::bind(SocketAddr::new(addr, port), device))
    }

    /// Takes over a bound socket. With interfaces, what arrives by others is left unheard.
    pub fn adopt(services: Arc<Services>, socket: UdpSocket, ifaces: &[Iface]) -> io::Result<Self> {
        let heard = ifaces.iter().map(|iface| iface.index).collect();
        TftpListener::open(services, "tftp".into(), || Endpoint::adopt(socket, heard))
    }

    fn open(
        services: Arc<Services>,
        name: String,
        socket: impl FnOnce() -> io::Result<Endpoint>,
    ) -> io::Result<Self> {
        let lanes = Arc::new(Lanes::start()?);
        let endpoint = {
            let first = lanes.first();
            let _entered = first.enter();
            Arc::new(socket()?)
        };
        let pulse = services.heartbeat.pulse(name);
        Ok(TftpListener { services, endpoint, transfers: Arc::default(), lanes, pulse })
    }

    /// The bound port.
    pub fn port(&self) -> io::Result<u16> {
        self.endpoint.port()
    }

    /// Serves until shutdown, and until the clients of transfers under way were told.
    pub async fn run(self) {
        let lanes = Arc::clone(&self.lanes);
        let shutdown = self.services.shutdown.clone();
        lanes.first().spawn(self.listen());
        shutdown.cancelled().await;
        lanes.finish().await;
    }

    async fn listen(self) {
        let mut buf = vec![0; MAX_DATAGRAM];
        loop {
            let heard = tokio::select! {
                heard = self.pulse.during(self.endpoint.recv(&mut buf)) => heard,
                () = self.services.shutdown.cancelled() => return self.transfers.stop(),
            };
            match heard {
                Ok(Incoming::Datagram(received)) => self.take(&buf[..received.len], received).await,
                Ok(Incoming::Unreachable(peer)) => self.transfers.tell(peer, Mail::Unreachable),
                Err(error) => {
                    warn!(proto = %Proto::Tftp, %error, "receiving failed");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn take(&self, bytes: &[u8], received: Received) {
        let from = received.from;
        let broadcast = matches!(received.to, IpAddr::V4(to) if to.is_broadcast());
        if broadcast || received.to.is_multicast() {
            return; // RFC 1123 §4.2.3.4
        }
        match Packet::parse(bytes) {
            Ok(Packet::ReadRequest(request)) => self.accept(bytes, &request, received).await,
            Ok(Packet::WriteRequest(request)) => {
                self.refuse(received, request.filename, Refusal::WriteRefused, None).await;
            }
            Ok(Packet::Error { .. }) if !self.transfers.knows(from) => {} // never answered
            Ok(_) if self.transfers.knows(from) && self.services.snapshot.load().config.tftp.single_port => {
                self.transfers.tell(from, Mail::Datagram(bytes.to_vec()));
            }
            Ok(_) => {
                self.send_error(received, ErrorCode::UNKNOWN_TRANSFER, "no transfer has this port").await;
            }
            Err(error) => {
                self.refuse(received, b"", Refusal::Malformed, Some(error.to_string())).await;
            }
        }
    }

    async fn accept(&self, bytes: &[u8], request: &Request<'_>, received: Received) {
        let Some(mode) = request.mode else {
            let detail = Some("the mode is neither octet nor netascii".to_owned());
            return self.refuse(received, request.filename, Refusal::Malformed, detail).await;
        };
        let snapshot = self.services.snapshot.load();
        let limit = snapshot.config.tftp.max_transfers;
        let admitted = match self.transfers.admit(received.from, bytes, limit) {
            Admission::Admitted { number, inbox } => (number, inbox),
            Admission::Repeated => {
                return debug!(proto = %Proto::Tftp, peer = %received.from, "request repeated");
            }
            Admission::Full => return self.refuse(received, request.filename, Refusal::Busy, None).await,
        };
        let (number, inbox) = admitted;
        let lane = self.lanes.next();
        let line = if snapshot.config.tftp.single_port {
            Ok(Line::shared(Arc::clone(&self.endpoint), received.to, received.from))
        } else {
            let _entered = lane.enter();
            Line::own(received.to, snapshot.config.tftp.port_range.clone(), received.from)
        };
        let line = match line {
            Ok(line) => line,
            Err(error) => {
                self.transfers.remove(received.from, number);
                return self.refuse(received, request.filename, Refusal::Busy, Some(error.to_string())).await;
            }
        };
        let transfer = Transfer {
            services: Arc::clone(&self.services),
            line,
            inbox,
            server: received.to,
            filename: request.filename.to_vec(),
            mode,
            options: request.options.clone(),
        };
        let transfers = Arc::clone(&self.transfers);
        lane.spawn(async move {
            transfer.run().await;
            transfers.remove(received.from, number);
        });
    }

    async fn refuse(&self, received: Received, filename: &[u8], refusal: Refusal, detail: Option<String>) {
        let (code, message) = error_for(refusal);
        self.send_error(received, code, message).await;
        self.services.recorder.record(Event::FileRefused(FileRefused {
            proto: Proto::Tftp,
            peer: received.from,
            mac: self.services.machines.mac_of(received.from.ip()),
            path: shown(filename),
            refusal,
            detail,
        }));
    }

    async fn send_error(&self, received: Received, code: ErrorCode, message: &str) {
        let error = Packet::Error { code, message: message.as_bytes() };
        let Some(bytes) = error.emit() else { return };
        if let Err(error) = self.endpoint.send(&bytes, received.from, source_of(received)).await {
            debug!(proto = %Proto::Tftp, peer = %received.from, %error, "sending failed");
        }
    }
}

/// The error that a client gets for a refusal.
fn error_for(refusal: Refusal) -> (ErrorCode, &'static str) {
    match refusal {
        Refusal::NotFound | Refusal::ImageComing | Refusal::ImageRefused => {
            (ErrorCode::FILE_NOT_FOUND, "file not found")
        }
        Refusal::AccessDenied => (ErrorCode::ACCESS_VIOLATION, "access violation"),
        Refusal::WriteRefused => (ErrorCode::ACCESS_VIOLATION, "this server is read-only"),
        Refusal::Malformed => (ErrorCode::ILLEGAL_OPERATION, "illegal TFTP operation"),
        Refusal::Busy => (ErrorCode::UNDEFINED, "too many transfers"),
        Refusal::Failed => (ErrorCode::UNDEFINED, "the file cannot be read"),
    }
}

/// A client's name for a file, escaped and cut short.
fn shown(filename: &[u8]) -> String {
    filename[..filename.len().min(MAX_SHOWN)].escape_ascii().to_string()
}

fn source_of(received: Received) -> Source {
    Source { addr: received.to, ifindex: 0 }
}

enum Admission {
    Admitted { number: u64, inbox: mpsc::Receiver<Mail> },
    Repeated,
    Full,
}

impl Transfers {
    /// A repeated request starts no second transfer; another one from the same port ends the first.
    fn admit(&self, from: SocketAddr, request: &[u8], limit: usize) -> Admission {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut number = 1;
        if let Some(entry) = table.get(&from) {
            if entry.request == request && entry.since.elapsed() < REPEATED_WITHIN {
                return Admission::Repeated;
            }
            number = entry.number + 1;
            // A full inbox belongs to a task that is busy ending.
            let _ = entry.inbox.try_send(Mail::Superseded);
        } else if table.len() >= limit {
            return Admission::Full;
        }
        let (sender, inbox) = mpsc::channel(INBOX);
        let entry = Entry { number, since: Instant::now(), request: request.to_vec(), inbox: sender };
        table.insert(from, entry);
        Admission::Admitted { number, inbox }
    }

    fn remove(&self, from: SocketAddr, number: u64) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if table.get(&from).is_some_and(|entry| entry.number == number) {
            table.remove(&from);
        }
    }

    /// Ends them all: each hears that nobody can write to it any more.
    fn stop(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn knows(&self, from: SocketAddr) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&from)
    }

    fn tell(&self, from: SocketAddr, mail: Mail) {
        if let Some(entry) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&from) {
            // What does not fit is lost like any datagram.
            let _ = entry.inbox.try_send(mail);
        }
    }
}

/// A request that got lost is repeated after a second or more; one that was doubled on the way comes at once.
const REPEATED_WITHIN: Duration = Duration::from_secs(1);
/// Acknowledgements that a transfer may be behind, in single-port mode.
const INBOX: usize = 64;
/// Requests have 512 bytes, a stray DATA may fill a frame.
const MAX_DATAGRAM: usize = 2048;
const MAX_SHOWN: usize = 128;
const PAUSE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
