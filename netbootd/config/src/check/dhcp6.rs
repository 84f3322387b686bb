//! DHCPv6: its mode, its links and their pools.

use std::time::Duration;

use netbootd_dhcp::Subnet6;

use super::super::finding::Finding;
use super::super::schema::{self, Document};
use super::super::{Dhcp6, Mode};

pub(super) fn check(document: &Document, findings: &mut Vec<Finding>) -> Dhcp6 {
    let written = &document.dhcp6;
    // A site that leaves PCs to another responder leaves them to it over IPv6 as well.
    let usual = if document.dhcp.mode == Mode::Off { Mode::Off } else { Mode::Proxy };
    let mode = written.mode.unwrap_or(usual);
    if mode == Mode::Server && written.subnet.is_empty() {
        let finding = Finding::error(
            0..0,
            "dhcp6.mode = \"server\" gives addresses, but no [[dhcp6.subnet]] says which",
        );
        findings.push(finding.help("add [[dhcp6.subnet]] with subnet and pool, or write mode = \"proxy\""));
    }
    if let (Mode::Server, Some(database)) = (mode, &document.database) {
        let finding = Finding::error(
            database.url.span(),
            "the database does not keep leases of IPv6: servers that share it would give one address twice",
        );
        findings.push(finding.help(
            "write dhcp6.mode = \"proxy\" and let one DHCPv6 server give the addresses, or do without [database]",
        ));
    }
    if let Some(subnet) = written.subnet.first().filter(|_| mode != Mode::Server) {
        let finding = Finding::warning(
            subnet.subnet.span(),
            "no IPv6 address is given from here unless dhcp6.mode = \"server\"",
        );
        findings.push(finding);
    }
    let mut subnets: Vec<Subnet6> = Vec::new();
    for written in &written.subnet {
        let subnet = subnet(written, findings);
        let overlaps =
            |other: &&Subnet6| other.subnet.contains(&subnet.subnet) || subnet.subnet.contains(&other.subnet);
        if let Some(other) = subnets.iter().find(overlaps) {
            let message = format!("{} overlaps {}", subnet.subnet, other.subnet);
            findings.push(Finding::error(written.subnet.span(), message));
        }
        subnets.push(subnet);
    }
    Dhcp6 { mode, chosen: written.mode.is_some(), subnets }
}

fn subnet(written: &schema::Subnet6, findings: &mut Vec<Finding>) -> Subnet6 {
    let net = written.subnet.get_ref().0.trunc();
    let pool = &written.pool.get_ref().0;
    if !net.contains(&pool.first) || !net.contains(&pool.last) {
        let message = format!("the pool {}-{} is not inside {net}", pool.first, pool.last);
        findings.push(Finding::error(written.pool.span(), message));
    }
    if net.prefix_len() > 64 {
        let finding = Finding::warning(
            written.subnet.span(),
            format!("{net} is smaller than /64: UEFI firmware takes a /64 for its link all the same"),
        );
        findings.push(finding);
    }
    Subnet6 {
        subnet: net,
        pool: pool.first..=pool.last,
        dns: written.dns.0.iter().map(|addr| addr.0).collect(),
        lease_time: written.lease_time.as_ref().map_or(DEFAULT_LEASE, |time| time.0.0),
    }
}

const DEFAULT_LEASE: Duration = Duration::from_secs(3600);
