//! One transfer: the machine of the `tftp` crate, fed by a socket and a file.

mod hearing;

use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use netbootd_content::{Caller, Content, Extent, Requested};
use netbootd_net::udp::{Incoming, Received};
use netbootd_telemetry::event::{Proto, Refusal, SharedError, TransferDetail};
use tftp::{ErrorCode, Input, Mode, Outcome, Packet, RequestOptions, Send, Sender, Step};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Sleep;

use super::super::request_error::RequestError;
use super::super::requester::Requester;
use super::busy_poll::{BusyPoll, LOOK};
use super::facts::Facts;
use super::handshake::Handshakes;
use super::held::Held;
use super::negotiation::negotiated;
use super::ports::SharedPort;
use super::record::{self, Header, Record};
use super::refusals::{DEFERRED, error_for, shown};
use super::text;
use super::transfer_socket::TransferSocket;
use super::transfers::{Admitted, Mail};
use super::window::Unreadable;
use super::workers::Worker;
use crate::limits::budget::Share;
use crate::limits::session_limits::Full;
use crate::services::Services;

/// One transfer that was accepted.
#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) services: Arc<Services>,
    pub(super) line: TransferSocket,
    pub(super) inbox: mpsc::Receiver<Mail>,
    pub(super) server: IpAddr,
    pub(super) path: Arc<Requested>,
    pub(super) requester: Requester,
    pub(super) admitted: Admitted,
    pub(super) worker: Worker,
    pub(super) busy_poll: BusyPoll,
    /// Once its client went on to something else: how many datagrams that it sent before may still
    /// be taken.
    pub(super) superseded: Option<usize>,
    pub(super) handshakes: Arc<Handshakes>,
    /// The port that it shares with others. Its client's datagrams from before its own socket was
    /// connected came there.
    pub(super) port: Option<SharedPort>,
}

/// How a transfer goes on whose client has acknowledged the first answer.
#[derive(Debug)]
pub(super) struct Begin {
    pub(super) sender: Sender,
    /// The transfer's step after the acknowledgement.
    pub(super) step: Step,
    pub(super) record: Record,
    pub(super) facts: Arc<Facts>,
    pub(super) in_flight: Share,
}

/// The event that woke a transfer.
enum Heard {
    Datagram(usize),
    Mailed(Vec<u8>),
    Unreachable,
    Tick,
    Stop,
    Evicted,
}

/// The state of a transfer under way, beside its socket.
struct Running {
    sender: Sender,
    file: Held,
    inbound: [u8; MAX_INBOUND],
    detail: Option<TransferDetail>,
    /// Whether the event that the client is there has left.
    proved: bool,
}

/// Why a transfer ends without an outcome.
enum Left {
    /// Newer requests need its place, and nobody has acknowledged anything.
    Evicted,
    /// All places of clients that have acknowledged something are taken.
    Full(Full),
}

impl Transfer {
    /// Runs it to its end from the first acknowledgement on. Dropping the future frees the port
    /// without a word to the client.
    pub(super) async fn go_on(mut self, begin: Begin) {
        let Begin { sender, step, mut record, facts, in_flight: _in_flight } = begin;
        record.started(true);
        let file = Held::closed(facts.len, facts.etag.clone());
        let running = Running { sender, file, inbound: [0; MAX_INBOUND], detail: None, proved: true };
        // Its place is its own by now.
        let _ = self.drive(running, step, record).await;
    }

