//! What a machine would get if it asked now.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use pxe_policy::{ArchType, BootRequest, Class, MacAddr, SystemUuid, explain};

use crate::net::iface::Iface;
use crate::services::Services;

/// A request as such a machine would make it on the first interface.
pub fn request(mac: MacAddr, uuid: Option<SystemUuid>, arch: ArchType, class: Class) -> BootRequest {
    let iface = Iface::all(false).ok().and_then(|ifaces| ifaces.into_iter().next());
    let addr = iface.as_ref().and_then(|iface| iface.addrs.first()).map(Ipv4Net::addr);
    BootRequest {
        mac,
        uuid,
        archs: vec![arch],
        class,
        relay: None,
        segment: addr.unwrap_or(Ipv4Addr::LOCALHOST),
        address: None,
        boot_program: false,
        iface: iface.map(|iface| iface.name).unwrap_or_default(),
        secs: u16::MAX,
    }
}

/// What a request would get now, in words. Nothing is given or remembered.
pub async fn explained(services: &Services, request: &BootRequest) -> String {
    let answers = services.consult(request).await;
    explain(request, &services.judge(request, &answers))
}
