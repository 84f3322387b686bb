//! Many TFTP clients in one thread: every byte is compared, and loss and delay are made here.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, setsockopt, sockopt};

use crate::client_error::ClientError;
use crate::processors;
use netbootd_tests::Lab;
use tftp::{Mode, Packet, Receiver, ReceiverOutcome, Reply, RequestOptions};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// The work of the clients.
#[derive(Debug, Clone)]
pub struct Load {
    /// Clients at a time.
    pub clients: usize,
    /// Files that each fetches, one after the other.
    pub each: usize,
    /// The file's name at every server.
    pub file: Cow<'static, str>,
    /// Bytes in a block; None asks for no option at all.
    pub block_size: Option<u16>,
    /// Blocks in a window; None asks for none.
    pub window: Option<u16>,
    /// Every acknowledgement is held back for so long.
    pub delay: Duration,
    /// The chance of each datagram, in either direction, to be lost.
    pub loss: f64,
    /// A transfer that takes longer counts as lost.
    pub patience: Duration,
    /// Whether the clients take turns with the server on its processors.
    pub beside: bool,
}

/// The result of a load.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Bytes that came, each compared.
    pub bytes: u64,
    /// From the first request to the last byte.
    pub elapsed: Duration,
    /// Transfers that came whole.
    pub done: usize,
    /// How long each of these took.
    pub took: Vec<Duration>,
    /// Datagrams with a block that had come before.
    pub again: u64,
    /// Why others did not.
    pub failed: Vec<ClientError>,
}

impl Outcome {
    /// The throughput in megabytes a second.
    pub fn rate(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.elapsed.as_secs_f64().max(1e-6)
    }

    fn add(&mut self, other: Outcome) {
        self.done += other.done;
        self.bytes += other.bytes;
        self.took.extend(other.took);
        self.again += other.again;
        self.failed.extend(other.failed);
    }

    /// Whole files a second.
    pub fn requests(&self) -> f64 {
        self.done as f64 / self.elapsed.as_secs_f64().max(1e-6)
    }
}

impl Load {
    /// Fetches from a server, in a host of the laboratory.
    ///
    /// # Panics
    /// When the clients cannot run at all.
    pub fn run(&self, lab: &Lab, host: &str, server: SocketAddr, content: &Arc<Vec<u8>>) -> Outcome {
        let (load, content) = (Arc::new(self.clone()), Arc::clone(content));
        let all = lab.inside(host, move || {
            if load.beside {
                processors::beside_servers();
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.unwrap_or_else(|error| panic!("the clients do not run: {error}"));
            runtime.block_on(load.all(server, content))
        });
        all.join().unwrap_or_else(|_| panic!("the clients do not run"))
    }

    async fn all(self: Arc<Self>, server: SocketAddr, content: Arc<Vec<u8>>) -> Outcome {
        let started = Instant::now();
        let mut clients = JoinSet::new();
        for n in 0..self.clients {
            let (load, content) = (Arc::clone(&self), Arc::clone(&content));
            clients.spawn(async move { load.client(n as u64 + 1, server, &content).await });
        }
        let mut outcome = Outcome::default();
        while let Some(client) = clients.join_next().await {
            match client {
                Ok(came) => outcome.add(came),
                Err(_) => outcome.failed.push(ClientError::Panicked),
            }
        }
        outcome.elapsed = started.elapsed();
        outcome
    }

    async fn client(&self, seed: u64, server: SocketAddr, content: &[u8]) -> Outcome {
        let mut chance = Chance::new(seed);
        let mut outcome = Outcome::default();
        for _ in 0..self.each {
            let started = Instant::now();
            match self.fetch(Ipv4Addr::UNSPECIFIED, server, content, &mut chance).await {
                Ok(again) => {
                    outcome.done += 1;
                    outcome.bytes += content.len() as u64;
                    outcome.took.push(started.elapsed());
                    outcome.again += again;
                }
                Err(error) => outcome.failed.push(error),
            }
        }
        outcome
    }

    /// Fetches the file once, from an address of this host; gives how many datagrams came again.
    pub async fn fetch(
        &self,
        own: Ipv4Addr,
        server: SocketAddr,
        content: &[u8],
        chance: &mut Chance,
    ) -> Result<u64, ClientError> {
        let socket = UdpSocket::bind((own, 0)).await?;
        // A client that asks for large windows has room for them: twice the usual, as the kernel
        // counts.
        setsockopt(&socket, sockopt::RcvBuf, &ROOM).map_err(io::Error::from)?;
        // A socket is not known to take anything before this.
        socket.writable().await?;
        let options = RequestOptions::asking(self.block_size, self.window, None, self.block_size.is_some());
        let request = Packet::read_request(self.file.as_bytes(), Mode::Octet, &options)
            .ok_or(ClientError::NameTooLong)?;
        let started = Instant::now();
        let receiver = Receiver::new(None, started);
        let mut client =
            Client { load: self, socket, request, server, peer: None, receiver, content, at: 0, again: 0 };
        client.send(None, chance)?;
        // One timer, set anew when it rings: clients are cheap, or the servers would wait for them.
        let timer = tokio::time::sleep_until(started.into());
        tokio::pin!(timer);
        loop {
            let due = client.receiver.deadline().unwrap_or_else(Instant::now);
            if timer.is_elapsed() {
                timer.as_mut().reset(due.into());
            }
            let rang = tokio::select! {
                biased;
                ready = client.socket.readable() => ready.map(|()| false)?,
                () = timer.as_mut() => true,
            };
            let now = Instant::now();
            if now.duration_since(started) > self.patience {
                let (bytes, size) = (client.at, content.len());
                return Err(ClientError::Late { bytes, size, within: self.patience });
            }
            let over = if rang { client.tick(now, chance)? } else { client.hear(now, chance)? };
            match over {
                None => {}
                Some(ReceiverOutcome::Completed) if client.at == content.len() => return Ok(client.again),
                Some(outcome) => return Err(ClientError::Transfer { outcome, bytes: client.at }),
            }
        }
    }
}

/// One transfer of the load's clients.
struct Client<'a> {
    load: &'a Load,
    socket: UdpSocket,
    request: Vec<u8>,
    server: SocketAddr,
    peer: Option<SocketAddr>,
    receiver: Receiver,
    content: &'a [u8],
    at: usize,
    again: u64,
}

