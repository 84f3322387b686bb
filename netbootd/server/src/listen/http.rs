//! The boot HTTP port: files of the boot tree, whole or in ranges.
//!
//! Ends once the services stop; answers under way go on to their end, or to the shutdown, which
//! closes every connection.

mod answer;
mod body;
mod conditions;
mod connection;
mod exchange;
mod handover;
pub mod range;
mod record;
mod report;
mod stream;
mod tls;
mod waiting;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use netbootd_net::heartbeat::Pulse;
use netbootd_net::os;
use netbootd_telemetry::event::Proto;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tracing::warn;

use crate::limits::session_limits::Place;
use crate::services::Services;
pub use answer::{PROBE_AGENT, decode};
use tls::Tls;
use waiting::Waiting;

/// Listens for connections on IPv4 and IPv6.
#[derive(Debug)]
pub struct HttpListener {
    services: Arc<Services>,
    listener: TcpListener,
    ipv6: Option<(TcpListener, Pulse)>,
    pulse: Pulse,
    waiting: Arc<Waiting>,
    tls: Option<Tls>,
}

impl HttpListener {
    /// Binds the port on all IPv4 addresses of the host.
    pub async fn bind(services: Arc<Services>, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
        let pulse = services.network.heartbeat.pulse("http");
        Ok(HttpListener { services, listener, ipv6: None, pulse, waiting: Arc::default(), tls: None })
    }

    /// Binds the HTTPS port on all IPv4 addresses of the host.
    pub async fn bind_tls(services: Arc<Services>, port: u16) -> io::Result<Self> {
        let tls = Some(Tls::new(&services)?);
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
        let pulse = services.network.heartbeat.pulse("https");
        Ok(HttpListener { services, listener, ipv6: None, pulse, waiting: Arc::default(), tls })
    }

    /// Takes over a bound socket.
    pub fn adopt(services: Arc<Services>, listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let pulse = services.network.heartbeat.pulse("http");
        Ok(HttpListener {
            services,
            listener: TcpListener::from_std(listener)?,
            ipv6: None,
            pulse,
            waiting: Arc::default(),
            tls: None,
        })
    }

    /// Binds the port on all IPv6 addresses too, by a socket of its own.
    pub fn bind_ipv6(&mut self) -> io::Result<()> {
        let socket = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_only_v6(true)?;
        os::let_rebind(&socket)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, self.port()?)).into())?;
        socket.listen(QUEUE)?;
        let name = if self.tls.is_some() { "https over IPv6" } else { "http over IPv6" };
        let pulse = self.services.network.heartbeat.pulse(name);
        self.ipv6 = Some((TcpListener::from_std(socket.into())?, pulse));
        Ok(())
    }

    /// The port that the listener is bound to.
    pub fn port(&self) -> io::Result<u16> {
        self.listener.local_addr().map(|addr| addr.port())
    }

    /// Accepts connections until the services stop.
    pub async fn run(self) {
        let second = async {
            if let Some((listener, pulse)) = &self.ipv6 {
                self.serve(listener, pulse).await;
            }
        };
        tokio::join!(self.serve(&self.listener, &self.pulse), second);
    }

    async fn serve(&self, listener: &TcpListener, pulse: &Pulse) {
        loop {
            // A connection waits in the kernel's queue until there is a place, or one to be had
            // from a client that asks for nothing.
            let places = &self.services.limits.connections;
            let most = || self.services.snapshot.load().config.http.max_connections;
            let next = async {
                tokio::select! {
                    () = places.room(most) => {}
                    () = self.waiting.any() => {}
                }
                listener.accept().await
            };
            let accepted = tokio::select! {
                accepted = pulse.during(next) => accepted,
                () = self.services.lifecycle.stopping.cancelled() => return,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(proto = %Proto::Http, %error, "accepting failed");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            if let Some(place) = self.place(&stream, peer) {
                let (services, waiting) = (Arc::clone(&self.services), Arc::clone(&self.waiting));
                tokio::spawn(connection::serve(services, stream, peer, place, waiting, self.tls.clone()));
            }
        }
    }

    /// A place for a connection: a free one, or that of the connection which asks for nothing for
    /// longest. Without one it is closed.
    fn place(&self, stream: &TcpStream, peer: SocketAddr) -> Option<Place> {
        let services = &self.services;
        let local = stream.local_addr().ok()?;
        if !services.serves_on(local.ip()) || !services.snapshot.load().config.limits.allows_client(peer.ip())
        {
            services.disallows(Proto::Http, peer);
            return None;
        }
        let snapshot = services.snapshot.load();
        let bounds = snapshot.config.limits.connections(snapshot.config.http.max_connections);
        loop {
            match services.limits.connections.open(peer.ip(), &bounds) {
                Ok(place) => return Some(place),
                Err(full) if self.waiting.evict(full, peer.ip()) => {}
                Err(full) => {
                    services.refuses(Proto::Http, peer, full.into());
                    return None;
                }
            }
        }
    }
}

/// Connections that the kernel keeps until they are accepted, as for the other socket.
const QUEUE: i32 = 1024;
const PAUSE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
