//! A network interface of the host, as a value.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use pxe_policy::MacAddr;

/// One interface that is up and has an address of either kind; one that has a link-local address
/// only does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Iface {
    /// Its name, such as `lan0`.
    pub name: String,
    /// The number that the kernel knows it by.
    pub index: u32,
    /// Its hardware address, when it has one of six bytes.
    pub mac: Option<MacAddr>,
    /// Its IPv4 addresses with their prefix lengths, in the kernel's order.
    pub addrs: Vec<Ipv4Net>,
    /// Its IPv6 addresses, link-local ones too.
    pub addrs6: Vec<Ipv6Net>,
}

impl Iface {
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

    /// The own IPv6 address in answers to a client: the one whose network holds `peer`, or else the
    /// first that is no link-local one. One that somebody gave this host goes before one that the
    /// host made of its hardware address, which goes when the card does.
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
