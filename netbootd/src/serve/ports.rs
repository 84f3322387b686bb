//! The ports: which interfaces are served, and a listener for each port of theirs.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::Arc;

use netbootd_config::{Config, Mode, Ports};
use netbootd_dhcp::Iface;
use netbootd_net::flood_filter::Purpose;
use netbootd_net::frame::FrameSender;
use netbootd_net::iface;
use netbootd_net::os::is_taken;
use netbootd_net::shared::SharedSocket;
use netbootd_net::with_causes;
use netbootd_server::daemon::Daemon;
use netbootd_server::dhcp_server::{self, DhcpServer};
use netbootd_server::listen::dhcp::DhcpListener;
use netbootd_server::listen::http::HttpListener;
use netbootd_server::listen::pxe::PxeListener;
use netbootd_server::listen::rogue_offers::RogueOfferListener;
use netbootd_server::listen::tftp::TftpListener;
use netbootd_server::services::Services;
use netbootd_web::status::StatusListener;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::ipv6;
use crate::failure::Failure;
use crate::service_manager::{SocketError, Sockets};

/// The interfaces that the configuration names, or every one with an address.
pub(super) fn chosen_ifaces(config: &Config) -> Result<Vec<Iface>, Failure> {
    let unreadable = |error| Failure::Unusable(format!("cannot list the network interfaces: {error}"));
    let wanted = &config.server.interfaces;
    let found = iface::list(!wanted.is_empty()).map_err(unreadable)?;
    if wanted.is_empty() {
        if found.is_empty() {
            return Err(Failure::Unusable("no network interface has an address".into()));
        }
        return Ok(found);
    }
    let mut chosen = Vec::with_capacity(wanted.len());
    for name in wanted {
        let Some(iface) = found.iter().find(|iface| iface.name == *name) else {
            let known: Vec<&str> = found.iter().map(|iface| iface.name.as_str()).collect();
            let message = format!(
                "interface {name} is not there, not up, or has no address; there are: {}",
                known.join(", ")
            );
            return Err(Failure::Unusable(message));
        };
        chosen.push(iface.clone());
    }
    Ok(chosen)
}

/// Listens on 67, 68 and 4011 of each interface.
pub(super) fn bind_dhcp(
    services: &Arc<Services>,
    ifaces: &[Iface],
    dhcp_server: Option<&Arc<DhcpServer>>,
    sockets: &mut Sockets,
    tasks: &mut JoinSet<()>,
) -> Result<(), Failure> {
    let snapshot = services.snapshot.load();
    let dhcp = &snapshot.config.dhcp;
    if dhcp.mode == Mode::Off && services.netboot.is_none() {
        return Ok(());
    }
    let frames = match FrameSender::open() {
        Ok(frames) => Some(Arc::new(frames)),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            info!(%error, "clients without an address are answered by broadcast");
            None
        }
        Err(error) => {
            warn!(%error, "no raw frames (CAP_NET_RAW): clients without an address are answered by broadcast");
            None
        }
    };
    if dhcp.mode == Mode::Server
        && dhcp.conflict_probe
        && let Err(error) = dhcp_server::can_probe()
    {
        warn!(%error, "no conflict probes (CAP_NET_RAW)");
    }
    let shared = |socket: Result<Option<UdpSocket>, SocketError>| -> Result<Option<SharedSocket>, Failure> {
        let socket = socket.map_err(Failure::unusable)?;
        let shared = socket.map(|socket| SharedSocket::adopt(socket, Purpose::Dhcp)).transpose();
        shared.map_err(|error| Failure::Unusable(format!("cannot use a socket of systemd: {error}")))
    };
    let both = dhcp.ports == Ports::Both;
    let mut on_67 = if both { shared(sockets.udp("dhcp", 67))? } else { None };
    let mut on_4011 = if dhcp.mode == Mode::Off { None } else { shared(sockets.udp("pxe", 4011))? };
    for iface in ifaces.iter().filter(|iface| !iface.addrs.is_empty()) {
        if both {
            let listener = DhcpListener::bind(
                Arc::clone(services),
                iface.clone(),
                frames.clone(),
                dhcp_server.cloned(),
                on_67.as_mut(),
            );
            let listener = listener.map_err(|error| cannot_bind(&error, 67, Some(iface)))?;
            tasks.spawn(listener.run());
        }
        if dhcp.mode == Mode::Off {
            continue;
        }
        match RogueOfferListener::bind(Arc::clone(services), iface.clone()) {
            Ok(listener) => drop(tasks.spawn(listener.run())),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                info!(iface = iface.name, %error, "offers of other servers are not seen");
            }
            Err(error) => {
                info!(iface = iface.name, %error, "port 68 is taken: offers of other servers are not seen");
            }
        }
        let listener = PxeListener::bind(Arc::clone(services), iface.clone(), on_4011.as_mut());
        let listener = listener.map_err(|error| cannot_bind(&error, 4011, Some(iface)))?;
        tasks.spawn(listener.run());
    }
    for (name, shared) in [("dhcp socket", on_67), ("pxe socket", on_4011)] {
        if let Some(shared) = shared {
            tasks.spawn(
                shared.run(services.network.heartbeat.pulse(name), services.lifecycle.shutdown.clone()),
            );
        }
    }
    Ok(())
}