impl Client<'_> {
    fn tick(&mut self, now: Instant, chance: &mut Chance) -> Result<Option<ReceiverOutcome>, ClientError> {
        if self.receiver.deadline().is_some_and(|due| now < due) {
            return Ok(None);
        }
        let step = self.receiver.tick(now);
        self.reply(step.send, chance)?;
        Ok(step.finish)
    }

    /// Takes what has come, a window at a time.
    fn hear(&mut self, now: Instant, chance: &mut Chance) -> Result<Option<ReceiverOutcome>, ClientError> {
        BUFFERS.with_borrow_mut(|buffers| {
            let at_once = usize::from(self.load.window.unwrap_or(1)).min(AT_ONCE);
            let length = usize::from(self.load.block_size.unwrap_or(512)).max(512) + 4;
            if buffers.len() < at_once * length {
                buffers.resize(at_once * length, 0);
            }
            let mut slices: Vec<_> =
                buffers.chunks_mut(length).take(at_once).map(|buffer| [IoSliceMut::new(buffer)]).collect();
            let mut headers = MultiHeaders::<SockaddrIn>::preallocate(at_once, None);
            let fd = self.socket.as_raw_fd();
            let heard = self.socket.try_io(Interest::READABLE, || {
                let heard = recvmmsg(fd, &mut headers, &mut slices, MsgFlags::MSG_DONTWAIT, None)?;
                Ok(heard.map(|one| (one.iovs().next().unwrap_or_default(), one.address)).collect::<Vec<_>>())
            });
            let heard = match heard {
                Ok(heard) => heard,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            for (bytes, from) in heard {
                let from = from.map(|from| SocketAddr::V4(from.into()));
                let stranger = self.peer.is_some() && self.peer != from;
                if stranger || chance.is_under(self.load.loss) {
                    continue;
                }
                self.peer = from;
                let Ok(packet) = Packet::parse(bytes) else { return Err(ClientError::NotTftp) };
                self.again += u64::from(self.had(&packet));
                let step = self.receiver.handle(now, &packet);
                if let Some(bytes) = step.deliver {
                    if self.content.get(self.at..self.at + bytes.len()) != Some(bytes) {
                        return Err(ClientError::OtherBytes(self.at as u64));
                    }
                    self.at += bytes.len();
                }
                self.reply(step.send, chance)?;
                if step.finish.is_some() {
                    return Ok(step.finish);
                }
            }
            Ok(None)
        })
    }

    /// Whether a block has come before.
    fn had(&self, packet: &Packet<'_>) -> bool {
        let blocks = self.at.div_ceil(self.load.block_size.unwrap_or(512).into()) as u16;
        matches!(packet, Packet::Data { block, .. } if self.at > 0 && blocks.wrapping_sub(*block) < 1 << 15)
    }

    fn reply(&self, reply: Option<Reply>, chance: &mut Chance) -> Result<(), ClientError> {
        match reply {
            Some(Reply::Request) => self.send(None, chance),
            Some(Reply::Ack { block, next_window }) => {
                let ack = Packet::Ack { block, next_window }.emit().unwrap_or_default();
                self.send(Some(&ack), chance)
            }
            None => Ok(()),
        }
    }

    /// The request, or an acknowledgement.
    fn send(&self, ack: Option<&[u8]>, chance: &mut Chance) -> Result<(), ClientError> {
        if !self.load.delay.is_zero() {
            thread::sleep(self.load.delay); // for a client alone
        }
        if chance.is_under(self.load.loss) {
            return Ok(());
        }
        let (bytes, to) = match (ack, self.peer) {
            (Some(ack), Some(peer)) => (ack, peer),
            _ => (self.request.as_slice(), self.server),
        };
        match self.socket.try_send_to(bytes, to) {
            // A full buffer loses it like the way does.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error.into()),
            _ => Ok(()),
        }
    }
}

thread_local! {
    /// The buffer of a window.
    static BUFFERS: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// xorshift64: the same losses in every run.
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    /// Another one for each client.
    pub fn new(seed: u64) -> Self {
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Whether the next number is under this part of all.
    pub fn is_under(&mut self, part: f64) -> bool {
        if part <= 0.0 {
            return false;
        }
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) as f64 / (1_u64 << 53) as f64) < part
    }
}

/// Datagrams taken by one call.
const AT_ONCE: usize = 32;
/// The receive buffer of a client's socket, in bytes.
const ROOM: usize = 212_992;
