//! Interfaces and addresses, as they are typed and as they are on this host.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use netbootd_dhcp::Iface;
use pxe_policy::{AddressRange, InvalidRange};

use super::prompt::Unfit;

/// The addresses that this server leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Addresses {
    /// The network of the interface.
    pub(super) subnet: Ipv4Net,
    /// The first and the last.
    pub(super) pool: AddressRange,
    /// The default gateway (option 3).
    pub(super) router: Option<Ipv4Addr>,
    /// DNS servers (option 6).
    pub(super) dns: Vec<Ipv4Addr>,
    /// The lease time, as written.
    pub(super) lease_time: String,
}

/// `all`, or names of interfaces that are up and have an address; empty for all.
pub(super) fn chosen(text: &str, here: &[Iface]) -> Result<Vec<String>, Unfit> {
    // setup configures IPv4; an interface with IPv6 only is named in the configuration.
    let others = |iface: &&Iface| iface.name != LOOPBACK && !iface.addrs.is_empty();
    if text == ALL {
        return match here.iter().find(others) {
            Some(_) => Ok(Vec::new()),
            None => Err("no interface is up and has an IPv4 address".into()),
        };
    }
    let mut names: Vec<String> = Vec::new();
    for name in text.split([',', ' ']).filter(|name| !name.is_empty()) {
        if !here.iter().any(|iface| iface.name == name && !iface.addrs.is_empty()) {
            let known: Vec<String> = here.iter().filter(others).map(shown).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(format!("no interface {name} is up with an IPv4 address; these are: {known}").into());
        }
        if !names.iter().any(|other| other == name) {
            names.push(name.to_owned());
        }
    }
    if names.is_empty() { Err(format!("name interfaces, or say {ALL}").into()) } else { Ok(names) }
}

/// The networks of these interfaces.
pub(super) fn networks(names: &[String], here: &[Iface]) -> Vec<Ipv4Net> {
    let meant = |iface: &&Iface| {
        if names.is_empty() { iface.name != LOOPBACK } else { names.contains(&iface.name) }
    };
    here.iter().filter(meant).flat_map(|iface| iface.addrs.iter().copied()).collect()
}

/// A range inside one of the networks, without this host's own address in it.
pub(super) fn pool(text: &str, networks: &[Ipv4Net]) -> Result<(Ipv4Net, AddressRange), Unfit> {
    let range: AddressRange = text.parse().map_err(|error: InvalidRange| error.to_string())?;
    let holds = |net: &&Ipv4Net| net.contains(&range.first) && net.contains(&range.last);
    let Some(net) = networks.iter().find(holds) else {
        let known: Vec<String> = networks.iter().map(Ipv4Net::to_string).collect();
        return Err(format!("{range} is not inside one network of this host: {}", known.join(", ")).into());
    };
    if range.contains(net.addr()) {
        return Err(format!("{} is this host's own address", net.addr()).into());
    }
    Ok((net.trunc(), range))
}

/// The half of the first network that this host's own address is not in.
pub(super) fn usual_pool(networks: &[Ipv4Net]) -> String {
    let Some(net) = networks.iter().find(|net| net.prefix_len() <= SMALLEST_PREFIX) else {
        return String::new();
    };
    let (low, high, own) = (u32::from(net.network()), u32::from(net.broadcast()), u32::from(net.addr()));
    let middle = low + (high - low) / 2 + 1;
    let (first, last) = if own < middle { (middle, high - 1) } else { (low + 1, middle - 1) };
    AddressRange { first: first.into(), last: last.into() }.to_string()
}

/// An address of the network, or `none`.
pub(super) fn router(text: &str, subnet: Ipv4Net) -> Result<Option<Ipv4Addr>, Unfit> {
    if text == NONE {
        return Ok(None);
    }
    let address: Ipv4Addr = text.parse().map_err(|_| format!("{text} is not an IPv4 address or {NONE}"))?;
    if subnet.contains(&address) {
        Ok(Some(address))
    } else {
        Err(format!("{address} is not in {subnet}").into())
    }
}

/// DNS servers, or `none`.
pub(super) fn dns(text: &str) -> Result<Vec<Ipv4Addr>, Unfit> {
    if text == NONE {
        return Ok(Vec::new());
    }
    let words = text.split([',', ' ']).filter(|word| !word.is_empty());
    let parsed =
        words.map(|word| word.parse().map_err(|_| format!("{word} is not an IPv4 address or {NONE}").into()));
    parsed.collect()
}

