//! The negotiated options of a transfer: the client's, within the bounds of the configuration, the
//! path and the memory.

use std::net::SocketAddr;

use netbootd_diagnosis::step::SmallMtu;
use netbootd_net::udp::{path_mtu, route_to};
use tftp::{Negotiated, RequestOptions, ServerLimits, negotiate};

use crate::limits::budget::Share;
use crate::services::Services;

/// The granted options for a file of `size` bytes, with the bytes of its windows. Windows are
/// smaller while others have much under way.
pub(super) fn negotiated(
    services: &Services,
    options: &RequestOptions,
    peer: SocketAddr,
    size: u64,
) -> (Negotiated, Share) {
    let limits = limits(services, options, peer);
    let negotiated = negotiate(options, &limits, size);
    let share = share(services, &negotiated, size);
    if share.bytes() == negotiated.in_flight(size) {
        return (negotiated, share);
    }
    let limits = limits.with_windows_of(share.bytes(), negotiated.block_size);
    (negotiate(options, &limits, size), share)
}

/// The bytes of a transfer's window, or as many of them as are free, but never less than a block.
pub(super) fn share(services: &Services, negotiated: &Negotiated, size: u64) -> Share {
    let all = services.snapshot.load().config.limits.bytes_in_flight;
    let (wanted, least) = (negotiated.in_flight(size), u64::from(negotiated.block_size).min(size));
    services.limits.in_flight.reserve(wanted, least, all)
}

fn limits(services: &Services, options: &RequestOptions, peer: SocketAddr) -> ServerLimits {
    let snapshot = services.snapshot.load();
    let tftp = &snapshot.config.tftp;
    let mut limits = tftp.limits;
    if tftp.clamp_to_mtu
        && options.asks_for_blocks_over(tftp::DEFAULT_BLOCK_SIZE)
        && let Some(mtu) = path_mtu(peer)
    {
        limits.max_block_size =
            limits.max_block_size.min(mtu.saturating_sub(headers(peer))).max(tftp::MIN_BLOCK_SIZE);
    }
    if services.is_netbooting_mac(peer.ip()) {
        limits.max_block_size = limits.max_block_size.min(snapshot.config.netboot.max_block_size);
    }
    limits
}

/// The interface towards a client when its MTU is below the transfer's packets: they leave in
/// fragments, or not at all.
pub(super) fn small_mtu(services: &Services, peer: SocketAddr, block_size: u16) -> Option<SmallMtu> {
    let SocketAddr::V4(peer) = peer else { return None };
    let packet = u32::from(block_size) + u32::from(headers(peer.into()));
    let route = route_to(peer).filter(|route| packet > u32::from(route.mtu))?;
    let iface = services.network.interfaces.name_of(route.from)?;
    Some(SmallMtu { iface, mtu: route.mtu, block_size, packet })
}

/// IP, UDP and TFTP headers: a block this much smaller than the MTU is not fragmented.
fn headers(peer: SocketAddr) -> u16 {
    if peer.is_ipv4() { 32 } else { 52 }
}
