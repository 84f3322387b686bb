//! Transfers that lost their places to newer ones, and whose clients are there all the same.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use netbootd_telemetry::event::Proto;
use tftp::Sender;

use super::super::negotiation;
use super::super::refusals::EVICTED;
use super::super::transfers::{Asked, Evicted, Ports, SINGLE_PORT, Waiting};
use super::Handshakes;

impl Handshakes {
    /// Gives an evicted transfer a place again: its client is there. Without a place, the next
    /// acknowledgement tries again. A second eviction before the caller reads the acknowledgement
    /// needs thousands of requests at that moment.
    pub(super) fn readmit(&self, from: SocketAddr, evicted: Evicted) -> bool {
        let Evicted { port, server, request, negotiated, facts } = evicted;
        let now = Instant::now();
        let ports = if port.number == SINGLE_PORT { Ports::One } else { Ports::Own };
        let in_flight = negotiation::share(&self.services, &negotiated, facts.len);
        let (sender, _) = Sender::new(negotiated.clone(), facts.len, now);
        let waiting = Waiting::new(port.clone(), server, sender, Arc::clone(&facts), in_flight);
        let (places, bounds) = (&self.services.limits.transfers, self.services.transfer_bounds());
        let asked = Asked { now, from, request: &request, ports, places, bounds: &bounds };
        let admitted = self.transfers.admit_waiting(asked, waiting);
        if let Ok(evicted) = admitted {
            self.count_evicted(evicted);
        } else {
            self.transfers.keep_evicted(from, Evicted { port, server, request, negotiated, facts });
        }
        admitted.is_ok()
    }

    /// Counts transfers that lost their places.
    pub(in super::super) fn count_evicted(&self, transfers: usize) {
        for _ in 0..transfers {
            self.services.recorder.count(Proto::Tftp.name(), EVICTED);
        }
    }
}