/// The DNS servers of this host that other hosts can reach, or `none`.
pub(super) fn usual_dns() -> String {
    let text = std::fs::read_to_string(RESOLVER).unwrap_or_default();
    let named = text.lines().filter_map(|line| line.strip_prefix("nameserver ")?.trim().parse().ok());
    let others: Vec<String> = named
        .filter(|address: &Ipv4Addr| !address.is_loopback())
        .map(|address| address.to_string())
        .collect();
    if others.is_empty() { NONE.to_owned() } else { others.join(",") }
}

/// A lease time that the configuration takes.
pub(super) fn lease_time(text: &str) -> Result<String, Unfit> {
    let time = humantime::parse_duration(text).map_err(|_| format!("{text} is not a time, such as 12h"))?;
    match time.as_secs() {
        60..=31_536_000 => Ok(text.to_owned()),
        _ => Err(format!("{text} is not between 1m and 365d").into()),
    }
}

fn shown(iface: &Iface) -> String {
    let addresses: Vec<String> = iface.addrs.iter().map(Ipv4Net::to_string).collect();
    format!("{} ({})", iface.name, addresses.join(", "))
}

/// The word for every interface.
pub(super) const ALL: &str = "all";
/// The word for no interface.
pub(super) const NONE: &str = "none";
pub(super) const LOOPBACK: &str = "lo";
const RESOLVER: &str = "/etc/resolv.conf";
/// Below eight addresses there is nothing to share out.
const SMALLEST_PREFIX: u8 = 29;

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Vec<Iface> {
        let iface = |name: &str, index, address: &str| Iface {
            name: name.into(),
            index,
            mac: None,
            addrs: vec![address.parse().unwrap()],
            addrs6: Vec::new(),
        };
        vec![
            iface("lo", 1, "127.0.0.1/8"),
            iface("lan0", 2, "10.77.0.1/24"),
            iface("lan1", 3, "10.78.0.200/24"),
        ]
    }

    #[test]
    fn interfaces_must_be_there() {
        assert_eq!(chosen("all", &here()), Ok(vec![]));
        assert_eq!(chosen("lan1, lan0,lan1", &here()), Ok(vec!["lan1".into(), "lan0".into()]));
        let wrong = chosen("lan0,eth7", &here()).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "no interface eth7 is up with an IPv4 address; these are: lan0 (10.77.0.1/24), lan1 (10.78.0.200/24)"
        );
        assert!(chosen("all", &here()[..1]).is_err());
        assert!(chosen(" , ", &here()).is_err());
    }

    #[test]
    fn a_pool_lies_in_a_network_of_this_host_and_leaves_its_address_out() {
        let networks = networks(&[], &here());
        assert_eq!(usual_pool(&networks), "10.77.0.128-10.77.0.254");
        assert_eq!(usual_pool(&networks[1..]), "10.78.0.1-10.78.0.127");
        let (net, range) = pool("10.78.0.1-10.78.0.99", &networks).unwrap();
        assert_eq!(
            (net.to_string(), range.to_string()),
            ("10.78.0.0/24".into(), "10.78.0.1-10.78.0.99".into())
        );
        assert_eq!(
            pool("10.77.0.1-10.77.0.9", &networks).unwrap_err(),
            "10.77.0.1 is this host's own address".into()
        );
        assert!(
            pool("10.77.0.9-10.78.0.9", &networks)
                .unwrap_err()
                .to_string()
                .contains("is not inside one network")
        );
        assert!(pool("", &networks).is_err());
    }

    #[test]
    fn dns_servers_and_a_lease_time_are_checked() {
        assert_eq!(dns("none"), Ok(vec![]));
        assert_eq!(dns("10.7.0.3, 10.7.0.4").unwrap().len(), 2);
        assert_eq!(dns("dns.example").unwrap_err(), "dns.example is not an IPv4 address or none".into());
        assert_eq!(lease_time("90m"), Ok("90m".into()));
        assert_eq!(lease_time("5s").unwrap_err(), "5s is not between 1m and 365d".into());
        assert!(lease_time("soon").is_err() && dns(&usual_dns()).is_ok());
    }

    #[test]
    fn a_router_is_in_the_network_or_there_is_none() {
        let net = "10.77.0.0/24".parse().unwrap();
        assert_eq!(router("none", net), Ok(None));
        assert_eq!(router("10.77.0.254", net), Ok(Some(Ipv4Addr::new(10, 77, 0, 254))));
        assert_eq!(router("10.9.0.1", net).unwrap_err(), "10.9.0.1 is not in 10.77.0.0/24".into());
    }
}
