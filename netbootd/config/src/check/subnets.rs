//! Subnets, pools and reservations.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use ipnet::Ipv4Net;
use netbootd_dhcp::{Reservation, Subnet};

use super::super::finding::Finding;
use super::super::{Mode, Ports, schema};

pub(super) fn check(dhcp: &schema::Dhcp, findings: &mut Vec<Finding>) -> Vec<Subnet> {
    if dhcp.mode == Mode::Server && dhcp.subnet.is_empty() {
        let finding =
            Finding::error(0..0, "mode = \"server\" gives addresses, but no [[dhcp.subnet]] says which");
        findings.push(finding.help("add [[dhcp.subnet]] with subnet and pool, or write mode = \"proxy\""));
    }
    if dhcp.mode == Mode::Server && dhcp.ports == Ports::BootServerOnly {
        let finding =
            Finding::error(0..0, "mode = \"server\" needs port 67, and ports = \"4011-only\" leaves it");
        findings.push(finding.help("write ports = \"both\", or mode = \"proxy\""));
    }
    if let Some(subnet) = dhcp.subnet.first().filter(|_| dhcp.mode != Mode::Server) {
        let finding =
            Finding::warning(subnet.subnet.span(), "no address is given from here unless mode = \"server\"");
        findings.push(finding);
    }
    let mut subnets: Vec<Subnet> = Vec::new();
    for written in &dhcp.subnet {
        let net = written.subnet.get_ref().0.trunc();
        if let Some(other) =
            subnets.iter().find(|other| other.subnet.contains(&net) || net.contains(&other.subnet))
        {
            let message = format!("{net} overlaps {}", other.subnet);
            findings.push(Finding::error(written.subnet.span(), message));
        }
        subnets.push(subnet(written, net, findings));
    }
    subnets
}

fn subnet(written: &schema::Subnet, net: Ipv4Net, findings: &mut Vec<Finding>) -> Subnet {
    let pool: Vec<RangeInclusive<Ipv4Addr>> =
        written.pool.get_ref().0.iter().map(|range| range.0.first..=range.0.last).collect();
    let span = written.pool.span();
    for (at, range) in pool.iter().enumerate() {
        let shown = format!("{}-{}", range.start(), range.end());
        if !net.contains(range.start()) || !net.contains(range.end()) {
            findings.push(Finding::error(span.clone(), format!("the pool {shown} is not inside {net}")));
        } else if net.prefix_len() < 31
            && (range.contains(&net.network()) || range.contains(&net.broadcast()))
        {
            let finding = Finding::warning(
                span.clone(),
                format!("the pool {shown} holds the network or broadcast address"),
            );
            findings.push(finding.help("those two are never given"));
        }
        if pool[..at].iter().any(|other| other.start() <= range.end() && range.start() <= other.end()) {
            findings.push(Finding::error(span.clone(), format!("the pool {shown} overlaps another one")));
        }
    }
    if pool.is_empty() && written.reservation.is_empty() {
        let finding = Finding::warning(written.subnet.span(), format!("no address of {net} is ever given"));
        findings.push(finding.help("add pool = \"FIRST-LAST\" or [[dhcp.subnet.reservation]]"));
    }
    let router = written.router.as_ref().map(|router| {
        let addr = router.get_ref().0;
        if !net.contains(&addr) {
            findings.push(Finding::error(router.span(), format!("the router {addr} is not inside {net}")));
        }
        addr
    });
    Subnet {
        subnet: net,
        pool,
        router,
        dns: written.dns.0.iter().map(|addr| addr.0).collect(),
        domain: written.domain.clone(),
        lease_time: written.lease_time.as_ref().map_or(DEFAULT_LEASE, |time| time.0.0),
        reservations: reservations(written, net, findings),
    }
}

fn reservations(written: &schema::Subnet, net: Ipv4Net, findings: &mut Vec<Finding>) -> Vec<Reservation> {
    let (mut addresses, mut machines) = (HashSet::new(), HashSet::new());
    let mut checked = Vec::with_capacity(written.reservation.len());
    for reservation in &written.reservation {
        let (address, span): (Ipv4Addr, Range<usize>) =
            (reservation.address.get_ref().0, reservation.address.span());
        if !net.contains(&address) {
            findings.push(Finding::error(span.clone(), format!("the address {address} is not inside {net}")));
        }
        if !addresses.insert(address) {
            findings.push(Finding::error(span.clone(), format!("the address {address} is reserved twice")));
        }
        let mac = reservation.mac.as_ref().map(|mac| mac.0);
        let uuid = reservation.uuid.as_ref().map(|uuid| uuid.0);
        if mac.is_none() && uuid.is_none() {
            let finding = Finding::error(span.clone(), "the reservation names no machine");
            findings.push(finding.help("add mac = \"...\" or uuid = \"...\""));
        } else if !machines.insert((mac, uuid)) {
            findings.push(Finding::error(span, "the machine has another reservation"));
        }
        checked.push(Reservation { mac, uuid, address, name: reservation.name.clone() });
    }
    checked
}

/// As long as a day's work: a machine that boots again finds its address.
const DEFAULT_LEASE: Duration = Duration::from_secs(12 * 3600);
