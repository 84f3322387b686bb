//! One transfer: the machine of the `tftp` crate, fed by a socket and a file.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tftp::{ErrorCode, Input, Limits, Mode, Outcome, Packet, RequestOptions, Send, Sender, Step, negotiate};
use tokio::sync::mpsc;

use super::{Mail, error_for, shown, text};
use crate::content::{Caller, Content, Extent, Refused};
use crate::event::{
    Event, FileRefused, Proto, Refusal, TransferFinished, TransferId, TransferOutcome, TransferStarted,
};
use crate::net::udp::{Endpoint, Incoming, MAX_SEGMENTED_BYTES, MAX_SEGMENTS, Source, path_mtu};
use crate::services::Services;

/// One transfer that was accepted but not begun.
#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) services: Arc<Services>,
    pub(super) line: Line,
    pub(super) inbox: mpsc::Receiver<Mail>,
    pub(super) peer: SocketAddrV4,
    pub(super) server: Ipv4Addr,
    pub(super) filename: Vec<u8>,
    pub(super) mode: Mode,
    pub(super) options: RequestOptions,
}

/// The socket that a transfer speaks through.
#[derive(Debug)]
pub(super) enum Line {
    /// A port of its own, as RFC 1350 §4 wants it.
    Own { endpoint: Endpoint, source: Source },
    /// The port that the request came to.
    Shared { endpoint: Arc<Endpoint>, source: Source },
}

impl Line {
    /// Binds a port on the address that the request was sent to: any, or a free one of a range.
    pub(super) fn own(local: Ipv4Addr, ports: Option<RangeInclusive<u16>>) -> io::Result<Self> {
        let source = Source { addr: local, ifindex: 0 };
        let bind = |port| Endpoint::bind(SocketAddrV4::new(local, port), None);
        let Some(ports) = ports else { return Ok(Line::Own { endpoint: bind(0)?, source }) };
        for port in ports {
            match bind(port) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                other => return Ok(Line::Own { endpoint: other?, source }),
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "every port of port-range is in use"))
    }

    fn parts(&self) -> (&Endpoint, Source) {
        match self {
            Line::Own { endpoint, source } => (endpoint, *source),
            Line::Shared { endpoint, source } => (endpoint, *source),
        }
    }
}

/// What woke a transfer.
enum Heard {
    Datagram(usize),
    Mailed(Vec<u8>),
    Unreachable,
    Tick,
    Stop,
}

impl Transfer {
    /// Runs it to its end. Dropping the future frees the port without a word to the client.
    pub(super) async fn run(mut self) {
        let content = match self.open().await {
            Ok(content) => content,
            Err(refused) => return self.refuse(refused).await,
        };
        let limits = self.limits();
        let negotiated = negotiate(&self.options, &limits, content.len());
        let id = self.services.recorder.transfer_id();
        self.started(id, &content, &negotiated);
        let (mut sender, first) = Sender::new(negotiated, content.len(), Instant::now());
        let mut progress = Progress::new(id);
        let mut window = Window::new();
        let mut detail = None;
        let mut step = first;
        let outcome = loop {
            if let Some(failure) = self.perform(&sender, &content, step, &mut window).await {
                detail = Some(failure);
                step = sender.handle(Instant::now(), Input::ReadFailed);
                continue;
            }
            if let Some(outcome) = step.finish {
                break outcome;
            }
            progress.report(&self.services, sender.acknowledged_bytes());
            step = self.next(&mut sender, &mut window.inbound, &mut detail).await;
        };
        let bytes = match outcome {
            Outcome::Completed { .. } => content.len(),
            _ => progress.bytes,
        };
        self.finished(id, outcome, bytes, &sender, detail);
    }

