//! Port 69: requests come in here. Each accepted one becomes a transfer with a task of its own once
//! its client acknowledges something.
//!
//! Refuses new requests once the services stop. Cancelled by their shutdown token; transfers under
//! way then tell their clients.

mod busy_poll;
mod facts;
mod handshake;
mod held;
mod negotiation;
mod ports;
mod record;
mod refusals;
mod text;
mod transfer;
mod transfer_socket;
mod transfers;
mod window;
mod workers;

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use netbootd_content::Requested;
use netbootd_dhcp::Iface;
use netbootd_net::flood_filter::Purpose;
use netbootd_net::heartbeat::Pulse;
use netbootd_net::outbox::Unsent;
use netbootd_net::udp::{Endpoint, Incoming, Received, Source};
use netbootd_telemetry::event::{Event, FileRefused, Proto, Refusal, SharedError};
use netbootd_telemetry::strangers::Conduct;
use tftp::{ErrorCode, Mode, Packet, ParseError, Request};
use tracing::{debug, warn};

use super::request_error::RequestError;
use super::requester::Requester;
use crate::limits::session_limits::Full;
use crate::services::{Services, UNSENT};
use busy_poll::BusyPoll;
use handshake::Handshakes;
use refusals::{error_for, shown};
use transfer::Transfer;
use transfer_socket::TransferSocket;
use transfers::{Admitted, Asked, Begun, NotAdmitted, Ports, SINGLE_PORT, Transfers};
use workers::Workers;

/// Listens for requests on all interfaces or on one.
#[derive(Debug)]
pub struct TftpListener {
    services: Arc<Services>,
    endpoint: Arc<Endpoint>,
    transfers: Arc<Transfers>,
    handshakes: Arc<Handshakes>,
    workers: Arc<Workers>,
    /// The address that it is bound to; None for a socket that was handed over.
    addr: Option<SocketAddr>,
    /// The interfaces that it hears; none stands for all.
    ifaces: Vec<Iface>,
    pulse: Pulse,
}

impl TftpListener {
    /// Binds the port on an address, or on all of its kind: of one interface, or of the host.
    pub fn bind(services: Arc<Services>, iface: Option<&Iface>, addr: IpAddr, port: u16) -> io::Result<Self> {
        let name =
            format!("tftp on {} of {addr}", iface.map_or("every interface", |iface| iface.name.as_str()));
        let addr = SocketAddr::new(addr, port);
        let ifaces = iface.cloned().into_iter().collect();
        TftpListener::open(services, name, Some(addr), ifaces, |_| bind(iface, addr))
    }

    /// Takes over a bound socket. With interfaces, what arrives by others is left unheard.
    pub fn adopt(services: Arc<Services>, socket: UdpSocket, ifaces: &[Iface]) -> io::Result<Self> {
        TftpListener::open(services, "tftp".into(), None, ifaces.to_vec(), |ifaces| {
            Ok(Endpoint::adopt(socket, indices(ifaces))?.only_for(Purpose::Tftp))
        })
    }

    fn open(
        services: Arc<Services>,
        name: String,
        addr: Option<SocketAddr>,
        ifaces: Vec<Iface>,
        socket: impl FnOnce(&[Iface]) -> io::Result<Endpoint>,
    ) -> io::Result<Self> {
        let workers = Arc::new(Workers::start()?);
        let endpoint = {
            let _entered = workers.requests().enter();
            Arc::new(socket(&ifaces)?)
        };
        let pulse = services.network.heartbeat.pulse(name);
        let transfers = Arc::<Transfers>::default();
        let handshakes =
            Handshakes::new(Arc::clone(&services), Arc::clone(&transfers), Arc::clone(&workers)).into();
        Ok(TftpListener { services, endpoint, transfers, handshakes, workers, addr, ifaces, pulse })
    }

    /// The port that the listener is bound to.
    pub fn port(&self) -> io::Result<u16> {
        self.endpoint.port()
    }

    /// Serves until shutdown, and until the clients of transfers under way have an ERROR.
    pub async fn run(self) {
        let workers = Arc::clone(&self.workers);
        let shutdown = self.services.lifecycle.shutdown.clone();
        workers.listen(Arc::clone(&self.handshakes).resend());
        workers.listen(self.listen());
        shutdown.cancelled().await;
        workers.finish().await;
    }

