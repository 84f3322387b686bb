//! The datagrams that come to a shared port which no request comes to.

use std::net::SocketAddr;
use std::sync::Arc;

use netbootd_net::udp::{Incoming, Source};
use netbootd_telemetry::event::Proto;
use tftp::{ErrorCode, Packet};
use tokio_util::sync::CancellationToken;

use super::super::ports::SharedPort;
use super::super::workers::Worker;
use super::Handshakes;

/// Receives until the port ends or the services stop.
pub(super) async fn listen(
    handshakes: Arc<Handshakes>,
    worker: Worker,
    port: SharedPort,
    ending: CancellationToken,
) {
    let mut buf = [0; MAX_INBOUND];
    let shutdown = handshakes.services.lifecycle.shutdown.clone();
    loop {
        let heard = tokio::select! {
            heard = port.endpoint.recv(&mut buf) => heard,
            () = ending.cancelled() => return,
            () = shutdown.cancelled() => return,
        };
        match heard {
            Ok(Incoming::Datagram(received)) => {
                handshakes.hear_at(&port, &worker, received.from, &buf[..received.len]);
            }
            Ok(Incoming::Unreachable(peer)) => handshakes.unreachable(peer, port.number),
            // Resending mends what one failed reception means.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

impl Handshakes {
    /// Takes a datagram of a shared port. A sender that has no transfer there, and had none lately,
    /// gets ERROR 5 (RFC 1350 §4), unless it may be a client whose transfer was evicted.
    pub(in super::super) fn hear_at(
        self: &Arc<Self>,
        port: &SharedPort,
        worker: &Worker,
        from: SocketAddr,
        bytes: &[u8],
    ) {
        if self.hear(worker, port.number, from, bytes)
            || !matches!(Packet::parse(bytes), Ok(Packet::Ack { .. }))
            || self.is_crowded()
            || self.services.leaves_client_alone(Proto::Tftp, from).is_some()
        {
            return;
        }
        let message = b"this port serves another transfer";
        let error = Packet::Error { code: ErrorCode::UNKNOWN_TRANSFER, message };
        self.send(port, &error.emit().unwrap_or_default(), from, Source::BOUND);
    }

    /// An ICMP "port unreachable" of a client's port arrived at a shared port.
    pub(in super::super) fn unreachable(&self, from: SocketAddr, number: u16) {
        if let Some(over) = self.transfers.unreachable(from, number) {
            self.over(*over);
        }
    }
}

/// Clients send acknowledgements and errors, which are short.
const MAX_INBOUND: usize = 128;
