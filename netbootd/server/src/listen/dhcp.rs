//! Port 67, one socket an interface. Ends once the services stop; a reply under way is then
//! dropped.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use netbootd_config::Mode;
use netbootd_dhcp::Iface;
use netbootd_dhcp::v4::destination::SERVER_PORT;
use netbootd_dhcp::v4::intake::{boot_request, class_of};
use netbootd_dhcp::v4::option::{MessageType, REQUESTED_ADDRESS};
use netbootd_dhcp::v4::{Answer, Arrival, Packet, is_probe, proxy};
use netbootd_net::frame::FrameSender;
use netbootd_net::shared::SharedSocket;
use netbootd_telemetry::event::Proto;
use pxe_policy::Class;

use super::port::{Datagram, Handler, Port};
use crate::bsdp_server::BsdpServer;
use crate::dhcp_server::DhcpServer;
use crate::services::{Services, begin};

/// Listens on one interface's port 67.
#[derive(Debug)]
pub struct DhcpListener {
    port: Port,
    service: Arc<DhcpService>,
}

/// The service behind the port: the full one with a DHCP server, else the proxy.
#[derive(Debug)]
struct DhcpService {
    services: Arc<Services>,
    dhcp_server: Option<Arc<DhcpServer>>,
}

impl DhcpListener {
    /// Binds the port on this interface, or shares the socket that is there.
    pub fn bind(
        services: Arc<Services>,
        iface: Iface,
        frames: Option<Arc<FrameSender>>,
        dhcp_server: Option<Arc<DhcpServer>>,
        shared: Option<&mut SharedSocket>,
    ) -> io::Result<Self> {
        let pulse = services.network.heartbeat.pulse(format!("dhcp on {}", iface.name));
        let port = Port::open(iface, SERVER_PORT, shared, pulse)?.with_frames(frames);
        Ok(DhcpListener { port, service: Arc::new(DhcpService { services, dhcp_server }) })
    }

    /// Serves until the services stop.
    pub async fn run(self) {
        let services = Arc::clone(&self.service.services);
        self.port.serve(&services, self.service).await;
    }
}

impl Handler for DhcpService {
    async fn handle(self: &Arc<Self>, port: &Arc<Port>, datagram: Datagram<'_>) {
        // An IPv4 socket receives nothing else.
        let (SocketAddr::V4(from), IpAddr::V4(to)) = (datagram.from, datagram.to) else { return };
        let arrival = port.arrival(to, from);
        let packet = match Packet::parse(datagram.bytes) {
            Ok(packet) => packet,
            Err(error) => return self.services.malformed(error, &arrival, self.proto()),
        };
        let holds_lease = || self.dhcp_server.as_ref().is_some_and(|server| server.holds_lease(packet.mac()));
        if self.services.looks_at(&packet, &arrival, self.proto(), holds_lease) {
            self.dispatch(port, packet, to, from).await;
        }
    }
}

impl DhcpService {
    fn proto(&self) -> Proto {
        if self.dhcp_server.is_some() { Proto::Dhcp } else { Proto::Proxy }
    }

    async fn dispatch(self: &Arc<Self>, port: &Arc<Port>, packet: Packet, to: Ipv4Addr, from: SocketAddrV4) {
        if class_of(&packet) == Some(Class::Bsdp)
            && let Some(netboot) = &self.services.netboot
        {
            self.answer_mac(netboot, port, &packet, to, from);
            let wants_address = packet.message_type() != MessageType::Inform;
            if self.dhcp_server.is_none() || !wants_address {
                return;
            }
        }
        match &self.dhcp_server {
            Some(server) => self.answer_as_server(server, port, packet, to, from).await,
            None if self.services.snapshot.load().directories.is_empty() => {
                let answer = self.as_proxy(&packet, &port.arrival(to, from), &[]);
                if answer.gives.is_none() {
                    port.deliver(&self.services, answer).await;
                    return;
                }
                // A gift is written to the disk first; other machines do not wait for that.
                let (services, answering) = (Arc::clone(&self.services), Arc::clone(port));
                let work = async move { drop(answering.deliver(&services, answer).await) };
                self.services.beside(&port.iface.name, work).await;
            }
            None => self.answer_with_directories(port, packet, to, from).await,
        }
    }