/// Listens for TFTP, HTTP and HTTPS.
pub(super) async fn bind_files(
    services: &Arc<Services>,
    ifaces: &[Iface],
    sockets: &mut Sockets,
    tasks: &mut JoinSet<()>,
) -> Result<(), Failure> {
    let snapshot = services.snapshot.load_full();
    let (tftp, http) = (&snapshot.config.tftp, &snapshot.config.http);
    let every = snapshot.config.server.interfaces.is_empty();
    let given = if tftp.enabled { sockets.udp("tftp", tftp.port).map_err(Failure::unusable)? } else { None };
    let handed_over = given.is_some();
    if let Some(socket) = given {
        let listener = TftpListener::adopt(Arc::clone(services), socket, if every { &[] } else { ifaces });
        tasks.spawn(listener.map_err(|error| cannot_bind(&error, tftp.port, None))?.run());
    }
    if tftp.enabled {
        let on: Vec<Option<&Iface>> = match every {
            true => vec![None],
            false => ifaces.iter().map(Some).collect(),
        };
        for iface in on {
            let bind = |addr| TftpListener::bind(Arc::clone(services), iface, addr, tftp.port);
            if !handed_over {
                let listener = bind(Ipv4Addr::UNSPECIFIED.into());
                tasks.spawn(listener.map_err(|error| cannot_bind(&error, tftp.port, iface))?.run());
            }
            let listener = ipv6::unless_missing(bind(Ipv6Addr::UNSPECIFIED.into()));
            let listener = listener.map_err(|error| cannot_bind(&error, tftp.port, iface))?;
            if let Some(listener) = listener {
                tasks.spawn(listener.run());
            }
        }
    }
    if http.enabled {
        let listener = match sockets.tcp("http", http.port).map_err(Failure::unusable)? {
            Some(socket) => HttpListener::adopt(Arc::clone(services), socket),
            None => HttpListener::bind(Arc::clone(services), http.port).await,
        };
        let mut listener = listener.map_err(|error| cannot_bind(&error, http.port, None))?;
        ipv6::unless_missing(listener.bind_ipv6()).map_err(|error| cannot_bind(&error, http.port, None))?;
        tasks.spawn(listener.run());
    }
    if let Some(https) = &snapshot.config.https {
        services.https.load(https).map_err(|error| Failure::Unusable(with_causes(&error)))?;
        let listener = HttpListener::bind_tls(Arc::clone(services), https.port).await;
        let mut listener = listener.map_err(|error| cannot_bind(&error, https.port, None))?;
        ipv6::unless_missing(listener.bind_ipv6()).map_err(|error| cannot_bind(&error, https.port, None))?;
        tasks.spawn(listener.run());
    }
    Ok(())
}

/// Listens for the status API and the page. The port of the built-in default may be taken: netbootd
/// starts without it.
pub(super) async fn bind_status(daemon: &Arc<Daemon>, tasks: &mut JoinSet<()>) -> Result<(), Failure> {
    let Some(settings) = daemon.services.snapshot.load().config.status.clone() else { return Ok(()) };
    let listen = settings.listen;
    let chosen = settings.chosen;
    match StatusListener::bind(Arc::clone(daemon), settings).await {
        Ok(listener) => drop(tasks.spawn(listener.run())),
        Err(error) if chosen => return Err(Failure::Unusable(format!("cannot listen on {listen}: {error}"))),
        Err(error) => warn!(%listen, %error, "no status port"),
    }
    Ok(())
}

/// The failure for a port that cannot be bound, with the way out.
pub(super) fn cannot_bind(error: &io::Error, port: u16, iface: Option<&Iface>) -> Failure {
    let on = iface.map_or_else(|| Ipv4Addr::UNSPECIFIED.to_string(), |iface| iface.name.clone());
    match error.kind() {
        _ if is_taken(error) => Failure::Unusable(format!(
            "port {port} on {on} is taken by another program; stop it, or give this service another port"
        )),
        io::ErrorKind::PermissionDenied => Failure::Permission(format!(
            "no permission for port {port} on {on}: run as root, or with CAP_NET_BIND_SERVICE and CAP_NET_RAW"
        )),
        _ => Failure::Unusable(format!("cannot bind port {port} on {on}: {error}")),
    }
}
