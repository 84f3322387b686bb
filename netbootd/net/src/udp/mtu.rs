//! The MTU of the way to a peer.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};

use super::message::mtu_of;

/// A route of the kernel's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The own address that packets leave from.
    pub from: Ipv4Addr,
    /// Its MTU in bytes.
    pub mtu: u16,
}

/// The MTU of the route to `peer` in bytes, as the kernel knows it; for IPv6 what every link
/// carries.
pub fn path_mtu(peer: SocketAddr) -> Option<u16> {
    let SocketAddr::V4(peer) = peer else { return Some(MIN_MTU_V6) };
    let mtu = ASKING.with_borrow_mut(|asking| {
        let known = asking.as_ref().and_then(|socket| mtu_to(socket, peer));
        // A socket stays with the own address of its first route, which may be gone.
        known.or_else(|| {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
            mtu_to(asking.insert(socket), peer)
        })
    })?;
    // Loopback says 65536.
    Some(u16::try_from(mtu).unwrap_or(u16::MAX))
}

/// The own address and the MTU of the route to `peer`; None without a route.
pub fn route_to(peer: SocketAddrV4) -> Option<Route> {
    // A socket of its own: one that was connected before keeps its first own address.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    let mtu = u16::try_from(mtu_to(&socket, peer)?).unwrap_or(u16::MAX);
    let SocketAddr::V4(from) = socket.local_addr().ok()? else { return None };
    Some(Route { from: *from.ip(), mtu })
}

fn mtu_to(socket: &UdpSocket, peer: SocketAddrV4) -> Option<i32> {
    socket.connect(peer).ok()?;
    mtu_of(socket)
}

thread_local! {
    /// Nothing is sent by it.
    static ASKING: RefCell<Option<UdpSocket>> = const { RefCell::new(None) };
}

/// No link of IPv6 carries less (RFC 8200 §5). The kernel's own knowledge of a path has no safe way
/// here.
const MIN_MTU_V6: u16 = 1280;
