//! Interfaces as Linux lists them.

use std::io;

use ipnet::{Ipv4Net, Ipv6Net};
use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use pxe_policy::MacAddr;

use super::Iface;

pub(super) fn exists(name: &str) -> bool {
    if_nametoindex(name).is_ok()
}

pub(super) fn list(with_loopback: bool) -> io::Result<Vec<Iface>> {
    let mut found: Vec<Iface> = Vec::new();
    let mut macs: Vec<(String, MacAddr)> = Vec::new();
    for entry in getifaddrs()? {
        let usable = entry.flags.contains(InterfaceFlags::IFF_UP)
            && (with_loopback || !entry.flags.contains(InterfaceFlags::IFF_LOOPBACK));
        let Some(address) = entry.address.filter(|_| usable) else { continue };
        if let Some(mac) = address.as_link_addr().and_then(|link| link.addr()) {
            macs.push((entry.interface_name.clone(), MacAddr(mac)));
        }
        let (v4, v6) = (address.as_sockaddr_in(), address.as_sockaddr_in6());
        if v4.is_none() && v6.is_none() {
            continue;
        }
        let at = found.iter().position(|iface| iface.name == entry.interface_name);
        let at = match at {
            Some(at) => at,
            None => {
                let index = if_nametoindex(entry.interface_name.as_str())?;
                let name = entry.interface_name.clone();
                found.push(Iface { name, index, mac: None, addrs: Vec::new(), addrs6: Vec::new() });
                found.len() - 1
            }
        };
        if let Some(addr) = v4.map(|v4| v4.ip()) {
            let mask = entry.netmask.as_ref().and_then(|mask| mask.as_sockaddr_in().map(|v4| v4.ip()));
            let net = mask.and_then(|mask| Ipv4Net::with_netmask(addr, mask).ok());
            found[at].addrs.push(net.unwrap_or(Ipv4Net::from(addr)));
        }
        if let Some(addr) = v6.map(|v6| v6.ip()) {
            let mask = entry.netmask.as_ref().and_then(|mask| mask.as_sockaddr_in6().map(|v6| v6.ip()));
            let net = mask.and_then(|mask| Ipv6Net::with_netmask(addr, mask).ok());
            found[at].addrs6.push(net.unwrap_or(Ipv6Net::from(addr)));
        }
    }
    found.retain(|iface| !iface.addrs.is_empty() || iface.global_addrs6().next().is_some());
    for iface in &mut found {
        iface.mac = macs.iter().find(|(name, _)| *name == iface.name).map(|(_, mac)| *mac);
    }
    Ok(found)
}
