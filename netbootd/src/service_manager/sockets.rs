//! The sockets that systemd has opened, by the names that their units give them (`FileDescriptorName=`).

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use listenfd::ListenFd;

/// What was handed over and is not in use yet.
#[derive(Debug, Default)]
pub struct Sockets {
    udp: HashMap<String, UdpSocket>,
    tcp: HashMap<String, TcpListener>,
}

impl Sockets {
    /// Takes over what the environment speaks of, which it says no more afterwards: to be called before there are threads.
    pub fn take() -> Result<Self, String> {
        let unreadable = |error: std::io::Error| format!("cannot read the sockets of systemd: {error}");
        let names: Vec<String> = match sd_notify::listen_fds_with_names() {
            Ok(named) => named.map(|(_, name)| name).collect(),
            Err(error) => return Err(unreadable(error)),
        };
        let (mut handed_over, mut sockets) = (ListenFd::from_env(), Sockets::default());
        for (at, name) in names.into_iter().enumerate() {
            let was_there = match name.as_str() {
                "dhcp" | "pxe" | "tftp" => {
                    let socket = handed_over.take_udp_socket(at).map_err(unreadable)?;
                    socket.and_then(|socket| sockets.udp.insert(name.clone(), socket)).is_some()
                }
                "http" => {
                    let socket = handed_over.take_tcp_listener(at).map_err(unreadable)?;
                    socket.and_then(|socket| sockets.tcp.insert(name.clone(), socket)).is_some()
                }
                _ => {
                    return Err(format!(
                        "systemd hands over a socket named {name:?}; known are dhcp, pxe, tftp and http (FileDescriptorName=)"
                    ));
                }
            };
            if was_there {
                return Err(format!(
                    "systemd hands over two sockets named {name:?}; one for all interfaces is used"
                ));
            }
        }
        Ok(sockets)
    }

    /// The UDP socket of this name, which must be bound to this port.
    pub fn udp(&mut self, name: &str, port: u16) -> Result<Option<UdpSocket>, String> {
        let Some(socket) = self.udp.remove(name) else { return Ok(None) };
        let bound = socket.local_addr().map_err(|error| format!("the socket {name} of systemd: {error}"))?;
        suits(name, bound, port).map(|()| Some(socket))
    }

    /// The TCP socket of this name, which must be bound to this port.
    pub fn tcp(&mut self, name: &str, port: u16) -> Result<Option<TcpListener>, String> {
        let Some(socket) = self.tcp.remove(name) else { return Ok(None) };
        let bound = socket.local_addr().map_err(|error| format!("the socket {name} of systemd: {error}"))?;
        suits(name, bound, port).map(|()| Some(socket))
    }

    /// The names of what nobody has taken.
    pub fn left(&self) -> impl Iterator<Item = &str> {
        self.udp.keys().chain(self.tcp.keys()).map(String::as_str)
    }
}

/// Clients are told the port of the configuration.
fn suits(name: &str, bound: SocketAddr, port: u16) -> Result<(), String> {
    match bound {
        SocketAddr::V4(bound) if bound.port() == port => Ok(()),
        _ => Err(format!(
            "the socket {name} of systemd is bound to {bound}, and port {port} of IPv4 is wanted: write 0.0.0.0:{port} in its unit"
        )),
    }
}
