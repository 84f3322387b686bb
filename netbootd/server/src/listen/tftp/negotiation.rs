//! What holds for a transfer: what its client asks for, within what the configuration, the path and
//! the memory allow.

use std::net::SocketAddr;

use netbootd_net::udp::path_mtu;
use tftp::{Limits, Negotiated, RequestOptions, negotiate};

use crate::limits::budget::Share;
use crate::services::Services;

/// What is granted for a file of `size` bytes, with the bytes of its windows. Windows are smaller
/// while others have much under way.
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

fn limits(services: &Services, options: &RequestOptions, peer: SocketAddr) -> Limits {
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

/// IP, UDP and TFTP headers: a block this much smaller than the MTU is not fragmented.
fn headers(peer: SocketAddr) -> u16 {
    if peer.is_ipv4() { 32 } else { 52 }
}
