//! The handshake of a transfer: from its read request to its client's first acknowledgement.
//!
//! Anybody can write another's address into a request. So until something is acknowledged there is
//! no more of a transfer than an entry in the table: it is answered from a port that it shares with
//! others ([`ports`](super::ports)), with what was read of its file before
//! ([`facts`](super::facts)). The first acknowledgement gives it a socket, a file and a task.

mod evicted;
mod listen;

use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use netbootd_config::Bounds;
use netbootd_content::{Caller, Content, Extent, Requested};
use netbootd_net::outbox::Unsent;
use netbootd_net::udp::{Endpoint, Received, Source};
use netbootd_telemetry::event::{Proto, Refusal};
use tftp::{Mode, Outcome, Packet, Request, Sender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tracing::debug;

use self::listen::listen;
use super::super::request_error::RequestError;
use super::super::requester::Requester;
use super::busy_poll::BusyPoll;
use super::facts::{Facts, FactsCache};
use super::negotiation;
use super::ports::{SharedPort, SharedPorts, how_many};
use super::record::{self, Header, Record};
use super::refusals::{DEFERRED, error_for};
use super::transfer::{Begin, Transfer};
use super::transfer_socket::TransferSocket;
use super::transfers::{
    Admitted, Asked, Due, Heard, NotAdmitted, Over, Ports, Promoted, SINGLE_PORT, Transfers, Waiting,
};
use super::workers::{MAX_ENDING, Worker, Workers};
use crate::limits::session_limits::Full;
use crate::services::{Services, UNSENT};

/// Answers requests, and waits for the first acknowledgements.
#[derive(Debug)]
pub(super) struct Handshakes {
    services: Arc<Services>,
    transfers: Arc<Transfers>,
    workers: Arc<Workers>,
    facts: FactsCache,
    /// Held by those that look for a file of an unknown machine.
    lookups: Arc<Semaphore>,
    /// Held by those that sent an error and listen for the word that nobody asked.
    words: Semaphore,
    v4: SharedPorts,
    v6: SharedPorts,
}

impl Handshakes {
    pub(super) fn new(services: Arc<Services>, transfers: Arc<Transfers>, workers: Arc<Workers>) -> Self {
        let (v4, v6) = (SharedPorts::v4(), SharedPorts::v6());
        let lookups = Arc::new(Semaphore::new(MAX_LOOKUPS));
        let (facts, words) = (FactsCache::default(), Semaphore::new(MAX_WORDS));
        Handshakes { services, transfers, workers, facts, lookups, words, v4, v6 }
    }

    /// A place among the refused transfers that still listen; None when there are many of them.
    pub(super) fn listens_for_word(&self) -> Option<SemaphorePermit<'_>> {
        self.words.try_acquire().ok()
    }

    /// Waits for a place among those that look for a file.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.lookups).acquire_owned().await.ok()
    }

    /// Answers a request. None for one that needs a task from its begin: of a file that is made for
    /// its client, translated, or still to be read from a disk or another server.
    pub(super) fn answer(
        self: &Arc<Self>,
        bytes: &[u8],
        (request, path): (&Request<'_>, &Arc<Requested>),
        received: Received,
        listener: &Arc<Endpoint>,
    ) -> Option<Result<(), NotAdmitted>> {
        if request.mode != Some(Mode::Octet) {
            return None;
        }
        let (now, from) = (Instant::now(), received.from);
        let facts = self.facts_of(path, received, now)?;
        let snapshot = self.services.snapshot.load();
        let bounds = self.services.transfer_bounds();
        let (port, ports) = match snapshot.config.tftp.single_port {
            true => (SharedPort { endpoint: Arc::clone(listener), number: SINGLE_PORT }, Ports::One),
            false => self.free_port(from, snapshot.config.tftp.port_range.as_ref(), &bounds)?,
        };
        let (negotiated, in_flight) =
            negotiation::negotiated(&self.services, &request.options, from, facts.len);
        let (sender, _) = Sender::new(negotiated, facts.len, now);
        let server = received.to;
        let waiting = Waiting::new(port.clone(), server, sender, facts, in_flight);
        let answer = waiting.first_answer();
        let places = &self.services.limits.transfers;
        let asked = Asked { now, from, request: bytes, ports, places, bounds: &bounds };
        let evicted = match self.transfers.admit_waiting(asked, waiting) {
            Ok(evicted) => evicted,
            Err(refused) => return Some(Err(refused)),
        };
        self.count_evicted(evicted);
        self.send(&port, &answer, from, Source { addr: server, ifindex: 0 });
        Some(Ok(()))
    }

    /// Sends again what was not acknowledged, until the services stop.
    pub(super) async fn resend(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.transfers.one_waits() => {}
                () = self.services.lifecycle.shutdown.cancelled() => return,
            }
            while self.transfers.some_wait() {
                tokio::time::sleep(RESEND_EVERY).await;
                self.tick(Instant::now());
            }
            self.transfers.shrink();
        }
    }

    /// Takes a datagram that came to a shared port. False for one that is of no transfer.
    pub(super) fn hear(
        self: &Arc<Self>,
        worker: &Worker,
        number: u16,
        from: SocketAddr,
        bytes: &[u8],
    ) -> bool {
        let Ok(packet @ (Packet::Ack { .. } | Packet::Error { .. })) = Packet::parse(bytes) else {
            return self.transfers.knows(from);
        };
        let bounds = || self.services.transfer_bounds();
        match self.transfers.hear(Instant::now(), (from, number), (&packet, bytes), bounds) {
            Heard::Taken => {}
            Heard::Promoted(promoted) => self.promote(worker, from, *promoted),
            Heard::Over(over) => self.over(*over),
            Heard::Deferred => self.services.recorder.count(Proto::Tftp.name(), DEFERRED),
            Heard::Evicted(evicted) => {
                if self.readmit(from, *evicted) {
                    return self.hear(worker, number, from, bytes);
                }
            }
            Heard::Full(waiting, request, full) => self.full(&waiting, from, &request, full),
            Heard::Unknown => return false,
        }
        true
    }

    /// A file was opened that every client gets: while there are many requests, the next ones need
    /// not open it.
    pub(super) fn remember(&self, path: &Arc<Requested>, content: &Content) {
        if content.is_for_everybody() && self.is_crowded() {
            self.facts.read(path, content, Instant::now());
        }
    }

    /// Whether so many transfers wait that most are in the names of others, or a building switches
    /// on: files that were looked at a moment ago are not looked at again, and those of unknown
    /// machines are counted without an event.
    fn is_crowded(&self) -> bool {
        self.services.limits.transfers.unproved() >= CROWD
    }

    fn facts_of(&self, path: &Arc<Requested>, received: Received, now: Instant) -> Option<Arc<Facts>> {
        if self.is_crowded()
            && let Some(facts) = self.facts.recent(path.raw(), now)
        {
            return Some(facts);
        }
        let caller =
            Caller { client: received.from.ip(), server: received.to, https: None, extent: Extent::Whole };
        let content = self.services.open_content_at_once(path, &caller)?;
        self.facts.read(path, &content, now)
    }

    /// A shared port that no other transfer of the client has, if one is easily found.
    fn free_port(
        self: &Arc<Self>,
        peer: SocketAddr,
        range: Option<&RangeInclusive<u16>>,
        bounds: &Bounds,
    ) -> Option<(SharedPort, Ports)> {
        for _ in 0..CHOICES {
            let port = self.shared_port(peer, range, bounds)?;
            if !self.transfers.speaks_to(peer, port.number) {
                return Some((port, Ports::Own));
            }
        }
        Some((self.shared_port(peer, range, bounds)?, Ports::One))
    }

    /// One of the shared ports. None where there are none, as on Windows.
    pub(super) fn shared_port(
        self: &Arc<Self>,
        peer: SocketAddr,
        range: Option<&RangeInclusive<u16>>,
        bounds: &Bounds,
    ) -> Option<SharedPort> {
        if cfg!(windows) {
            return None; // no two sockets share a port safely there
        }
        let most = how_many(bounds.unproved.map_or(bounds.all, |unproved| unproved.all));
        let ports = if peer.is_ipv4() { &self.v4 } else { &self.v6 };
        let worker = self.workers.next();
        let bind = |addr| {
            let _entered = worker.enter();
            Endpoint::bind_one(addr)
        };
        ports.choose(range, most, bind, |port, ending| {
            worker.beside(listen(Arc::clone(self), worker.clone(), port, ending));
        })
    }

    /// Sends an answer. One that finds no room is counted, and lost like any datagram: the client
    /// asks again.
    fn send(&self, port: &SharedPort, bytes: &[u8], to: SocketAddr, source: Source) {
        for _ in 0..ATTEMPTS {
            match port.endpoint.try_send(bytes, to, source) {
                Ok(()) => return,
                // Word of another datagram, which did not arrive.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => {
                    debug!(proto = %Proto::Tftp, peer = %to, %error, "sending failed");
                    return self.services.recorder.count(UNSENT, Unsent::from(error).name());
                }
            }
        }
    }

    fn tick(&self, now: Instant) {
        let crowded = self.is_crowded();
        let due = self.transfers.due(now, |waiting, from, request| {
            if self.is_worth_an_event(waiting, from, crowded) {
                let record = waiting.record.take();
                let mut record = record.unwrap_or_else(|| self.record(waiting, from, request));
                record.stalled(&waiting.sender);
                waiting.record = Some(record);
            }
        });
        for due in due {
            match due {
                Due::Resend { port, from, server, packet } => {
                    self.send(&port, &packet, from, Source { addr: server, ifindex: 0 });
                }
                Due::Over(over) => self.over(*over),
            }
        }
    }

    fn promote(self: &Arc<Self>, worker: &Worker, from: SocketAddr, promoted: Promoted) {
        let Promoted { number, request, mut waiting, inbox, step } = promoted;
        let record = waiting.record.take().unwrap_or_else(|| self.record(&waiting, from, &request));
        let requester = requester(&request, from);
        let Waiting { port, server, sender, facts, in_flight, .. } = waiting;
        let shared = || TransferSocket::shared(Arc::clone(&port.endpoint), server, from);
        let line = match port.number {
            SINGLE_PORT => shared(),
            // Where it cannot have a socket, the shared one does as well.
            number => {
                let _entered = worker.enter();
                TransferSocket::split(server, number, from).unwrap_or_else(|error| {
                    debug!(proto = %Proto::Tftp, peer = %from, %error, "no socket for a transfer");
                    shared()
                })
            }
        };
        let transfer = Transfer {
            services: Arc::clone(&self.services),
            line,
            inbox,
            server,
            path: Arc::clone(&facts.path),
            requester,
            admitted: Admitted { transfers: Arc::clone(&self.transfers), from, number },
            worker: worker.clone(),
            busy_poll: BusyPoll::default(),
            superseded: None,
            handshakes: Arc::clone(self),
            port: Some(port),
        };
        let begin = Begin { sender, step, record, facts, in_flight };
        let under_way = self.services.lifecycle.transfers.token();
        worker.run(async move {
            transfer.go_on(begin).await;
            drop(under_way);
        });
    }

    /// A transfer ended before it had a task.
    fn over(&self, over: Over) {
        let Over { from, request, mut waiting, outcome } = over;
        let crowded = self.is_crowded();
        let proved = waiting.sender.is_proved();
        if proved && matches!(outcome, Outcome::Completed { .. }) {
            self.services.snapshot.load().files.boots_again(from.ip());
        }
        // Where the port is closed that it came from, somebody else asked.
        let is_forged = !proved && matches!(outcome, Outcome::ClientGone);
        if is_forged || !proved && !self.is_worth_an_event(&waiting, from, crowded) {
            return self.services.recorder.count(Proto::Tftp.name(), record::named(outcome).name());
        }
        let record = waiting.record.take();
        let record = record.unwrap_or_else(|| self.record(&waiting, from, &request));
        record.finished(outcome, waiting.facts.len, &waiting.sender, None, None);
    }

    fn full(&self, waiting: &Waiting, from: SocketAddr, request: &[u8], full: Full) {
        let (code, message) = error_for(Refusal::from(full));
        let error = Packet::Error { code, message: message.as_bytes() };
        let source = Source { addr: waiting.server, ifindex: 0 };
        self.send(&waiting.port, &error.emit().unwrap_or_default(), from, source);
        let (path, requester) = (&waiting.facts.path, requester(request, from));
        record::refused(&self.services, requester, path.raw(), RequestError::PlacesTaken(full));
    }

    /// Machines that boot have one; so does anybody as long as few wait.
    fn is_worth_an_event(&self, waiting: &Waiting, from: SocketAddr, crowded: bool) -> bool {
        waiting.record.is_some() || !crowded || self.services.machines.mac_of(from.ip()).is_some()
    }

    fn record(&self, waiting: &Waiting, from: SocketAddr, request: &[u8]) -> Record {
        let Facts { ref path, len: size, ref program, ref configuration, .. } = *waiting.facts;
        let requester = requester(request, from);
        let header = Header { size, program: program.clone(), configuration: configuration.clone() };
        Record::new(&self.services, requester, path.raw(), header, waiting.sender.negotiated(), None)
    }
}

/// The sender of a request.
fn requester(request: &[u8], peer: SocketAddr) -> Requester {
    let probe =
        matches!(Packet::parse(request), Ok(Packet::ReadRequest(request)) if request.options.is_probe());
    Requester { peer, probe }
}

/// How exactly a lost answer is sent again; clients wait a quarter of a second at the least.
const RESEND_EVERY: Duration = Duration::from_millis(50);
/// Transfers that wait for a first acknowledgement at a time, of a site that boots one machine
/// after the other.
const CROWD: usize = 64;
/// Files of unknown machines that are looked for at a time, each by a thread.
const MAX_LOOKUPS: usize = 32;
/// Half of the tasks that may be about to end before the listener waits for them.
const MAX_WORDS: usize = MAX_ENDING / 2;
/// How often another port is looked for; all of a short range may be in use.
const CHOICES: usize = 8;
/// Each attempt to send takes one report of another datagram from the socket.
const ATTEMPTS: usize = 3;