    /// A lease waits for the disk and maybe for a conflict probe; other machines do not wait for
    /// it.
    async fn answer_as_server(
        self: &Arc<Self>,
        server: &Arc<DhcpServer>,
        port: &Arc<Port>,
        packet: Packet,
        to: Ipv4Addr,
        from: SocketAddrV4,
    ) {
        let Some(permit) = server.admit() else {
            return self.services.too_many_wait(&port.iface.name);
        };
        let (services, server, port) = (Arc::clone(&self.services), Arc::clone(server), Arc::clone(port));
        let work = async move {
            let arrival = port.arrival(to, from);
            if let Some(answer) = server.answer(&services, &packet, &arrival).await {
                port.deliver(&services, answer).await;
            }
            drop(permit);
        };
        begin(work).await;
    }

    /// Directories and the ledger take their time; other machines do not wait for them.
    async fn answer_with_directories(
        self: &Arc<Self>,
        port: &Arc<Port>,
        packet: Packet,
        to: Ipv4Addr,
        from: SocketAddrV4,
    ) {
        let (service, answering) = (Arc::clone(self), Arc::clone(port));
        let work = async move {
            let arrival = answering.arrival(to, from);
            let answers = match boot_request(&packet, &arrival) {
                Ok(request) if packet.message_type() == MessageType::Discover => {
                    service.services.consult(&request).await
                }
                _ => Vec::new(),
            };
            let answer = service.as_proxy(&packet, &arrival, &answers);
            answering.deliver(&service.services, answer).await;
        };
        self.services.beside(&port.iface.name, work).await;
    }

    /// A Mac's choice waits for the disk; other machines do not wait for it.
    fn answer_mac(
        &self,
        netboot: &Arc<BsdpServer>,
        port: &Arc<Port>,
        packet: &Packet,
        to: Ipv4Addr,
        from: SocketAddrV4,
    ) {
        let Some(permit) = netboot.admit() else {
            return self.services.too_many_wait(&port.iface.name);
        };
        let addr = packet.header.ciaddr();
        let addr = if addr.is_unspecified() && packet.relay().is_none() { *from.ip() } else { addr };
        self.services.machines.uses(packet.mac(), addr);
        let (services, port) = (Arc::clone(&self.services), Arc::clone(port));
        let (netboot, packet) = (Arc::clone(netboot), packet.clone());
        tokio::spawn(async move {
            let arrival = port.arrival(to, from);
            let (reply, event) = netboot.answer(&services, &packet, &arrival).await;
            if let Some(reply) = &reply
                && let Err(limited) = port.may_leave(&services, reply)
            {
                let silence = || Answer::silence(&packet, &arrival, Proto::Bsdp, limited.reason).event;
                return services.leave_alone(limited, silence);
            }
            port.send(&services, reply, event);
            drop(permit);
        });
    }

    fn as_proxy(&self, packet: &Packet, arrival: &Arrival<'_>, answers: &[pxe_policy::Answer]) -> Answer {
        let snapshot = self.services.snapshot.load();
        if snapshot.config.dhcp.mode == Mode::Off {
            return Answer::silence(packet, arrival, Proto::Proxy, pxe_policy::Reason::Disabled);
        }
        // The address that a client asks its own DHCP server for is the one its files will be
        // fetched from.
        if let Some(addr) = packet.address(REQUESTED_ADDRESS) {
            self.note_address(packet, addr);
        }
        proxy::answer(packet, arrival, snapshot.boot_service(), |request| {
            self.services.decide_of(request, answers, is_probe(packet))
        })
    }

    /// Hosts that do not ask to boot are remembered only when they did before: an office has more
    /// of them than there are places.
    fn note_address(&self, packet: &Packet, addr: Ipv4Addr) {
        let machines = &self.services.machines;
        if class_of(packet).is_some() || machines.by_mac(packet.mac()).is_some() {
            machines.claims(packet.mac(), addr);
        }
    }
}