    async fn listen(mut self) {
        let mut buf = vec![0; MAX_DATAGRAM];
        let mut changes = self.services.network.interfaces.changes();
        loop {
            let heard = tokio::select! {
                heard = self.pulse.during(self.endpoint.recv(&mut buf)) => heard,
                (at, iface) = changes.moved_among(&self.ifaces) => match self.follow(at, iface) {
                    Ok(()) => continue,
                    Err(error) => {
                        changes.again();
                        Err(error)
                    }
                },
                () = self.services.lifecycle.shutdown.cancelled() => return self.transfers.stop(),
            };
            match heard {
                Ok(Incoming::Datagram(received)) => self.receive(&buf[..received.len], received).await,
                Ok(Incoming::Unreachable(peer)) => self.handshakes.unreachable(peer, SINGLE_PORT),
                Err(error) => {
                    warn!(proto = %Proto::Tftp, %error, "receiving failed");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Listens on the interface as it is now. A socket stays with the link that it was bound to,
    /// whatever its addresses are.
    fn follow(&mut self, at: usize, iface: Iface) -> io::Result<()> {
        if let Some(addr) = self.addr
            && self.ifaces[at].index != iface.index
        {
            let addr = SocketAddr::new(addr.ip(), self.endpoint.port()?);
            self.endpoint = Arc::new(bind(Some(&iface), addr)?);
        }
        self.ifaces[at] = iface;
        if self.addr.is_none() {
            self.endpoint.hear_only(indices(&self.ifaces));
        }
        Ok(())
    }

    async fn receive(&self, bytes: &[u8], received: Received) {
        let from = received.from;
        let parsed = Packet::parse(bytes);
        if received.to.is_multicast() || self.services.network.interfaces.is_broadcast(received.to) {
            if let Ok(Packet::ReadRequest(request) | Packet::WriteRequest(request)) = &parsed {
                self.note(received, Conduct::BroadcastRequest, Some(&shown(request.filename)));
            }
            return; // RFC 1123 §4.2.3.4
        }
        match &parsed {
            Ok(Packet::ReadRequest(_) | Packet::WriteRequest(_)) | Err(_) => {}
            Ok(_)
                if self.services.snapshot.load().config.tftp.single_port
                    && self.handshakes.hear(self.workers.next(), SINGLE_PORT, from, bytes) =>
            {
                return;
            }
            Ok(Packet::Error { .. }) => return, // never answered
            Ok(_) => {}
        }
        // From here on everything is answered.
        match self.services.leaves_client_alone(Proto::Tftp, from) {
            Some(Refusal::TooOften) => return self.note(received, Conduct::TooOften, None),
            Some(_) => return,
            None => {}
        }
        match parsed {
            Ok(Packet::ReadRequest(request)) => self.accept(bytes, &request, received).await,
            Ok(Packet::WriteRequest(request)) => {
                self.refuse(received, request.filename, Refusal::WriteRefused, None).await;
            }
            Ok(_) => {
                self.send_error(received, ErrorCode::UNKNOWN_TRANSFER, "no transfer has this port").await;
            }
            // Firmware whose DHCP server names no boot file.
            Err(error @ ParseError::EmptyFileName) => {
                self.refuse(received, b"", Refusal::NotFound, Some(SharedError::new(error))).await;
            }
            Err(error) => {
                self.note(received, Conduct::Malformed, None);
                self.refuse(received, b"", Refusal::Malformed, Some(SharedError::new(error))).await;
            }
        }
    }

    fn note(&self, received: Received, conduct: Conduct, example: Option<&str>) {
        self.services.strangers.note(received.from.ip(), conduct, example, SystemTime::now());
    }

    async fn accept(&self, bytes: &[u8], request: &Request<'_>, received: Received) {
        let Some(mode) = request.mode else {
            let error = RequestError::Mode;
            return self.refuse(received, request.filename, error.refusal(), Some(error.shared())).await;
        };
        // A client whose transfer goes on may ask once more.
        if self.services.lifecycle.stopping.is_cancelled() && !self.transfers.knows(received.from) {
            return self.refuse(received, request.filename, Refusal::Stopping, None).await;
        }
        if let Err(refused) =
            self.services.network.neighbours.admit(received.from.ip(), link_of(received.from), Instant::now())
        {
            return self.services.recorder.count(UNSENT, Unsent::from(refused).name());
        }
        let path = Arc::new(Requested::new(request.filename));
        match self.handshakes.answer(bytes, (request, &path), received, &self.endpoint) {
            Some(Ok(())) => {}
            Some(Err(refused)) => self.not_admitted(received, request.filename, refused).await,
            None => self.begin(bytes, (request, path), mode, received).await,
        }
    }

    /// Begins a transfer that has a socket and a task from its begin.
    async fn begin(
        &self,
        bytes: &[u8],
        (request, path): (&Request<'_>, Arc<Requested>),
        mode: Mode,
        received: Received,
    ) {
        let snapshot = self.services.snapshot.load();
        let bounds = self.services.transfer_bounds();
        let places = &self.services.limits.transfers;
        let ports = if snapshot.config.tftp.single_port { Ports::One } else { Ports::Own };
        let (now, from) = (Instant::now(), received.from);
        let asked = Asked { now, from, request: bytes, ports, places, bounds: &bounds };
        let Begun { number, inbox, evicted } = match self.transfers.admit(asked) {
            Ok(begun) => begun,
            Err(refused) => return self.not_admitted(received, request.filename, refused).await,
        };
        self.handshakes.count_evicted(evicted);
        self.workers.catch_up(|| self.transfers.with_tasks()).await;
        let worker = self.workers.next();
        let range = snapshot.config.tftp.port_range.as_ref();
        // The ports of a range are shared.
        let shared = range
            .filter(|_| ports == Ports::Own)
            .and_then(|range| self.handshakes.shared_port(from, Some(range), &bounds));
        let line = match (ports, &shared) {
            (Ports::One, _) => Ok(TransferSocket::shared(Arc::clone(&self.endpoint), received.to, from)),
            (Ports::Own, port) => {
                let _entered = worker.enter();
                match port {
                    Some(port) => TransferSocket::split(received.to, port.number, from),
                    None => TransferSocket::own(received.to, range.cloned(), from),
                }
            }
        };
        let line = match line {
            Ok(line) => line,
            Err(error) => {
                self.transfers.remove(received.from, number);
                let error = Some(SharedError::new(error));
                return self.refuse(received, request.filename, Refusal::Busy, error).await;
            }
        };
        let transfer = Transfer {
            services: Arc::clone(&self.services),
            line,
            inbox,
            server: received.to,
            path,
            requester: Requester { peer: from, probe: request.options.is_probe() },
            admitted: Admitted { transfers: Arc::clone(&self.transfers), from: received.from, number },
            worker: worker.clone(),
            busy_poll: BusyPoll::default(),
            superseded: None,
            handshakes: Arc::clone(&self.handshakes),
            port: shared,
        };
        let under_way = self.services.lifecycle.transfers.token();
        let options = request.options.clone();
        worker.begin(async move {
            transfer.run(mode, options).await;
            drop(under_way);
        });
    }

    async fn not_admitted(&self, received: Received, filename: &[u8], refused: NotAdmitted) {
        match refused {
            NotAdmitted::Repeated => {
                debug!(proto = %Proto::Tftp, peer = %received.from, "request repeated");
            }
            // A real client asks again; the victim of a forged address gets no packet.
            NotAdmitted::Full(Full::Unproved) => {
                self.record_refused(received, filename, Refusal::Unproved, None);
            }
            // An error would end the boot; a client that gets no answer asks again.
            NotAdmitted::Full(Full::All) => {
                self.record_refused(received, filename, Refusal::Busy, None);
            }
            NotAdmitted::Full(full) => self.refuse(received, filename, full.into(), None).await,
        }
    }

    async fn refuse(
        &self,
        received: Received,
        filename: &[u8],
        refusal: Refusal,
        detail: Option<SharedError>,
    ) {
        let (code, message) = error_for(refusal);
        self.send_error(received, code, message).await;
        self.record_refused(received, filename, refusal, detail);
    }

    fn record_refused(
        &self,
        received: Received,
        filename: &[u8],
        refusal: Refusal,
        detail: Option<SharedError>,
    ) {
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

fn bind(iface: Option<&Iface>, addr: SocketAddr) -> io::Result<Endpoint> {
    Ok(Endpoint::bind(addr, iface.map(|iface| iface.name.as_str()))?.only_for(Purpose::Tftp))
}

fn indices(ifaces: &[Iface]) -> Vec<u32> {
    ifaces.iter().map(|iface| iface.index).collect()
}

/// The link of a link-local address; others have a route.
fn link_of(peer: SocketAddr) -> u32 {
    match peer {
        SocketAddr::V6(peer) if peer.ip().is_unicast_link_local() => peer.scope_id(),
        _ => 0,
    }
}

fn source_of(received: Received) -> Source {
    Source { addr: received.to, ifindex: 0 }
}

/// Requests have 512 bytes, a stray DATA may fill a frame.
const MAX_DATAGRAM: usize = 2048;
const PAUSE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
