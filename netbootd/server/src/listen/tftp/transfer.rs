//! One transfer: the machine of the `tftp` crate, fed by a socket and a file.

use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use netbootd_content::{Caller, Extent, Refused};
use netbootd_net::udp::{Incoming, Received, path_mtu};
use netbootd_telemetry::event::{Proto, Refusal};
use tftp::{
    ErrorCode, Input, Limits, Mode, Negotiated, Outcome, Packet, RequestOptions, Send, Sender, Step,
    negotiate,
};
use tokio::sync::mpsc;
use tokio::time::Sleep;

use super::eager::{Eagerness, LOOK};
use super::held::Held;
use super::lanes::Lane;
use super::line::Line;
use super::record::{self, Record};
use super::{Admitted, Mail, error_for, shown, text};
use crate::limits::budget::Share;
use crate::limits::places::Full;
use crate::services::Services;

/// One transfer that was accepted but not begun.
#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) services: Arc<Services>,
    pub(super) line: Line,
    pub(super) inbox: mpsc::Receiver<Mail>,
    pub(super) server: IpAddr,
    pub(super) filename: Vec<u8>,
    pub(super) mode: Mode,
    pub(super) options: RequestOptions,
    pub(super) admitted: Admitted,
    pub(super) lane: Lane,
    pub(super) eagerness: Eagerness,
    /// Once its client went on to something else: how many datagrams that it sent before may still be taken.
    pub(super) superseded: Option<usize>,
}

/// What woke a transfer.
enum Heard {
    Datagram(usize),
    Mailed(Vec<u8>),
    Unreachable,
    Tick,
    Stop,
    Evicted,
}

/// What a transfer under way has beside its line.
struct Running {
    sender: Sender,
    file: Held,
    inbound: [u8; MAX_INBOUND],
    detail: Option<String>,
    /// Whether it was told that the client is there.
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
    /// Runs it to its end. Dropping the future frees the port without a word to the client.
    pub(super) async fn run(mut self) {
        let peer = self.line.peer();
        let (file, _translated) = match self.open().await {
            Ok(opened) => opened,
            Err(refused) => {
                let (code, message) = error_for(refused.refusal);
                // The client asks again if this is lost.
                self.send_error(code, message, peer).await;
                return record::refused(&self.services, peer, &self.filename, refused);
            }
        };
        let size = file.len();
        let (negotiated, _in_flight) = self.negotiate(size);
        let services = Arc::clone(&self.services);
        let record = Record::new(services, peer, &self.filename, (size, file.content()), &negotiated);
        let (sender, first) = Sender::new(negotiated, size, Instant::now());
        let running = Running { sender, file, inbound: [0; MAX_INBOUND], detail: None, proved: false };
        match self.drive(running, first, record).await {
            Ok(()) => {}
            // Somebody else may have asked in the client's name: no word to it. Evicted ones are counted where they are.
            Err(Left::Evicted | Left::Full(Full::Unproved)) => {}
            Err(Left::Full(full)) => {
                let refusal = Refusal::from(full);
                let (code, message) = error_for(refusal);
                self.send_error(code, message, peer).await;
                let detail = "its places were taken while it began".to_owned();
                record::refused(&self.services, peer, &self.filename, Refused { refusal, detail });
            }
        }
    }

