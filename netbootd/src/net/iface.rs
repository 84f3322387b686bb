//! The host's network interfaces and their addresses.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use pxe_policy::MacAddr;

/// One interface that is up and has an address of either kind; one that has a link-local address only does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Iface {
    /// Its name, such as `lan0`.
    pub name: String,
    /// The kernel's index.
    pub index: u32,
    /// Its hardware address, when it has one of six bytes.
    pub mac: Option<MacAddr>,
    /// Its IPv4 addresses with their prefix lengths, in the kernel's order.
    pub addrs: Vec<Ipv4Net>,
    /// Its IPv6 addresses, link-local ones too.
    pub addrs6: Vec<Ipv6Net>,
}

impl Iface {
    /// Every interface that is up and has an address; loopback only when asked for.
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

    /// Whether `addr` is one of this interface's own addresses.
    pub fn owns(&self, addr: Ipv4Addr) -> bool {
        self.addrs.iter().any(|net| net.addr() == addr)
    }

    /// Its IPv6 addresses that are known beyond the link.
    pub fn global_addrs6(&self) -> impl Iterator<Item = &Ipv6Net> {
        self.addrs6.iter().filter(|net| !net.addr().is_unicast_link_local())
    }

    /// Whether `addr` is one of this interface's own IPv6 addresses.
    pub fn owns6(&self, addr: Ipv6Addr) -> bool {
        self.addrs6.iter().any(|net| net.addr() == addr)
    }

    /// The own IPv6 address that a client is told: the one whose network holds `peer`, or else the first that is no link-local one. One
    /// that somebody gave this host goes before one that the host made of its hardware address, which goes when the card does.
    pub fn addr6_towards(&self, peer: Ipv6Addr) -> Option<Ipv6Addr> {
        let best = self.global_addrs6().min_by_key(|net| (!net.contains(&peer), is_eui_64(net.addr())));
        best.map(Ipv6Net::addr)
    }

    /// The own address to speak from: the one whose network holds `peer`, or else the first.
    pub fn addr_towards(&self, peer: Ipv4Addr) -> Ipv4Addr {
        let routed = self.addrs.iter().find(|net| net.contains(&peer));
        routed.or(self.addrs.first()).map_or(Ipv4Addr::UNSPECIFIED, Ipv4Net::addr)
    }
}

/// Whether the host's part is a hardware address (RFC 4291, appendix A).
fn is_eui_64(addr: Ipv6Addr) -> bool {
    addr.octets()[11..13] == [0xff, 0xfe]
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
            addrs6: ["fe80::1/64", "2001:db8:1::1/64", "2001:db8:2::1/64"]
                .map(|net| net.parse().unwrap())
                .into(),
        };
        assert_eq!(iface.addr_towards(Ipv4Addr::new(10, 2, 0, 99)), Ipv4Addr::new(10, 2, 0, 1));
        assert_eq!(iface.addr_towards(Ipv4Addr::new(192, 0, 2, 1)), Ipv4Addr::new(10, 1, 0, 1));
        let told = |peer: &str| iface.addr6_towards(peer.parse().unwrap()).unwrap().to_string();
        assert_eq!(told("2001:db8:2::99"), "2001:db8:2::1");
        assert_eq!(told("fe80::99"), "2001:db8:1::1");
    }
}
