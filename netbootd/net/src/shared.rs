//! One socket that hears for several interfaces, each with a listener of its own: what systemd
//! hands over.
//!
//! [`SharedSocket::run`] sorts datagrams by the interface they came in on. It is cancelled by the
//! token it is given; what waits then is lost like any datagram.

use std::collections::HashMap;
use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::MutexGuard;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::flood_filter::Purpose;
use super::udp::{Endpoint, Incoming, Received};
use crate::heartbeat::Pulse;

/// A bound socket with its listeners.
#[derive(Debug)]
pub struct SharedSocket {
    endpoint: Arc<Endpoint>,
    iface_sockets: Arc<Listeners>,
}

/// The listeners of a socket, by their interface's index.
type Listeners = parking_lot::Mutex<HashMap<u32, mpsc::Sender<Heard>>>;

/// A listener's way to receive: a socket of its own, or its interface's part of a shared one.
#[derive(Debug)]
pub struct IfaceSocket {
    endpoint: Arc<Endpoint>,
    part: Option<Part>,
}

/// An interface's part of a shared socket.
#[derive(Debug)]
struct Part {
    inbox: Mutex<mpsc::Receiver<Heard>>,
    iface_sockets: Arc<Listeners>,
}

#[derive(Debug)]
struct Heard {
    received: Received,
    bytes: Vec<u8>,
}

impl SharedSocket {
    /// Takes over a socket that is bound to a port of all interfaces.
    pub fn adopt(socket: UdpSocket, purpose: Purpose) -> io::Result<Self> {
        let endpoint = Endpoint::adopt(socket, Vec::new())?.only_for(purpose);
        Ok(SharedSocket { endpoint: Arc::new(endpoint), iface_sockets: Arc::default() })
    }

    /// The part of the socket that one interface's packets come to.
    pub fn iface_socket(&mut self, ifindex: u32) -> IfaceSocket {
        let (sender, inbox) = mpsc::channel(INBOX);
        lock(&self.iface_sockets).insert(ifindex, sender);
        let part = Part { inbox: Mutex::new(inbox), iface_sockets: Arc::clone(&self.iface_sockets) };
        IfaceSocket { endpoint: Arc::clone(&self.endpoint), part: Some(part) }
    }

    /// Hands datagrams on until shutdown. Those of interfaces that nobody listens on are dropped.
    pub async fn run(self, pulse: Pulse, shutdown: CancellationToken) {
        let mut buf = vec![0; MAX_DATAGRAM];
        loop {
            let heard = tokio::select! {
                heard = pulse.during(self.endpoint.recv(&mut buf)) => heard,
                // Listeners see the end of the stream.
                () = shutdown.cancelled() => return lock(&self.iface_sockets).clear(),
            };
            match heard {
                Ok(Incoming::Datagram(received)) => {
                    let iface_sockets = lock(&self.iface_sockets);
                    let Some(iface_socket) = iface_sockets.get(&received.ifindex) else { continue };
                    // A full inbox drops the datagram, as a full socket does.
                    let _ = iface_socket.try_send(Heard { received, bytes: buf[..received.len].to_vec() });
                }
                Ok(Incoming::Unreachable(peer)) => debug!(%peer, "unreachable"),
                Err(error) => {
                    warn!(%error, "receiving failed");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

impl IfaceSocket {
    /// A socket of its own.
    pub fn own(endpoint: Endpoint) -> Self {
        IfaceSocket { endpoint: Arc::new(endpoint), part: None }
    }

    /// Whether its socket is its own, bound to the interface.
    pub fn is_own(&self) -> bool {
        self.part.is_none()
    }

    /// The socket to send by.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The interface has another index by now. False says that a socket of its own stays with the
    /// former link.
    pub fn moved(&self, from: u32, to: u32) -> bool {
        let Some(part) = &self.part else { return false };
        let mut iface_sockets = lock(&part.iface_sockets);
        if let Some(sender) = iface_sockets.remove(&from) {
            iface_sockets.insert(to, sender);
        }
        true
    }

    /// The next datagram, as [`Endpoint::recv`] gives it.
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<Incoming> {
        let Some(part) = &self.part else { return self.endpoint.recv(buf).await };
        let heard = part.inbox.lock().await.recv().await;
        let Heard { mut received, bytes } = heard.ok_or(io::ErrorKind::BrokenPipe)?;
        received.len = bytes.len().min(buf.len());
        buf[..received.len].copy_from_slice(&bytes[..received.len]);
        Ok(Incoming::Datagram(received))
    }
}

fn lock(iface_sockets: &Listeners) -> MutexGuard<'_, HashMap<u32, mpsc::Sender<Heard>>> {
    iface_sockets.lock()
}

/// Datagrams that an interface's listener may be behind: a building that switches on.
const INBOX: usize = 4096;
/// Larger DHCP packets than an Ethernet frame holds come from nobody who boots.
const MAX_DATAGRAM: usize = 2048;
const PAUSE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::iface;
    use super::*;
    use crate::heartbeat::Heartbeat;

    #[tokio::test]
    async fn an_interfaces_listener_hears_what_comes_in_there() {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let to = socket.local_addr().unwrap();
        let loopback = iface::list(true).unwrap().into_iter().find(|iface| iface.name == "lo").unwrap();
        let mut shared = SharedSocket::adopt(socket, Purpose::Tftp).unwrap();
        let (here, elsewhere) = (shared.iface_socket(loopback.index), shared.iface_socket(u32::MAX));
        let shutdown = CancellationToken::new();
        let pulse = Heartbeat::default().pulse("socket");
        let running = tokio::spawn(shared.run(pulse, shutdown.clone()));

        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.send_to(b"ask", to).unwrap();
        let mut buf = [0; 16];
        let Incoming::Datagram(received) = here.recv(&mut buf).await.unwrap() else {
            panic!("a datagram was sent")
        };
        assert_eq!((&buf[..received.len], received.to), (b"ask".as_slice(), Ipv4Addr::LOCALHOST.into()));
        assert_eq!(received.from, client.local_addr().unwrap());

        let source = super::super::udp::Source { addr: received.to, ifindex: received.ifindex };
        here.endpoint().send(b"answer", received.from, source).await.unwrap();
        let (len, from) = client.recv_from(&mut buf).unwrap();
        assert_eq!((&buf[..len], from), (b"answer".as_slice(), to));

        shutdown.cancel();
        running.await.unwrap();
        let error = elsewhere.recv(&mut buf).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "nothing came in there");
    }
}
