//! Fetching a file from a TFTP server: the receiving machine of the `tftp` crate, fed by a socket.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use tftp::{ErrorCode, Packet, ReceiveStep, Receiver, ReceiverOutcome, Reply};
use thiserror::Error;
use tokio::net::UdpSocket;

/// A file to be fetched.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// The server, with the port that requests go to.
    pub server: SocketAddr,
    /// The read request as bytes.
    pub request: Vec<u8>,
    /// The window to ask for with every acknowledgement, when the request has that option.
    pub variable_window: Option<u8>,
}

/// The parts of a file from the server: its size, then its bytes.
#[derive(Debug)]
pub enum Coming<'a> {
    /// The file's size in bytes, when the server tells it. Comes first, and once.
    Size(Option<u64>),
    /// The next bytes, in order.
    Bytes(&'a [u8]),
}

/// The figures of one fetch.
#[derive(Debug)]
pub struct Fetched {
    /// The number of bytes.
    pub bytes: u64,
    /// The options that the server granted: `blksize=1468 windowsize=16`.
    pub granted: String,
    /// Datagrams that came more than once or out of order.
    pub repeats: u64,
}

/// Why a file did not come.
#[derive(Debug, Error)]
pub enum FetchError {
    /// Nothing can be sent.
    #[error("cannot send: {0}")]
    Unsendable(io::Error),
    /// A closed port says so by ICMP.
    #[error("{server} is not reachable: {error}")]
    Unreachable {
        /// The server that was asked.
        server: SocketAddr,
        /// The system's error that stopped it.
        error: io::Error,
    },
    /// The server ended it.
    #[error("{server} says error {} {words:?}", code.0)]
    Refused {
        /// The server that was asked.
        server: SocketAddr,
        /// The code of its ERROR packet.
        code: ErrorCode,
        /// The message of its ERROR packet, escaped.
        words: String,
    },
    /// The server granted something that makes no sense.
    #[error("{server} granted options that make no sense: {granted}")]
    BadOptions {
        /// The server that was asked.
        server: SocketAddr,
        /// The options as the server granted them.
        granted: String,
    },
    /// Nothing came at all.
    #[error(
        "no answer from {server}: is a TFTP server there, and does a firewall let its answer from another port through?"
    )]
    NoAnswer {
        /// The server that was asked.
        server: SocketAddr,
    },
    /// Nothing came any more.
    #[error(
        "{server} fell silent after {bytes} bytes: blocks too large for the path, or a firewall on the data port"
    )]
    Silent {
        /// The server that was asked.
        server: SocketAddr,
        /// Bytes that had come.
        bytes: u64,
    },
    /// The bytes could not be kept.
    #[error("cannot keep what came: {0}")]
    Unkept(io::Error),
}

impl Fetch {
    /// Fetches the file, handing over what comes.
    pub async fn run(&self, take: impl FnMut(Coming<'_>) -> io::Result<()>) -> Result<Fetched, FetchError> {
        let any: IpAddr = if self.server.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
        let socket = UdpSocket::bind((any, 0)).await.map_err(FetchError::Unsendable)?;
        let mut peer = None;
        let fetched = self.receive(&socket, &mut peer, take).await;
        if let (Err(FetchError::Unkept(_)), Some(peer)) = (&fetched, peer) {
            let enough = Packet::Error { code: ErrorCode::UNDEFINED, message: b"not kept" };
            // The server gives up by itself when this is lost.
            let _ = socket.send_to(&enough.emit().unwrap_or_default(), peer).await;
        }
        fetched
    }

    async fn receive(
        &self,
        socket: &UdpSocket,
        peer: &mut Option<SocketAddr>,
        mut take: impl FnMut(Coming<'_>) -> io::Result<()>,
    ) -> Result<Fetched, FetchError> {
        let server = self.server;
        let mut fetched = Fetched { bytes: 0, granted: String::new(), repeats: 0 };
        let mut receiver = Receiver::new(self.variable_window, Instant::now());
        let mut sized = false;
        let mut buf = vec![0; 65536];
        socket.send_to(&self.request, server).await.map_err(FetchError::Unsendable)?;
        loop {
            let deadline = receiver.deadline().unwrap_or_else(Instant::now);
            let heard = tokio::time::timeout_at(deadline.into(), socket.recv_from(&mut buf)).await;
            let now = Instant::now();
            let mut words = String::new();
            let step = match heard {
                Err(_) => receiver.tick(now),
                Ok(Err(error)) => return Err(FetchError::Unreachable { server, error }),
                // The first answer's port is the transfer's; other ports have no say in it.
                Ok(Ok((_, from))) if from.ip() != server.ip() || peer.is_some_and(|peer| peer != from) => {
                    continue;
                }
                Ok(Ok((len, from))) => {
                    let Ok(packet) = Packet::parse(&buf[..len]) else { continue };
                    *peer = Some(from);
                    if let Packet::OptionAck(options) = &packet {
                        fetched.granted = granted(options);
                    }
                    if let Packet::Error { message, .. } = &packet {
                        words = message.escape_ascii().to_string();
                    }
                    receiver.handle(now, &packet)
                }
            };
            let ReceiveStep { deliver, send, finish } = step;
            let accepted = send.is_some_and(|reply| matches!(reply, Reply::Ack { .. })) || deliver.is_some();
            if accepted && !sized {
                sized = true;
                take(Coming::Size(receiver.size())).map_err(FetchError::Unkept)?;
            }
            if let Some(bytes) = deliver {
                fetched.bytes += bytes.len() as u64;
                take(Coming::Bytes(bytes)).map_err(FetchError::Unkept)?;
            }
            match (send, *peer) {
                (Some(Reply::Request), _) => {
                    socket.send_to(&self.request, server).await.map_err(FetchError::Unsendable)?;
                }
                (Some(Reply::Ack { block, next_window }), Some(peer)) => {
                    let ack = Packet::Ack { block, next_window }.emit().unwrap_or_default();
                    socket.send_to(&ack, peer).await.map_err(FetchError::Unsendable)?;
                }
                (Some(Reply::Ack { .. }) | None, _) => {}
            }
            fetched.repeats = receiver.repeats();
            return match finish {
                None => continue,
                Some(ReceiverOutcome::Completed) => Ok(fetched),
                Some(ReceiverOutcome::Refused { code }) => Err(FetchError::Refused { server, code, words }),
                Some(ReceiverOutcome::BadOptions) => {
                    Err(FetchError::BadOptions { server, granted: fetched.granted })
                }
                Some(ReceiverOutcome::TimedOut) if peer.is_none() => Err(FetchError::NoAnswer { server }),
                Some(ReceiverOutcome::TimedOut) => Err(FetchError::Silent { server, bytes: fetched.bytes }),
            };
        }
    }
}

fn granted(options: &[(&[u8], &[u8])]) -> String {
    let words =
        options.iter().map(|(name, value)| format!("{}={}", name.escape_ascii(), value.escape_ascii()));
    words.collect::<Vec<_>>().join(" ")
}
