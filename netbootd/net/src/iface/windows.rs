//! Interfaces as Windows lists them, by the names that people see: `Ethernet`, `LAN 2`.

use std::io;
use std::net::IpAddr;

use getifaddrs::{Address, InterfaceFlags, getifaddrs};
use ipnet::{Ipv4Net, Ipv6Net};
use pxe_policy::MacAddr;

use super::Iface;

pub(super) fn exists(name: &str) -> bool {
    let mut entries = getifaddrs().into_iter().flatten();
    entries.any(|entry| entry.description == name || entry.name == name)
}

pub(super) fn list(with_loopback: bool) -> io::Result<Vec<Iface>> {
    let mut found: Vec<Iface> = Vec::new();
    for entry in getifaddrs()? {
        // One without a cable has its addresses all the same.
        let usable = entry.flags.contains(InterfaceFlags::RUNNING)
            && (with_loopback || !entry.flags.contains(InterfaceFlags::LOOPBACK));
        let Some(index) = entry.index.filter(|_| usable) else { continue };
        let at = found.iter().position(|iface| iface.index == index);
        let at = at.unwrap_or_else(|| {
            let name = if entry.description.is_empty() { entry.name } else { entry.description };
            found.push(Iface { name, index, mac: None, addrs: Vec::new(), addrs6: Vec::new() });
            found.len() - 1
        });
        let mask = entry.address.netmask();
        match entry.address {
            Address::V4(address) => {
                let mask = mask.and_then(|mask| if let IpAddr::V4(mask) = mask { Some(mask) } else { None });
                let net = mask.and_then(|mask| Ipv4Net::with_netmask(address.address, mask).ok());
                found[at].addrs.push(net.unwrap_or(Ipv4Net::from(address.address)));
            }
            Address::V6(address) => {
                let mask = mask.and_then(|mask| if let IpAddr::V6(mask) = mask { Some(mask) } else { None });
                let net = mask.and_then(|mask| Ipv6Net::with_netmask(address.address, mask).ok());
                found[at].addrs6.push(net.unwrap_or(Ipv6Net::from(address.address)));
            }
            Address::Mac(mac) => found[at].mac = Some(MacAddr(mac)),
        }
    }
    found.retain(|iface| !iface.addrs.is_empty() || iface.global_addrs6().next().is_some());
    Ok(found)
}