    /// Waits for the next input that leads to something.
    async fn next(&mut self, sender: &mut Sender, buf: &mut [u8], detail: &mut Option<String>) -> Step {
        loop {
            let heard = self.hear(sender, buf).await;
            let now = Instant::now();
            let bytes: &[u8] = match &heard {
                Heard::Datagram(len) => &buf[..*len],
                Heard::Mailed(bytes) => bytes,
                Heard::Tick => b"",
                Heard::Unreachable => return sender.handle(now, Input::Unreachable),
                Heard::Stop => return sender.handle(now, Input::Stop),
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
            if step != Step::default() {
                return step;
            }
        }
    }

    async fn hear(&mut self, sender: &Sender, buf: &mut [u8]) -> Heard {
        let deadline = sender.deadline().unwrap_or_else(Instant::now);
        let own = matches!(self.line, Line::Own { .. });
        loop {
            let (endpoint, source) = self.line.parts();
            let heard = tokio::select! {
                heard = endpoint.recv(buf), if own => heard,
                mail = self.inbox.recv() => return match mail {
                    Some(Mail::Datagram(bytes)) => Heard::Mailed(bytes),
                    Some(Mail::Unreachable | Mail::Superseded) => Heard::Unreachable,
                    None => Heard::Stop,
                },
                () = tokio::time::sleep_until(deadline.into()) => return Heard::Tick,
                () = self.services.shutdown.cancelled() => return Heard::Stop,
            };
            match heard {
                Ok(Incoming::Datagram(received)) if received.from == self.peer => {
                    return Heard::Datagram(received.len);
                }
                Ok(Incoming::Datagram(received)) => {
                    // RFC 1350 §4: a stranger is told so, and the transfer goes on. An error is never answered.
                    let stranger = Packet::parse(&buf[..received.len]);
                    if !matches!(stranger, Ok(Packet::Error { .. })) {
                        let message = b"this port serves another transfer";
                        let error = Packet::Error { code: ErrorCode::UNKNOWN_TRANSFER, message };
                        let bytes = error.emit().unwrap_or_default();
                        // A stranger that cannot be told is no matter for this transfer.
                        let _ = endpoint.send(&bytes, received.from, source).await;
                    }
                }
                Ok(Incoming::Unreachable(peer)) if peer == self.peer => return Heard::Unreachable,
                Ok(Incoming::Unreachable(_)) => {}
                // The deadline mends what one failed reception means.
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }

    /// Does what the machine says. Some text means that the file could not be read.
    async fn perform(
        &self,
        sender: &Sender,
        content: &Content,
        step: Step,
        window: &mut Window,
    ) -> Option<String> {
        let (endpoint, source) = self.line.parts();
        match step.send? {
            Send::OptionAck => {
                let bytes = sender.negotiated().option_ack().unwrap_or_default();
                // A datagram that could not leave is lost like any other; the timer sends it again.
                let _ = endpoint.send(&bytes, self.peer, source).await;
            }
            Send::Blocks { first, count } => {
                return window.send(endpoint, self.peer, source, sender, content, first, count).await.err();
            }
            Send::Error { code, message } => {
                let error = Packet::Error { code, message: message.as_bytes() };
                let _ = endpoint.send(&error.emit().unwrap_or_default(), self.peer, source).await;
            }
        }
        None
    }

    async fn open(&self) -> Result<Content, Refused> {
        let services = Arc::clone(&self.services);
        let (filename, mode) = (self.filename.clone(), self.mode);
        let caller = Caller { client: *self.peer.ip(), server: self.server, extent: Extent::Whole };
        let opened = tokio::task::spawn_blocking(move || {
            // Boot programs come by TFTP, and no system that runs asks for one.
            services.snapshot.load().files.begins_anew(caller.client);
            let content = Content::open(&services, &filename, caller)?;
            if mode == Mode::Netascii { text::translated(&content) } else { Ok(content) }
        });
        opened.await.unwrap_or_else(|error| Err(failed(error.to_string())))
    }

    fn limits(&self) -> Limits {
        let snapshot = self.services.snapshot.load();
        let tftp = &snapshot.config.tftp;
        let mut limits = tftp.limits;
        if tftp.clamp_to_mtu
            && let Some(mtu) = path_mtu(self.peer)
        {
            limits.max_block_size =
                limits.max_block_size.min(mtu.saturating_sub(HEADERS)).max(tftp::MIN_BLOCK_SIZE);
        }
        if self.services.is_netbooting_mac(*self.peer.ip()) {
            limits.max_block_size = limits.max_block_size.min(snapshot.config.netboot.max_block_size);
        }
        limits
    }

    async fn refuse(&self, refused: Refused) {
        let (code, message) = error_for(refused.refusal);
        let (endpoint, source) = self.line.parts();
        let error = Packet::Error { code, message: message.as_bytes() };
        // The client asks again if this is lost.
        let _ = endpoint.send(&error.emit().unwrap_or_default(), self.peer, source).await;
        self.services.recorder.record(Event::FileRefused(FileRefused {
            proto: Proto::Tftp,
            peer: SocketAddr::V4(self.peer),
            mac: self.services.machines.mac_of(*self.peer.ip()),
            path: shown(&self.filename),
            refusal: refused.refusal,
            detail: Some(refused.detail),
        }));
    }

    fn started(&self, id: TransferId, content: &Content, negotiated: &tftp::Negotiated) {
        let granted = negotiated.granted.iter().map(|(name, value)| format!("{name}={value}"));
        self.services.recorder.record(Event::TransferStarted(TransferStarted {
            id,
            proto: Proto::Tftp,
            peer: SocketAddr::V4(self.peer),
            mac: self.services.machines.mac_of(*self.peer.ip()),
            path: shown(&self.filename),
            size: Some(content.len()),
            partial: false,
            negotiated: granted.collect::<Vec<_>>().join(" "),
        }));
    }

    fn finished(
        &self,
        id: TransferId,
        outcome: Outcome,
        bytes: u64,
        sender: &Sender,
        detail: Option<String>,
    ) {
        let block_size = u64::from(sender.negotiated().block_size);
        self.services.recorder.record(Event::TransferFinished(TransferFinished {
            id,
            proto: Proto::Tftp,
            peer: SocketAddr::V4(self.peer),
            mac: self.services.machines.mac_of(*self.peer.ip()),
            path: shown(&self.filename),
            partial: false,
            outcome: match outcome {
                Outcome::Completed { .. } => TransferOutcome::Completed,
                Outcome::Probed => TransferOutcome::Probed,
                Outcome::Aborted { .. } => TransferOutcome::Aborted,
                Outcome::ClientGone => TransferOutcome::ClientGone,
                Outcome::TimedOut => TransferOutcome::TimedOut,
                Outcome::ReadFailed => TransferOutcome::ReadFailed,
                Outcome::Stopped => TransferOutcome::Stopped,
            },
            bytes,
            blocks: bytes.div_ceil(block_size),
            resends: sender.resends(),
            elapsed: sender.elapsed(Instant::now()),
            detail,
        }));
    }
}

/// Buffers for one window's datagrams in a row, and for one datagram of the client.
struct Window {
    outbound: Vec<u8>,
    inbound: [u8; 600],
    segmented: bool,
}

impl Window {
    fn new() -> Self {
        Window { outbound: Vec::new(), inbound: [0; 600], segmented: true }
    }

    /// Reads blocks and sends them, as many as possible in one system call. The text of an error is a read error's.
    #[allow(clippy::too_many_arguments)] // all of them are borrowed from the transfer
    async fn send(
        &mut self,
        endpoint: &Endpoint,
        peer: SocketAddrV4,
        source: Source,
        sender: &Sender,
        content: &Content,
        first: u64,
        count: u16,
    ) -> Result<(), String> {
        let segment = usize::from(sender.negotiated().block_size) + 4;
        let at_once = (MAX_SEGMENTED_BYTES / segment).clamp(1, MAX_SEGMENTS) as u64;
        let end = first + u64::from(count);
        let mut next = first;
        while next < end {
            let blocks = next..(next + at_once).min(end);
            self.outbound.clear();
            for block in blocks.clone() {
                let (offset, length) = sender.offset_of(block);
                let header = self.outbound.len();
                self.outbound.extend(Packet::data_header(block as u16));
                self.outbound.resize(header + 4 + usize::from(length), 0);
                let payload = &mut self.outbound[header + 4..];
                read(content, offset, payload)?;
            }
            self.transmit(endpoint, peer, source, segment).await;
            next = blocks.end;
        }
        Ok(())
    }

    /// A datagram that could not leave is lost like any other.
    async fn transmit(&mut self, endpoint: &Endpoint, peer: SocketAddrV4, source: Source, segment: usize) {
        let segment_size = u16::try_from(segment).ok().filter(|_| self.outbound.len() > segment);
        if let Some(size) = segment_size.filter(|_| self.segmented) {
            match endpoint.send_segments(&self.outbound, Some(size), peer, source).await {
                Ok(()) => return,
                // No checksum offload on the way out, a tunnel, blocks larger than the MTU: one by one from now on.
                Err(_) => self.segmented = false,
            }
        }
        for datagram in self.outbound.chunks(segment) {
            let _ = endpoint.send(datagram, peer, source).await;
        }
    }
}

/// Tells of progress, not too often.
struct Progress {
    id: TransferId,
    bytes: u64,
    told: Instant,
}

impl Progress {
    fn new(id: TransferId) -> Self {
        Progress { id, bytes: 0, told: Instant::now() }
    }

    fn report(&mut self, services: &Services, bytes: u64) {
        self.bytes = bytes;
        if self.told.elapsed() >= PROGRESS_EVERY {
            self.told = Instant::now();
            services.recorder.record(Event::TransferProgress { id: self.id, bytes });
        }
    }
}

/// The page cache answers at once; what still comes from elsewhere may take a while.
fn read(content: &Content, offset: u64, payload: &mut [u8]) -> Result<(), String> {
    let mut read = || content.read_exact_at(offset, payload).map_err(|error| error.to_string());
    if content.may_wait() { tokio::task::block_in_place(read) } else { read() }
}

fn failed(detail: String) -> Refused {
    Refused { refusal: Refusal::Failed, detail }
}

/// IPv4, UDP and TFTP headers: a block this much smaller than the MTU is not fragmented.
const HEADERS: u16 = 32;
const PROGRESS_EVERY: Duration = Duration::from_millis(100);
