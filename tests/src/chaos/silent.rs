//! Relayed questions in the name of relays that nobody is, on the link: their replies wait for an
//! answer to ARP or to neighbour discovery that never comes. Machines behind a relay that is there,
//! and machines on the link, are answered as before.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::site::{FLEET, RELAY, SERVER, Site};
use crate::ipv6::{ADDRESSES6, PROXY6, SERVER6};
use crate::relayed::{DISCOVER, OFFER, Reply, question};
use crate::relayed6;
use crate::spoof::Spoofer;
use crate::wait;

/// For so many seconds [`A_SECOND`] such questions a second, in both modes, by IPv4 and by IPv6.
/// Gives the words for the line.
///
/// # Panics
/// When a machine is not answered, or when the 95th percentile of any kind is more than twice what
/// it is without the flood.
pub fn silent_relays(seconds: u32) -> String {
    let mut lines = Vec::new();
    for mode in [Mode::Proxy, Mode::Server] {
        for case in measured(mode, seconds) {
            let Case { kind, quiet, flooded } = &case;
            let line = format!(
                "{mode:?} {kind:?} {:.1} ms quiet and {:.1} ms flooded",
                quiet.as_secs_f64() * 1e3,
                flooded.as_secs_f64() * 1e3
            );
            assert!(*flooded <= (*quiet * 2).max(SHORTEST), "{line}");
            lines.push(line);
        }
    }
    format!("95th percentiles: {}", lines.join(", "))
}

/// The short form: every machine is answered in the end, whatever time that takes.
///
/// # Panics
/// When one is not.
pub fn silent_relays_briefly() {
    for mode in [Mode::Proxy, Mode::Server] {
        measured(mode, 1);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Proxy,
    Server,
}

/// The kind of client that falls silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Machines behind the relay that asked before.
    Known,
    /// Machines behind it that never did.
    New,
    /// Machines on the link that never did, by broadcast.
    OnLink,
    /// Machines of IPv6 behind a relay that asked before.
    Known6,
    /// Machines of IPv6 behind it that never did.
    New6,
}

/// The 95th percentile of the time until a machine's offer.
struct Case {
    kind: Kind,
    quiet: Duration,
    flooded: Duration,
}

const KINDS: [Kind; 5] = [Kind::Known, Kind::New, Kind::OnLink, Kind::Known6, Kind::New6];

fn measured(mode: Mode, seconds: u32) -> Vec<Case> {
    let (four, six) = match mode {
        Mode::Proxy => (PROXY, PROXY6),
        Mode::Server => (ADDRESSES, ADDRESSES6),
    };
    let mut site = Site::new(None, 0, "").with_addresses(four);
    site.configure(&format!("{six}{RULE}"));
    for (host, addresses) in [("server", [LINK_SERVER, SERVER6]), (FLEET, ["10.79.0.50", "fd77::50"])] {
        site.lab.ip(host, &format!("addr add {}/16 dev lan0", addresses[0]));
        site.lab.ip(host, &format!("addr add {}/64 dev lan0 nodad", addresses[1]));
    }
    site.lab.add_host("hostile");
    site.lab.plug("hostile", "lan0", "br0", "10.77.0.66/24");
    site.lab.ip("hostile", "addr add fd77::66/64 dev lan0 nodad");
    site.start();
    let machines = Arc::new(site.lab.inside(FLEET, Asking::new).join().expect("the machines' sockets"));
    let lasting = Duration::from_secs(seconds.into()) / u32::try_from(KINDS.len()).unwrap_or(1);
    let mut first = 1;
    let mut next = || {
        first += 100_000;
        first
    };
    let known = next();
    for kind in KINDS {
        machines.percentile(kind, known, lasting, site.process());
    }
    let mut rounds = |machines: &Asking, site: &Site| {
        KINDS.map(|kind| {
            let first = if matches!(kind, Kind::Known | Kind::Known6) { known } else { next() };
            machines.percentile(kind, first, lasting, site.process())
        })
    };
    let quiet = rounds(&machines, &site);
    let ending = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&ending);
    let flood = site.lab.inside("hostile", move || flood(&ended));
    let flooded = rounds(&machines, &site);
    ending.store(true, Ordering::Relaxed);
    flood.join().expect("the flood goes on");
    let both = quiet.into_iter().zip(flooded);
    KINDS.into_iter().zip(both).map(|(kind, (quiet, flooded))| Case { kind, quiet, flooded }).collect()
}

/// Machines that ask one after the other.
struct Asking {
    relay: UdpSocket,
    link: UdpSocket,
    relay6: UdpSocket,
}

impl Asking {
    fn new() -> Self {
        let bind = |addr: SocketAddr| {
            let socket = UdpSocket::bind(addr).expect("a socket");
            socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
            socket
        };
        let link = bind((Ipv4Addr::UNSPECIFIED, 68).into());
        link.set_broadcast(true).expect("a socket");
        Asking { relay: bind((RELAY, 67).into()), link, relay6: bind((RELAY6, 547).into()) }
    }

