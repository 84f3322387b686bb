//! How replies leave a port: at once or not at all, and those to addresses that a packet only
//! claims apart from all others.
//!
//! Broadcasts leave by the port's own socket. Unicast replies have two sockets of the same port
//! beside it, which receive nothing: one for next hops that answer, and one for those that the
//! kernel has to look for. So datagrams that wait for an address which nobody has fill no buffer
//! that another reply needs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fmt, io};

use parking_lot::Mutex;

use super::neighbours::{Admitted, Neighbours, Refused};
use super::udp::{Endpoint, Source};

/// The sockets beside a port's own. They are opened when they are first needed.
#[derive(Debug, Default)]
pub struct Outbox {
    known: Mutex<Beside>,
    trial: Mutex<Beside>,
}

/// A socket beside the port's own.
#[derive(Debug, Default)]
enum Beside {
    #[default]
    Unopened,
    Open(Arc<Endpoint>),
    /// It could not be opened then: an interface has no address yet, or the system has no such
    /// sockets.
    Failed(Instant),
}

/// Why a reply did not leave.
#[derive(Debug)]
pub enum Unsent {
    /// The socket's buffer is full.
    NoRoom,
    /// The next hop does not answer address resolution.
    NeighbourSilent,
    /// So many next hops do not answer that no other is looked for.
    NeighboursBusy,
    /// The system refused it.
    Failed(io::Error),
}

impl Outbox {
    /// Sends to an address that a packet claims, by a socket of the same port as `endpoint`.
    /// `ifindex` is the interface that this is bound to; 0 for none.
    pub fn send(
        &self,
        endpoint: &Endpoint,
        neighbours: &Neighbours,
        (bytes, to, source): (&[u8], SocketAddr, Source),
        ifindex: u32,
    ) -> Result<(), Unsent> {
        let now = Instant::now();
        let beside = match neighbours.admit(to.ip(), ifindex, now)? {
            Admitted::Known => &self.known,
            Admitted::Trial => &self.trial,
        };
        match open(beside, endpoint, now) {
            Some(beside) => beside.try_send(bytes, to, source)?,
            None => endpoint.try_send(bytes, to, source)?,
        }
        Ok(())
    }
}

fn open(beside: &Mutex<Beside>, endpoint: &Endpoint, now: Instant) -> Option<Arc<Endpoint>> {
    let mut beside = beside.lock();
    let again = match &*beside {
        Beside::Open(opened) => return Some(Arc::clone(opened)),
        Beside::Unopened => true,
        Beside::Failed(at) => now.duration_since(*at) >= TRY_AGAIN,
    };
    if again {
        *beside = endpoint.beside().map_or(Beside::Failed(now), |opened| Beside::Open(Arc::new(opened)));
    }
    match &*beside {
        Beside::Open(opened) => Some(Arc::clone(opened)),
        Beside::Unopened | Beside::Failed(_) => None,
    }
}

impl Unsent {
    /// The word for the metric.
    pub fn name(&self) -> &'static str {
        match self {
            Unsent::NoRoom => "no-room",
            Unsent::NeighbourSilent => "neighbour-silent",
            Unsent::NeighboursBusy => "neighbours-busy",
            Unsent::Failed(_) => "failed",
        }
    }
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsent::NoRoom => f.write_str("the socket's buffer is full"),
            Unsent::NeighbourSilent => {
                f.write_str("the next hop does not answer address resolution (ARP or neighbour discovery)")
            }
            Unsent::NeighboursBusy => {
                f.write_str("too many next hops do not answer address resolution; is this a flood?")
            }
            Unsent::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Unsent {}

impl From<Refused> for Unsent {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unresolved => Unsent::NeighbourSilent,
            Refused::TooMany => Unsent::NeighboursBusy,
        }
    }
}

impl From<io::Error> for Unsent {
    fn from(error: io::Error) -> Self {
        if is_full(&error) { Unsent::NoRoom } else { Unsent::Failed(error) }
    }
}

/// ENOBUFS is the device's queue, or the kernel's table of neighbours.
fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(NO_BUFFERS)
}

#[cfg(unix)]
const NO_BUFFERS: i32 = nix::libc::ENOBUFS;
#[cfg(windows)]
const NO_BUFFERS: i32 = windows_sys::Win32::Networking::WinSock::WSAENOBUFS;
/// After so long a socket that could not be opened is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::udp::Incoming;

    #[tokio::test]
    async fn a_reply_leaves_from_the_ports_own_number_and_nothing_is_received_beside_it() {
        let server = Endpoint::bind((Ipv4Addr::UNSPECIFIED, 0).into(), None).unwrap();
        let port = server.port().unwrap();
        let client = Endpoint::bind_one((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, client.port().unwrap()));
        let source = Source { addr: Ipv4Addr::LOCALHOST.into(), ifindex: 0 };
        let (outbox, neighbours) = (Outbox::default(), Neighbours::default());
        for _ in 0..3 {
            outbox.send(&server, &neighbours, (b"reply", to, source), 0).unwrap();
            let mut buf = [0; 16];
            let Incoming::Datagram(got) = client.recv(&mut buf).await.unwrap() else { panic!() };
            assert_eq!((&buf[..got.len], got.from.port()), (&b"reply"[..], port));
            client.send(b"question", got.from, Source::BOUND).await.unwrap();
            let Incoming::Datagram(got) = server.recv(&mut buf).await.unwrap() else { panic!() };
            assert_eq!(&buf[..got.len], b"question");
        }
        assert!(matches!(&*outbox.known.lock(), Beside::Open(_)), "it has a socket of its own");
        let taken = Endpoint::bind((Ipv4Addr::UNSPECIFIED, port).into(), None).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse, "no other program shares the port");
    }
}
