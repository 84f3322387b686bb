//! Port 67, one socket an interface. Ends once the services stop; a reply under way is then dropped.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use netbootd_config::Mode;
use netbootd_dhcp::Iface;
use netbootd_dhcp::v4::destination::SERVER_PORT;
use netbootd_dhcp::v4::intake::{boot_request, class_of};
use netbootd_dhcp::v4::option::{MessageType, REQUESTED_ADDRESS};
use netbootd_dhcp::v4::{Answer, Arrival, Destination, Packet, Reply, proxy};
use netbootd_net::frame::FrameSender;
use netbootd_net::outbox::Unsent;
use netbootd_net::shared::SharedSocket;
use netbootd_telemetry::event::{Event, Proto};
use pxe_policy::Class;

use super::port::{Heard, MAX_PACKET, Port};
use crate::dhcp_server::DhcpServer;
use crate::services::{Services, begin};

/// Listens on one interface's port 67.
#[derive(Debug)]
pub struct DhcpListener {
    services: Arc<Services>,
    port: Port,
    frames: Option<Arc<FrameSender>>,
    dhcp_server: Option<Arc<DhcpServer>>,
}

impl DhcpListener {
    /// Binds the port on this interface, or shares the socket that is there. With an address server the full DHCP service runs, else the
    /// proxy.
    pub fn bind(
        services: Arc<Services>,
        iface: Iface,
        frames: Option<Arc<FrameSender>>,
        dhcp_server: Option<Arc<DhcpServer>>,
        shared: Option<&mut SharedSocket>,
    ) -> io::Result<Self> {
        let pulse = services.network.heartbeat.pulse(format!("dhcp on {}", iface.name));
        let port = Port::open(iface, SERVER_PORT, shared, pulse)?;
        Ok(DhcpListener { services, port, frames, dhcp_server })
    }

    /// Serves until the services stop.
    pub async fn run(self) {
        let mut listener = Arc::new(self);
        let mut buf = [0; MAX_PACKET];
        let mut changes = listener.services.network.interfaces.changes();
        loop {
            let received = match listener
                .port
                .receive(&mut buf, &listener.services.lifecycle.stopping, &mut changes)
                .await
            {
                Heard::Datagram(received) => received,
                Heard::Moved(port) => {
                    listener = Arc::new(listener.on(port));
                    continue;
                }
                Heard::Stopped => return,
            };
            match Packet::parse(&buf[..received.len]) {
                Err(error) => {
                    let arrival = listener.port.arrival(received.to, received.from);
                    listener.services.malformed(error, &arrival, listener.proto());
                }
                Ok(packet) if listener.looks_at(&packet, received.to, received.from) => {
                    listener.dispatch(packet, received.to, received.from).await;
                }
                Ok(_) => {}
            }
        }
    }

    /// The same on another port; what is under way goes on with the former one.
    fn on(&self, port: Port) -> Self {
        let (frames, dhcp_server) = (self.frames.clone(), self.dhcp_server.clone());
        DhcpListener { services: Arc::clone(&self.services), port, frames, dhcp_server }
    }

    fn looks_at(&self, packet: &Packet, to: Ipv4Addr, from: SocketAddrV4) -> bool {
        let holds_lease = || self.dhcp_server.as_ref().is_some_and(|server| server.holds_lease(packet.mac()));
        self.services.looks_at(packet, &self.port.arrival(to, from), self.proto(), holds_lease)
    }

    fn proto(&self) -> Proto {
        if self.dhcp_server.is_some() { Proto::Dhcp } else { Proto::Proxy }
    }

    async fn dispatch(self: &Arc<Self>, packet: Packet, to: Ipv4Addr, from: SocketAddrV4) {
        if class_of(&packet) == Some(Class::Bsdp) && self.services.netboot.is_some() {
            self.dispatch_mac(&packet, to, from);
            let wants_address = packet.message_type() != MessageType::Inform;
            if self.dhcp_server.is_none() || !wants_address {
                return;
            }
        }
        let Some(dhcp_server) = self.dhcp_server.clone() else {
            if self.services.snapshot.load().directories.is_empty() {
                let arrival = self.port.arrival(to, from);
                let answer = self.as_proxy(&packet, &arrival, &[]);
                if answer.gives.is_none() {
                    return self.perform(answer).await;
                }
                // What it gives is written to the disk first; other machines do not wait for that.
                let listener = Arc::clone(self);
                let work = async move { listener.perform(answer).await };
                return self.services.beside(&self.port.iface.name, work).await;
            }
            return self.dispatch_to_directories(packet, to, from).await;
        };
        // A lease waits for the disk and maybe for a conflict probe; other machines do not wait for it.
        let Some(permit) = dhcp_server.admit() else {
            return self.services.too_many_wait(&self.port.iface.name);
        };
        let listener = Arc::clone(self);
        let work = async move {
            let arrival = listener.port.arrival(to, from);
            if let Some(answer) = dhcp_server.answer(&listener.services, &packet, &arrival).await {
                listener.perform(answer).await;
            }
            drop(permit);
        };
        begin(work).await;
    }