    /// The 95th percentile over machines from a number on, some of them again and again.
    fn percentile(&self, kind: Kind, first: u32, lasting: Duration, process: &crate::Process) -> Duration {
        let began = Instant::now();
        let mut took = Vec::new();
        while took.len() < FEWEST || took.len() < MOST && began.elapsed() < lasting {
            let n = match kind {
                Kind::Known | Kind::Known6 => first + took.len() as u32 % 20,
                _ => first + took.len() as u32,
            };
            let asked = Instant::now();
            let answered = (0..ATTEMPTS).any(|_| self.ask(kind, n));
            assert!(answered, "{kind:?} {n} is not answered:\n{}", process.printed());
            took.push(asked.elapsed());
        }
        took.sort_unstable();
        took[took.len() * 95 / 100]
    }

    fn ask(&self, kind: Kind, n: u32) -> bool {
        let server6: Ipv6Addr = SERVER6.parse().expect("an address");
        let (socket, question, to): (_, _, SocketAddr) = match kind {
            Kind::Known | Kind::New => (&self.relay, question(n, DISCOVER, RELAY, &[]), (SERVER, 67).into()),
            Kind::OnLink => {
                let mut bytes = question(n, DISCOVER, Ipv4Addr::UNSPECIFIED, &[]);
                bytes[BROADCAST_FLAG] = 0x80;
                (&self.link, bytes, (Ipv4Addr::new(10, 79, 255, 255), 67).into())
            }
            Kind::Known6 | Kind::New6 => (&self.relay6, relayed6::solicit(n, RELAY6), (server6, 547).into()),
        };
        socket.send_to(&question, to).expect("the server's link is there");
        let mut buf = [0; 2048];
        while let Ok(length) = socket.recv(&mut buf) {
            let bytes = &buf[..length];
            let theirs = match kind {
                Kind::Known6 | Kind::New6 => relayed6::advertised(bytes) == Some(n & 0x00ff_ffff),
                _ => Reply::parse(bytes).is_some_and(|reply| reply.kind == OFFER && reply.xid == n),
            };
            if theirs {
                return true;
            }
        }
        false
    }
}

/// Questions in the name of relays on the link that nobody is, by IPv4 and IPv6 in turn.
fn flood(ending: &AtomicBool) {
    let spoofer = Spoofer::new();
    let server6: Ipv6Addr = SERVER6.parse().expect("an address");
    let began = Instant::now();
    let mut sent = 0;
    while !ending.load(Ordering::Relaxed) {
        let due = (began.elapsed().as_secs_f64() * A_SECOND) as u32;
        while sent < due {
            let n = MADE_UP + sent % MACHINES;
            let host = 200 + (sent / 2 % SILENT) as u8;
            if sent.is_multiple_of(2) {
                let relay = Ipv4Addr::new(10, 79, 200, host);
                let bytes = question(n, DISCOVER, relay, &[]);
                spoofer.send((relay, 67).into(), (SERVER, 67).into(), &bytes);
            } else {
                let relay = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0xdead, host.into());
                let bytes = relayed6::solicit(n, relay);
                spoofer.send((relay, 547).into(), (server6, 547).into(), &bytes);
            }
            sent += 1;
        }
        wait::pass(Duration::from_millis(1));
    }
}

/// Of the forged questions, in both families together.
const A_SECOND: f64 = 5000.0;
/// Machines that they are of, which are known soon.
const MACHINES: u32 = 1000;
const MADE_UP: u32 = 0x0050_0000;
/// Addresses on the link that nobody has: those of the forged relays.
const SILENT: u32 = 50;
/// Where the header has its flags.
const BROADCAST_FLAG: usize = 10;
const RELAY6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 0x50);
const PATIENCE: Duration = Duration::from_secs(1);
/// Firmware asks so often.
const ATTEMPTS: u32 = 4;
/// Machines that are asked for at the least.
const FEWEST: usize = 40;
/// Below this a percentile says more of this machine's scheduler than of netbootd.
const SHORTEST: Duration = Duration::from_millis(4);
/// So many at the most: pools have an end.
const MOST: usize = 400;
/// The server on a network that is large enough for all of them.
const LINK_SERVER: &str = "10.79.0.1";
const PROXY: &str = "[dhcp]\nmode = \"proxy\"\n[status]\nenabled = false\n";
const ADDRESSES: &str = "[dhcp]\nmode = \"server\"\nconflict-probe = false\n\
                         [[dhcp.subnet]]\nsubnet = \"10.78.0.0/16\"\npool = \"10.78.1.0-10.78.250.0\"\n\
                         [[dhcp.subnet]]\nsubnet = \"10.79.0.0/16\"\npool = \"10.79.1.0-10.79.190.0\"\n\
                         [status]\nenabled = false\n";
const RULE: &str =
    "\n[[rule]]\nname = \"all\"\nmatch = { class = \"pxe\" }\naction.boot = { file = \"big.img\" }\n";
