//! One question on port 4011, and its answer.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use netbootd_dhcp::SharedError;
use netbootd_dhcp::v4::Packet;
use netbootd_dhcp::v4::destination::BOOT_SERVER_PORT;
use netbootd_dhcp::v4::forward::{self, Told, Unusable};
use pxe_policy::Reason;
use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::error::NoAddress;
use crate::settings::Relay;

/// Asks, and asks again, until an answer for this machine comes or time is up.
pub(super) async fn ask(settings: &Relay, packet: &Packet, local: Ipv4Addr) -> Result<Told, Unusable> {
    let deadline = Instant::now() + settings.timeout;
    let responder = address_of(&settings.responder).await;
    let responder = responder.map_err(|error| Unusable::NoAddress(SharedError::new(error)))?;
    let to = SocketAddrV4::new(responder, BOOT_SERVER_PORT);
    let failed = |error| Unusable::Unreachable { to, error: SharedError::new(error) };
    let socket = UdpSocket::bind((local, 0)).await.map_err(failed)?;
    let question = forward::ask(packet, local);
    let mut buf = [0; MAX_PACKET];
    let mut unusable = Unusable::NoAnswer { to, within: settings.timeout };
    let mut wait = FIRST_WAIT;
    loop {
        socket.send_to(&question, to).await.map_err(failed)?;
        let again = (Instant::now() + wait).min(deadline);
        wait *= 2;
        loop {
            let heard = match tokio::time::timeout_at(again, socket.recv_from(&mut buf)).await {
                Err(_) => break,
                // A closed port says so by ICMP; the responder may be starting.
                Ok(Err(error)) => {
                    unusable = failed(error);
                    tokio::time::sleep_until(again).await;
                    break;
                }
                Ok(Ok(heard)) => heard,
            };
            let (len, from) = heard;
            if from.ip() != IpAddr::V4(responder) {
                continue; // nobody asked it
            }
            match forward::read(packet, &buf[..len]) {
                // One for another machine says nothing of this one's.
                Err(other) if other.reason() == Reason::RelayOtherMachine => unusable = other,
                read => return read,
            }
        }
        if Instant::now() >= deadline {
            return Err(unusable);
        }
    }
}

/// The address behind a name.
pub(super) async fn address_of(name: &str) -> Result<Ipv4Addr, NoAddress> {
    let found = tokio::net::lookup_host((name, BOOT_SERVER_PORT)).await;
    let mut found = found.map_err(|error| NoAddress::Lookup { name: name.to_owned(), error })?;
    let address = found.find_map(|addr| match addr {
        SocketAddr::V4(addr) => Some(*addr.ip()),
        SocketAddr::V6(_) => None,
    });
    address.ok_or_else(|| NoAddress::NoIpv4 { name: name.to_owned() })
}

const FIRST_WAIT: Duration = Duration::from_millis(700);
const MAX_PACKET: usize = 2048;