    /// Runs it to its end from the request on.
    pub(super) async fn run(mut self, mode: Mode, options: RequestOptions) {
        let peer = self.line.peer();
        let opened = match self.open_at_once(mode) {
            Some(content) => Ok((Held::at_once(content), None)),
            None => {
                let Ok(turn) = self.turn().await else { return };
                let opened = self.open(mode).await;
                drop(turn);
                opened
            }
        };
        let (file, _translated) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let (code, message) = error_for(error.refusal());
                // The client asks again if this is lost.
                self.send_error(code, message, peer).await;
                record::refused(&self.services, self.requester, self.path.raw(), error);
                return self.listen_for_word(peer).await;
            }
        };
        let size = file.len();
        let (negotiated, _in_flight) = negotiated(&self.services, &options, peer, size);
        let instead = file.content().and_then(Content::served_instead);
        let name = instead.map_or_else(|| shown(self.path.raw()), |(path, _)| path.to_owned());
        let program = file.content().and_then(|content| content.program(&name));
        let configuration = file.content().and_then(|content| content.configuration(&name));
        let about = Header { size, program, configuration };
        let record =
            Record::new(&self.services, self.requester, self.path.raw(), about, &negotiated, instead);
        let (sender, first) = Sender::new(negotiated, size, Instant::now());
        let running = Running { sender, file, inbound: [0; MAX_INBOUND], detail: None, proved: false };
        match self.drive(running, first, record).await {
            Ok(()) => {}
            // Somebody else may have asked in the client's name: no word to it. Evicted ones are
            // counted where they are.
            Err(Left::Evicted | Left::Full(Full::Unproved)) => {}
            Err(Left::Full(full)) => {
                let (code, message) = error_for(Refusal::from(full));
                self.send_error(code, message, peer).await;
                let error = RequestError::PlacesTaken(full);
                record::refused(&self.services, self.requester, self.path.raw(), error);
            }
        }
    }

    async fn drive(&mut self, mut running: Running, first: Step, mut record: Record) -> Result<(), Left> {
        // One timer for all of it: setting it anew for each acknowledgement would cost more than
        // the acknowledgement.
        let timer = tokio::time::sleep_until(Instant::now().into());
        tokio::pin!(timer);
        let mut step = first;
        let outcome = loop {
            if let Some(failure) = self.perform(&mut running, step).await {
                running.detail = Some(TransferDetail::Unreadable(SharedError::new(failure)));
                running.file.suspect(&self.services);
                step = running.sender.handle(Instant::now(), Input::ReadFailed);
                continue;
            }
            if let Some(outcome) = step.finish {
                break outcome;
            }
            step = self.next(&mut running, timer.as_mut(), &mut record).await?;
        };
        // Boot programs come by TFTP, and no system that runs fetches one. A request alone proves
        // nothing: anybody can write another's address into it.
        if matches!(outcome, Outcome::Completed { .. }) && running.sender.is_proved() {
            self.services.snapshot.load().files.boots_again(self.line.peer().ip());
        }
        // A file from another server is whole by now.
        let late = running.file.content().filter(|content| content.may_wait() && !record.knows_program());
        let program = late.and_then(|content| content.program(&shown(self.path.raw())));
        record.finished(outcome, running.file.len(), &running.sender, running.detail, program);
        Ok(())
    }

    /// Waits for the next input that leads to something.
    async fn next(
        &mut self,
        running: &mut Running,
        mut timer: Pin<&mut Sleep>,
        record: &mut Record,
    ) -> Result<Step, Left> {
        loop {
            let Running { sender, inbound, detail, proved, .. } = &mut *running;
            let heard = self.hear(sender, inbound, timer.as_mut()).await;
            let now = Instant::now();
            let unacknowledged = (!*proved).then(|| sender.clone());
            let bytes: &[u8] = match &heard {
                Heard::Datagram(len) => &inbound[..*len],
                Heard::Mailed(bytes) => bytes,
                Heard::Tick => b"",
                Heard::Unreachable => return Ok(sender.handle(now, Input::Unreachable)),
                Heard::Stop => return Ok(sender.handle(now, Input::Stop)),
                Heard::Evicted => return Err(Left::Evicted),
            };
            let step = match (&heard, Packet::parse(bytes)) {
                (Heard::Tick, _) => sender.handle(now, Input::Tick),
                (_, Ok(packet)) => {
                    if let Packet::Error { message, .. } = &packet {
                        *detail = Some(TransferDetail::ClientMessage(shown(message)));
                    }
                    sender.handle(now, Input::Packet(&packet))
                }
                (_, Err(_)) => continue,
            };
            if !*proved && sender.is_proved() {
                *proved = true;
                match self.admitted.proved(&self.services.transfer_bounds()) {
                    // Its client has gone on to another request, whose place it is now: what it
                    // sent before still counts.
                    Err(Full::Unproved) if !self.is_evicted() => {}
                    // It waits for a place: what was sent is sent again, and acknowledged again.
                    Err(Full::All) => {
                        self.services.recorder.count(Proto::Tftp.name(), DEFERRED);
                        *proved = false;
                        *sender = unacknowledged.unwrap_or_else(|| sender.clone());
                        continue;
                    }
                    proved => proved.map_err(Left::Full)?,
                }
                record.started(true);
            }
            if matches!(heard, Heard::Tick) && step.finish.is_none() && step != Step::default() {
                record.stalled(sender);
            } else if step.finish.is_none() {
                record.progress(now, sender.acknowledged_bytes());
            }
            if step != Step::default() {
                return Ok(step);
            }
        }
    }

    /// Does what the machine says, unless the file cannot be read.
    async fn perform(&self, running: &mut Running, step: Step) -> Option<Unreadable> {
        let Running { sender, file, proved, .. } = running;
        match step.send? {
            Send::OptionAck => {
                self.line.send(&sender.negotiated().option_ack().unwrap_or_default()).await;
            }
            Send::Blocks { first, count } => {
                let opened = file.opened(&self.services, &self.path, self.caller(), *proved).await;
                let sent = match opened {
                    Ok((content, window)) => window.send(&self.line, sender, content, first, count).await,
                    Err(failure) => Err(failure),
                };
                if let Err(failure) = sent {
                    return Some(failure);
                }
            }
            Send::Error { code, message } => self.send_error(code, message, self.line.peer()).await,
        }
        if !*proved {
            file.let_go();
        }
        None
    }

    /// A client still listens where it asked from. Whose port is closed there did not ask.
    async fn listen_for_word(self, peer: SocketAddr) {
        let Transfer { services, line, path, admitted, requester, handshakes, .. } = self;
        drop(admitted); // it may ask for the next file meanwhile
        let Some(socket) = line.own_socket() else { return };
        // A flood of names that are not there holds no more sockets than this, nor the listener
        // back.
        let Some(_one_of_few) = handshakes.listens_for_word() else { return };
        let mut buf = [0; MAX_INBOUND];
        let word = async {
            loop {
                match socket.recv(&mut buf).await {
                    Ok(Incoming::Unreachable(from)) if from == peer => return,
                    Ok(_) => {}
                    Err(_) => pending().await,
                }
            }
        };
        tokio::select! {
            () = word => record::disproved(&services, requester, path.raw()),
            () = tokio::time::sleep(WORD_COMES_WITHIN) => {}
            () = services.lifecycle.shutdown.cancelled() => {}
        }
    }

    async fn send_error(&self, code: ErrorCode, message: &str, to: SocketAddr) {
        let error = Packet::Error { code, message: message.as_bytes() };
        self.line.send_to(&error.emit().unwrap_or_default(), to).await;
    }

    fn caller(&self) -> Caller {
        Caller { client: self.line.peer().ip(), server: self.server, https: None, extent: Extent::Whole }
    }

    /// The file, when it can be opened without waiting for a disk.
    fn open_at_once(&self, mode: Mode) -> Option<Content> {
        let at_once = || self.services.open_content_at_once(&self.path, &self.caller());
        (mode == Mode::Octet).then(at_once).flatten()
    }

    /// Waits until few others look for files of unknown machines: a flood of names that have to be
    /// looked for takes no more threads. Machines that boot do not wait.
    async fn turn(&mut self) -> Result<Option<OwnedSemaphorePermit>, Left> {
        if self.services.machines.mac_of(self.line.peer().ip()).is_some() {
            return Ok(None);
        }
        loop {
            tokio::select! {
                biased;
                turn = self.handshakes.turn() => return Ok(turn),
                mail = self.inbox.recv() => match mail {
                    Some(Mail::Evicted) | None => return Err(Left::Evicted),
                    Some(Mail::Superseded) => self.superseded = Some(MAX_LAST),
                    Some(Mail::Datagram(_) | Mail::Unreachable) => {}
                },
            }
        }
    }

    /// The file; with it, the memory that it takes when it is translated.
    async fn open(&self, mode: Mode) -> Result<(Held, Option<Share>), RequestError> {
        let services = Arc::clone(&self.services);
        let path = Arc::clone(&self.path);
        let caller = self.caller();
        let handshakes = Arc::clone(&self.handshakes);
        let opened = tokio::task::spawn_blocking(move || {
            let content = services.open_content(&path, &caller)?;
            handshakes.remember(&path, &content);
            match mode {
                Mode::Octet => Ok((Held::kept(content), None)),
                Mode::Netascii => {
                    let (content, share) = text::translated(&content, &services.limits.translated)?;
                    Ok((Held::kept(content), share))
                }
            }
        });
        opened.await?
    }
}

/// Clients send acknowledgements and errors, which are short.
const MAX_INBOUND: usize = 128;
/// A host says at once that a port is closed.
const WORD_COMES_WITHIN: Duration = Duration::from_millis(250);
/// Of a client that has gone on: its last acknowledgement, and what was doubled on the way.
const MAX_LAST: usize = 16;
