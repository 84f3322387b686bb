//! Many TFTP clients in one process: every byte is compared, and loss and delay are made here.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use netbootd_tests::Lab;
use tftp::{Mode, Packet, ReceiveStep, Receiver, ReceiverOutcome, Reply, RequestOptions};

/// What the clients do.
#[derive(Debug, Clone)]
pub struct Load {
    /// Clients at a time.
    pub clients: usize,
    /// Files that each fetches, one after the other.
    pub each: usize,
    /// The file's name at every server.
    pub file: &'static str,
    /// Bytes in a block; None asks for no option at all.
    pub block_size: Option<u16>,
    /// Blocks in a window; None asks for none.
    pub window: Option<u16>,
    /// Every acknowledgement is held back for so long.
    pub delay: Duration,
    /// The chance of each datagram, in either direction, to be lost.
    pub loss: f64,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Bytes that came, each compared.
    pub bytes: u64,
    /// From the first request to the last byte.
    pub elapsed: Duration,
    /// Transfers that came whole.
    pub done: usize,
    /// Why others did not.
    pub failed: Vec<String>,
}

impl Outcome {
    /// Megabytes a second.
    pub fn rate(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.elapsed.as_secs_f64().max(1e-6)
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
        let (load, content) = (self.clone(), Arc::clone(content));
        let all = lab.inside(host, move || {
            let started = Instant::now();
            let clients: Vec<_> = (0..load.clients)
                .map(|n| {
                    let (load, content) = (load.clone(), Arc::clone(&content));
                    thread::spawn(move || load.client(n as u64 + 1, server, &content))
                })
                .collect();
            let mut outcome = Outcome::default();
            for client in clients {
                let (done, failed) = client.join().unwrap_or_else(|_| (0, vec!["a client broke".into()]));
                outcome.done += done;
                outcome.bytes += (done * content.len()) as u64;
                outcome.failed.extend(failed);
            }
            outcome.elapsed = started.elapsed();
            outcome
        });
        all.join().unwrap_or_else(|_| panic!("the clients do not run"))
    }

    fn client(&self, seed: u64, server: SocketAddr, content: &[u8]) -> (usize, Vec<String>) {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut failed = Vec::new();
        let mut done = 0;
        for _ in 0..self.each {
            match self.fetch(server, content, &mut chance) {
                Ok(()) => done += 1,
                Err(error) => failed.push(error),
            }
        }
        (done, failed)
    }

    fn fetch(&self, server: SocketAddr, content: &[u8], chance: &mut Chance) -> Result<(), String> {
        let words = |error: std::io::Error| error.to_string();
        let socket = UdpSocket::bind("0.0.0.0:0").map_err(words)?;
        socket.set_read_timeout(Some(LOOK)).map_err(words)?;
        let options = RequestOptions::asking(self.block_size, self.window, None, self.block_size.is_some());
        let request =
            Packet::read_request(self.file.as_bytes(), Mode::Octet, &options).ok_or("too long a name")?;
        let started = Instant::now();
        let mut receiver = Receiver::new(None, started);
        let (mut peer, mut at) = (None, 0);
        let mut buf = vec![0; 65_536];
        let send = |bytes: &[u8], to: SocketAddr, chance: &mut Chance| {
            if !self.delay.is_zero() {
                thread::sleep(self.delay);
            }
            if chance.is_under(self.loss) {
                Ok(())
            } else {
                socket.send_to(bytes, to).map(drop).map_err(words)
            }
        };
        send(&request, server, chance)?;
        loop {
            let heard = socket.recv_from(&mut buf);
            let now = Instant::now();
            if now.duration_since(started) > LIMIT {
                return Err(format!("{at} of {} bytes in {} s", content.len(), LIMIT.as_secs()));
            }
            let step = match heard {
                Ok((length, from)) if peer.is_none_or(|peer| peer == from) && !chance.is_under(self.loss) => {
                    peer = Some(from);
                    let Ok(packet) = Packet::parse(&buf[..length]) else { return Err("no TFTP".into()) };
                    receiver.handle(now, &packet)
                }
                Ok(_) => continue,
                Err(_) if receiver.deadline().is_some_and(|deadline| deadline <= now) => receiver.tick(now),
                Err(_) => continue,
            };
            let ReceiveStep { deliver, send: reply, finish } = step;
            if let Some(bytes) = deliver {
                if content.get(at..at + bytes.len()) != Some(bytes) {
                    return Err(format!("other bytes at {at}"));
                }
                at += bytes.len();
            }
            match (reply, peer) {
                (Some(Reply::Request), _) => send(&request, server, chance)?,
                (Some(Reply::Ack { block, next_window }), Some(peer)) => {
                    let ack = Packet::Ack { block, next_window }.emit().unwrap_or_default();
                    send(&ack, peer, chance)?;
                }
                _ => {}
            }
            match finish {
                None => {}
                Some(ReceiverOutcome::Completed) if at == content.len() => return Ok(()),
                Some(other) => return Err(format!("{other:?} after {at} bytes")),
            }
        }
    }
}

/// xorshift64: the same losses in every run.
struct Chance(u64);

impl Chance {
    fn is_under(&mut self, part: f64) -> bool {
        if part <= 0.0 {
            return false;
        }
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) as f64 / (1_u64 << 53) as f64) < part
    }
}

/// A deadline is looked at this often.
const LOOK: Duration = Duration::from_millis(20);
/// A transfer that takes longer counts as lost.
const LIMIT: Duration = Duration::from_secs(30);
