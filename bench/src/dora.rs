//! Machines that are switched on behind a relay: DISCOVER, OFFER, REQUEST, ACK, so many a second,
//! over one socket. Every answer is compared.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use netbootd_tests::Lab;
use netbootd_tests::relayed::{ACK, DISCOVER, OFFER, REQUEST, Reply, mac, question};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

/// A building that is switched on.
#[derive(Debug, Clone, Copy)]
pub struct Building {
    /// Machines that begin, in a second; whether others have had their answers or not.
    pub rate: u32,
    /// Machines in all, each once.
    pub machines: u32,
    /// The number of the first: other numbers are other machines.
    pub first: u32,
}

/// The result of all exchanges.
#[derive(Debug, Clone, Default)]
pub struct Exchanges {
    /// From DISCOVER to ACK of each machine that got that far, in ascending order.
    pub times: Vec<Duration>,
    /// Machines without an ACK.
    pub lost: usize,
    /// Faults of the server: an address for two machines, an answer that belongs to no question.
    pub faults: Vec<String>,
}

impl Exchanges {
    /// The time that so many of a hundred stay under.
    pub fn percentile(&self, part: usize) -> Duration {
        let at = (self.times.len() * part / 100).min(self.times.len().saturating_sub(1));
        self.times.get(at).copied().unwrap_or(Duration::MAX)
    }
}

impl Building {
    /// Switches it on behind a relay that has the address `relay` in a host of the laboratory.
    ///
    /// # Panics
    /// When the relay cannot speak at all.
    pub fn switch_on(self, lab: &Lab, host: &str, relay: Ipv4Addr, server: Ipv4Addr) -> Exchanges {
        let work = move || {
            let socket = UdpSocket::bind((relay, SERVER_PORT)).expect("a relay has the servers' port");
            socket.set_nonblocking(true).expect("a socket");
            let server = SocketAddrV4::new(server, SERVER_PORT);
            Run { building: self, socket, relay, server, under_way: HashMap::new(), owners: HashMap::new() }
                .play()
        };
        lab.inside(host, work).join().unwrap_or_else(|_| panic!("the relay broke"))
    }
}

/// The DISCOVER of a machine behind a relay.
pub fn discover(n: u32, relay: Ipv4Addr) -> Vec<u8> {
    question(n, DISCOVER, relay, &[])
}

struct Run {
    building: Building,
    socket: UdpSocket,
    relay: Ipv4Addr,
    server: SocketAddrV4,
    /// Machines without an ACK, by transaction.
    under_way: HashMap<u32, Machine>,
    owners: HashMap<Ipv4Addr, u32>,
}

struct Machine {
    since: Instant,
    offered: Option<Ipv4Addr>,
}

impl Run {
    fn play(mut self) -> Exchanges {
        let mut done = Exchanges::default();
        let started = Instant::now();
        let gap = Duration::from_secs(1) / self.building.rate;
        let mut begun = 0;
        let mut last = started;
        let mut buf = [0; 2048];
        while begun < self.building.machines || (!self.under_way.is_empty() && last.elapsed() < PATIENCE) {
            let due = started + gap * begun;
            let wait = if begun == self.building.machines {
                PATIENCE
            } else {
                due.saturating_duration_since(Instant::now())
            };
            if begun < self.building.machines && wait.is_zero() {
                let n = self.building.first + begun;
                begun += 1;
                last = Instant::now();
                self.under_way.insert(n, Machine { since: last, offered: None });
                self.send(&discover(n, self.relay));
            } else {
                let mut readable = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
                ppoll(&mut readable, Some(TimeSpec::from_duration(wait)), None)
                    .expect("a socket can be waited for");
            }
            while let Ok(len) = self.socket.recv(&mut buf) {
                match Reply::parse(&buf[..len]) {
                    Some(reply) => self.receive(&reply, &mut done),
                    None => done.faults.push("something that is no answer".into()),
                }
            }
        }
        done.lost = self.under_way.len();
        done.times.sort_unstable();
        done
    }

    fn receive(&mut self, reply: &Reply, done: &mut Exchanges) {
        let n = reply.xid;
        let Some(machine) = self.under_way.get_mut(&n) else {
            return done.faults.push(format!("machine {n} asked nothing"));
        };
        let (kind, address) = (reply.kind, reply.address);
        if reply.mac != mac(n) {
            return done.faults.push(format!("machine {n} is told another's hardware address"));
        }
        match (kind, machine.offered) {
            (OFFER, None) => {
                machine.offered = Some(address);
                let identifier =
                    [&[54, 4], reply.identifier.as_slice(), &[50, 4], &address.octets()].concat();
                self.send(&question(n, REQUEST, self.relay, &identifier));
            }
            (ACK, Some(offered)) if offered == address => {
                done.times.push(machine.since.elapsed());
                self.under_way.remove(&n);
                if let Some(other) = self.owners.insert(address, n) {
                    done.faults.push(format!("{address} is given to machines {other} and {n}"));
                }
            }
            _ => done
                .faults
                .push(format!("machine {n}: message {kind} with {address} after {:?}", machine.offered)),
        }
    }

    /// Sends a packet. One that does not fit the socket is lost, as on any wire.
    fn send(&self, bytes: &[u8]) {
        let _ = self.socket.send_to(bytes, self.server);
    }
}

const SERVER_PORT: u16 = 67;
/// How long the last answers may take.
const PATIENCE: Duration = Duration::from_secs(2);
