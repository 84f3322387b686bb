//! The host's network interfaces and their IPv4 addresses.

use std::io;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use pxe_policy::MacAddr;

/// One interface that is up and has an IPv4 address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Iface {
    /// Its name, such as `lan0`.
    pub name: String,
    /// The kernel's index.
    pub index: u32,
    /// Its hardware address, when it has one of six bytes.
    pub mac: Option<MacAddr>,
    /// Its addresses with their prefix lengths, in the kernel's order.
    pub addrs: Vec<Ipv4Net>,
}

impl Iface {
    /// Every interface that is up and has an IPv4 address; loopback only when asked for.
    pub fn all(with_loopback: bool) -> io::Result<Vec<Iface>> {
        let mut found: Vec<Iface> = Vec::new();
        let mut macs: Vec<(String, MacAddr)> = Vec::new();
        for entry in getifaddrs()? {
            let usable = entry.flags.contains(InterfaceFlags::IFF_UP)
                && (with_loopback || !entry.flags.contains(InterfaceFlags::IFF_LOOPBACK));
            let Some(address) = entry.address.filter(|_| usable) else { continue };
            if let Some(mac) = address.as_link_addr().and_then(|link| link.addr()) {
                macs.push((entry.interface_name.clone(), MacAddr(mac)));
            }
            let Some(addr) = address.as_sockaddr_in().map(|v4| v4.ip()) else { continue };
            let mask = entry.netmask.as_ref().and_then(|mask| mask.as_sockaddr_in().map(|v4| v4.ip()));
            let net =
                mask.and_then(|mask| Ipv4Net::with_netmask(addr, mask).ok()).unwrap_or(Ipv4Net::from(addr));
            match found.iter_mut().find(|iface| iface.name == entry.interface_name) {
                Some(iface) => iface.addrs.push(net),
                None => {
                    let index = if_nametoindex(entry.interface_name.as_str())?;
                    found.push(Iface { name: entry.interface_name, index, mac: None, addrs: vec![net] });
                }
            }
        }
        for iface in &mut found {
            iface.mac = macs.iter().find(|(name, _)| *name == iface.name).map(|(_, mac)| *mac);
        }
        Ok(found)
    }

    /// Whether `addr` is one of this interface's own addresses.
    pub fn owns(&self, addr: Ipv4Addr) -> bool {
        self.addrs.iter().any(|net| net.addr() == addr)
    }

    /// The own address to speak from: the one whose network holds `peer`, or else the first.
    pub fn addr_towards(&self, peer: Ipv4Addr) -> Ipv4Addr {
        let routed = self.addrs.iter().find(|net| net.contains(&peer));
        routed.or(self.addrs.first()).map_or(Ipv4Addr::UNSPECIFIED, Ipv4Net::addr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_found_only_when_asked_for() {
        let loopback = Iface::all(true).unwrap().into_iter().find(|iface| iface.name == "lo").unwrap();
        assert!(loopback.owns(Ipv4Addr::LOCALHOST));
        assert!(Iface::all(false).unwrap().iter().all(|iface| iface.name != "lo"));
    }

    #[test]
    fn the_source_address_is_the_one_in_the_peers_network() {
        let iface = Iface {
            name: "lan0".into(),
            index: 2,
            mac: None,
            addrs: vec!["10.1.0.1/24".parse().unwrap(), "10.2.0.1/24".parse().unwrap()],
        };
        assert_eq!(iface.addr_towards(Ipv4Addr::new(10, 2, 0, 99)), Ipv4Addr::new(10, 2, 0, 1));
        assert_eq!(iface.addr_towards(Ipv4Addr::new(192, 0, 2, 1)), Ipv4Addr::new(10, 1, 0, 1));
    }
}