    /// Directories and the ledger take their time; other machines do not wait for them.
    async fn dispatch_to_directories(self: &Arc<Self>, packet: Packet, to: Ipv4Addr, from: SocketAddrV4) {
        let listener = Arc::clone(self);
        let work = async move {
            let arrival = listener.port.arrival(to, from);
            let answers = match boot_request(&packet, &arrival) {
                Ok(request) if packet.message_type() == MessageType::Discover => {
                    listener.services.consult(&request).await
                }
                _ => Vec::new(),
            };
            let answer = listener.as_proxy(&packet, &arrival, &answers);
            listener.perform(answer).await;
        };
        self.services.beside(&self.port.iface.name, work).await;
    }

    /// A Mac's choice waits for the disk; other machines do not wait for it.
    fn dispatch_mac(self: &Arc<Self>, packet: &Packet, to: Ipv4Addr, from: SocketAddrV4) {
        let Some(netboot) = self.services.netboot.clone() else { return };
        let Some(permit) = netboot.admit() else {
            return self.services.too_many_wait(&self.port.iface.name);
        };
        let addr = packet.header.ciaddr();
        let addr = if addr.is_unspecified() && packet.relay().is_none() { *from.ip() } else { addr };
        self.services.machines.uses(packet.mac(), addr);
        let (listener, packet) = (Arc::clone(self), packet.clone());
        tokio::spawn(async move {
            let arrival = listener.port.arrival(to, from);
            let (reply, event) = netboot.answer(&listener.services, &packet, &arrival).await;
            if let Some(Reply { to: Destination::Unicast(to), bytes, .. }) = &reply
                && let Err(limited) = listener.services.may_send((*to.ip()).into(), bytes.len())
            {
                let silence = || Answer::silence(&packet, &arrival, Proto::Bsdp, limited.reason);
                return listener.services.leave_alone(limited, silence);
            }
            match reply.map_or(Ok(()), |reply| listener.send(&reply)) {
                Ok(()) => listener.services.recorder.record(event),
                Err(unsent) => listener.services.unsent(event, &unsent, listener.port.iface.index),
            }
            drop(permit);
        });
    }

    fn as_proxy(&self, packet: &Packet, arrival: &Arrival<'_>, answers: &[pxe_policy::Answer]) -> Answer {
        let snapshot = self.services.snapshot.load();
        if snapshot.config.dhcp.mode == Mode::Off {
            return Answer::silence(packet, arrival, Proto::Proxy, pxe_policy::Reason::Disabled);
        }
        // The address that a client asks its own DHCP server for is the one its files will be fetched from.
        if let Some(addr) = packet.address(REQUESTED_ADDRESS) {
            self.notes_address(packet, addr);
        }
        proxy::answer(packet, arrival, snapshot.boot_service(), |request| {
            self.services.decide(request, answers)
        })
    }

    /// Hosts that do not ask to boot are remembered only when they did before: an office has more of them than there are places.
    fn notes_address(&self, packet: &Packet, addr: Ipv4Addr) {
        let machines = &self.services.machines;
        if class_of(packet).is_some() || machines.by_mac(packet.mac()).is_some() {
            machines.claims(packet.mac(), addr);
        }
    }

    async fn perform(&self, answer: Answer) {
        let Some(answer) = self.services.bounded(answer) else { return };
        let Answer { reply, event, .. } = self.services.commit(answer).await;
        match reply.map_or(Ok(()), |reply| self.send(&reply)) {
            Ok(()) => self.services.recorder.record(Event::Decided(event)),
            Err(unsent) => self.services.unsent(Event::Decided(event), &unsent, self.port.iface.index),
        }
    }

    fn send(&self, reply: &Reply) -> Result<(), Unsent> {
        if let (Destination::Direct { mac, to }, Some(frames)) = (reply.to, &self.frames) {
            let from = SocketAddrV4::new(reply.from, SERVER_PORT);
            return Ok(frames.send(self.port.iface.index, mac, from, to, &reply.bytes)?);
        }
        self.port.send(reply, &self.services.network.neighbours)
    }
}