    async fn drive(&mut self, mut running: Running, first: Step, mut record: Record) -> Result<(), Left> {
        // One timer for all of it: setting it anew for each acknowledgement would cost more than the acknowledgement.
        let timer = tokio::time::sleep_until(Instant::now().into());
        tokio::pin!(timer);
        let mut step = first;
        let outcome = loop {
            if let Some(failure) = self.perform(&mut running, step).await {
                running.detail = Some(failure);
                running.file.suspect(&self.services);
                step = running.sender.handle(Instant::now(), Input::ReadFailed);
                continue;
            }
            if let Some(outcome) = step.finish {
                break outcome;
            }
            step = self.next(&mut running, timer.as_mut(), &mut record).await?;
        };
        // Boot programs come by TFTP, and no system that runs fetches one. A request alone proves nothing: anybody can write another's
        // address into it.
        if matches!(outcome, Outcome::Completed { .. }) && running.sender.is_proved() {
            self.services.snapshot.load().files.boots_again(self.line.peer().ip());
        }
        record.finished(outcome, running.file.len(), &running.sender, running.detail);
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
                        *detail = Some(shown(message));
                    }
                    sender.handle(now, Input::Packet(&packet))
                }
                (_, Err(_)) => continue,
            };
            if !*proved && sender.is_proved() {
                *proved = true;
                match self.admitted.proved(&self.services.transfer_bounds()) {
                    // Its client has gone on to another request, whose place it is now: what it sent before still counts.
                    Err(Full::Unproved) if !self.is_evicted() => {}
                    proved => proved.map_err(Left::Full)?,
                }
                record.started();
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

    /// Whether newer requests have taken its place.
    fn is_evicted(&mut self) -> bool {
        while let Ok(mail) = self.inbox.try_recv() {
            match mail {
                Mail::Evicted => return true,
                Mail::Superseded => self.superseded = Some(MAX_LAST),
                Mail::Datagram(_) | Mail::Unreachable => {}
            }
        }
        false
    }

    async fn hear(&mut self, sender: &Sender, buf: &mut [u8], mut timer: Pin<&mut Sleep>) -> Heard {
        let deadline = sender.deadline().unwrap_or_else(Instant::now);
        // A timer that is early is set right when it rings: that is once in many acknowledgements.
        if timer.is_elapsed() || deadline < timer.deadline().into_std() {
            timer.as_mut().reset(deadline.into());
        }
        loop {
            let looked = self.look(buf).await;
            if self.superseded.is_some() && looked.is_none() {
                return Heard::Unreachable;
            }
            let socket = async {
                match (looked, self.line.own_socket()) {
                    (Some(received), _) => Ok(Incoming::Datagram(received)),
                    (None, Some(endpoint)) => endpoint.recv(buf).await,
                    (None, None) => pending().await,
                }
            };
            let heard = tokio::select! {
                biased;
                heard = socket => heard,
                mail = self.inbox.recv() => match mail {
                    Some(Mail::Datagram(bytes)) => return Heard::Mailed(bytes),
                    Some(Mail::Unreachable) => return Heard::Unreachable,
                    Some(Mail::Superseded) => {
                        self.superseded = Some(MAX_LAST);
                        continue;
                    }
                    Some(Mail::Evicted) => return Heard::Evicted,
                    None => return Heard::Stop,
                },
                () = timer.as_mut() => {
                    if Instant::now() >= deadline {
                        return Heard::Tick;
                    }
                    timer.as_mut().reset(deadline.into());
                    continue;
                }
            };
            match heard {
                Ok(Incoming::Datagram(received)) if received.from == self.line.peer() => {
                    return Heard::Datagram(received.len);
                }
                Ok(Incoming::Datagram(received)) => {
                    // RFC 1350 §4: a stranger is told so, and the transfer goes on. An error is never answered.
                    let is_error = matches!(Packet::parse(&buf[..received.len]), Ok(Packet::Error { .. }));
                    let stranger = received.from;
                    if !is_error && self.services.leaves_client_alone(Proto::Tftp, stranger).is_none() {
                        let words = "this port serves another transfer";
                        self.send_error(ErrorCode::UNKNOWN_TRANSFER, words, received.from).await;
                    }
                }
                Ok(Incoming::Unreachable(peer)) if peer == self.line.peer() => return Heard::Unreachable,
                Ok(Incoming::Unreachable(_)) => {}
                // The deadline mends what one failed reception means.
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }

    /// What has come by now, or comes at once, as long as nobody else needs the thread.
    async fn look(&mut self, buf: &mut [u8]) -> Option<Received> {
        let socket = self.line.own_socket()?;
        if let Some(left) = &mut self.superseded {
            *left = left.checked_sub(1)?;
            return socket.look(buf, Duration::ZERO).filter(|received| received.from == self.line.peer());
        }
        let mail = !self.inbox.is_empty() || self.inbox.is_closed();
        if mail || !self.lane.has_one() || !self.eagerness.looks() {
            return None;
        }
        // Whoever always finds something would never let anything else run.
        tokio::task::consume_budget().await;
        let found = socket.look(buf, LOOK);
        self.eagerness.looked(found.is_some_and(|received| received.from == self.line.peer()));
        found
    }

    /// Does what the machine says. Some text means that the file could not be read.
    async fn perform(&self, running: &mut Running, step: Step) -> Option<String> {
        let Running { sender, file, proved, .. } = running;
        match step.send? {
            Send::OptionAck => {
                self.line.send(&sender.negotiated().option_ack().unwrap_or_default()).await;
            }
            Send::Blocks { first, count } => {
                let opened = file.opened(&self.services, &self.filename, self.caller(), *proved).await;
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

    async fn send_error(&self, code: ErrorCode, message: &str, to: SocketAddr) {
        let error = Packet::Error { code, message: message.as_bytes() };
        self.line.send_to(&error.emit().unwrap_or_default(), to).await;
    }

    fn caller(&self) -> Caller {
        Caller { client: self.line.peer().ip(), server: self.server, extent: Extent::Whole }
    }

    /// The file; with it, the memory that it takes when it is translated.
    async fn open(&self) -> Result<(Held, Option<Share>), Refused> {
        let services = Arc::clone(&self.services);
        let (filename, mode) = (self.filename.clone(), self.mode);
        let caller = self.caller();
        if mode == Mode::Octet
            && let Some(content) = services.open_content_at_once(&filename, caller)
        {
            return Ok((Held::at_once(content), None));
        }
        let opened = tokio::task::spawn_blocking(move || {
            let content = services.open_content(&filename, caller)?;
            match mode {
                Mode::Octet => Ok((Held::kept(content), None)),
                Mode::Netascii => {
                    let (content, share) = text::translated(&content, &services.limits.translated)?;
                    Ok((Held::kept(content), share))
                }
            }
        });
        let failed = |detail| Refused { refusal: Refusal::Failed, detail };
        opened.await.unwrap_or_else(|error| Err(failed(error.to_string())))
    }

    /// What holds for the transfer. Its windows are smaller while others have much under way; the share goes back with the transfer.
    fn negotiate(&self, size: u64) -> (Negotiated, Share) {
        let limits = self.limits();
        let negotiated = negotiate(&self.options, &limits, size);
        let all = self.services.snapshot.load().config.limits.bytes_in_flight;
        let (wanted, least) = (negotiated.in_flight(size), u64::from(negotiated.block_size).min(size));
        let share = self.services.limits.in_flight.take(wanted, least, all);
        if share.bytes() == wanted {
            return (negotiated, share);
        }
        let limits = limits.with_windows_of(share.bytes(), negotiated.block_size);
        (negotiate(&self.options, &limits, size), share)
    }

    fn limits(&self) -> Limits {
        let snapshot = self.services.snapshot.load();
        let tftp = &snapshot.config.tftp;
        let peer = self.line.peer();
        let mut limits = tftp.limits;
        if tftp.clamp_to_mtu
            && self.options.asks_for_blocks_over(tftp::DEFAULT_BLOCK_SIZE)
            && let Some(mtu) = path_mtu(peer)
        {
            limits.max_block_size =
                limits.max_block_size.min(mtu.saturating_sub(headers(peer))).max(tftp::MIN_BLOCK_SIZE);
        }
        if self.services.is_netbooting_mac(peer.ip()) {
            limits.max_block_size = limits.max_block_size.min(snapshot.config.netboot.max_block_size);
        }
        limits
    }
}

/// IP, UDP and TFTP headers: a block this much smaller than the MTU is not fragmented.
fn headers(peer: SocketAddr) -> u16 {
    if peer.is_ipv4() { 32 } else { 52 }
}

/// Clients send acknowledgements and errors, which are short.
const MAX_INBOUND: usize = 128;
/// Of a client that has gone on: its last acknowledgement, and what was doubled on the way.
const MAX_LAST: usize = 16;
