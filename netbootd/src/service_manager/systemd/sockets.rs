//! The sockets that systemd has opened, by the names that their units give them
//! (`FileDescriptorName=`).

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use listenfd::ListenFd;
use thiserror::Error;

/// The sockets that were handed over and are not in use yet.
#[derive(Debug, Default)]
pub struct Sockets {
    udp: HashMap<String, UdpSocket>,
    tcp: HashMap<String, TcpListener>,
}

/// Why a socket of systemd cannot be used.
#[derive(Debug, Error)]
pub enum SocketError {
    /// The sockets that the environment names do not exist.
    #[error("cannot read the sockets of systemd")]
    Unreadable(#[source] io::Error),
    /// A name that no service has.
    #[error(
        "systemd hands over a socket named {0:?}; \
         known are dhcp, pxe, tftp and http (FileDescriptorName=)"
    )]
    UnknownName(String),
    /// Two of one name.
    #[error("systemd hands over two sockets named {0:?}; one for all interfaces is used")]
    Twice(String),
    /// One that cannot say where it is bound.
    #[error("the socket {name} of systemd")]
    Unbound {
        /// The name in the unit's `FileDescriptorName`.
        name: String,
        /// The system's error that stopped it.
        source: io::Error,
    },
    /// Another port than that of the configuration.
    #[error(
        "the socket {name} of systemd is bound to {bound}, and port {port} of IPv4 is wanted: \
         write 0.0.0.0:{port} in its unit"
    )]
    OtherPort {
        /// The name in the unit's `FileDescriptorName`.
        name: String,
        /// Where it is bound.
        bound: SocketAddr,
        /// The port that is configured.
        port: u16,
    },
}

impl Sockets {
    /// Takes over what the environment speaks of, which it says no more afterwards: to be called
    /// before there are threads.
    pub fn inherit() -> Result<Self, SocketError> {
        let names: Vec<String> = match sd_notify::listen_fds_with_names() {
            Ok(named) => named.map(|(_, name)| name).collect(),
            Err(error) => return Err(SocketError::Unreadable(error)),
        };
        let (mut handed_over, mut sockets) = (ListenFd::from_env(), Sockets::default());
        for (at, name) in names.into_iter().enumerate() {
            let was_there = match name.as_str() {
                "dhcp" | "pxe" | "tftp" => {
                    let socket = handed_over.take_udp_socket(at).map_err(SocketError::Unreadable)?;
                    socket.and_then(|socket| sockets.udp.insert(name.clone(), socket)).is_some()
                }
                "http" => {
                    let socket = handed_over.take_tcp_listener(at).map_err(SocketError::Unreadable)?;
                    socket.and_then(|socket| sockets.tcp.insert(name.clone(), socket)).is_some()
                }
                _ => return Err(SocketError::UnknownName(name)),
            };
            if was_there {
                return Err(SocketError::Twice(name));
            }
        }
        Ok(sockets)
    }

    /// The UDP socket of this name, which must be bound to this port.
    pub fn udp(&mut self, name: &str, port: u16) -> Result<Option<UdpSocket>, SocketError> {
        let Some(socket) = self.udp.remove(name) else { return Ok(None) };
        suits(name, socket.local_addr(), port).map(|()| Some(socket))
    }

    /// The TCP socket of this name, which must be bound to this port.
    pub fn tcp(&mut self, name: &str, port: u16) -> Result<Option<TcpListener>, SocketError> {
        let Some(socket) = self.tcp.remove(name) else { return Ok(None) };
        suits(name, socket.local_addr(), port).map(|()| Some(socket))
    }

    /// The names of what nobody has taken.
    pub fn left(&self) -> impl Iterator<Item = &str> {
        self.udp.keys().chain(self.tcp.keys()).map(String::as_str)
    }
}

/// Clients learn the port of the configuration.
fn suits(name: &str, bound: io::Result<SocketAddr>, port: u16) -> Result<(), SocketError> {
    match bound {
        Ok(SocketAddr::V4(bound)) if bound.port() == port => Ok(()),
        Ok(bound) => Err(SocketError::OtherPort { name: name.to_owned(), bound, port }),
        Err(source) => Err(SocketError::Unbound { name: name.to_owned(), source }),
    }
}
