//! Other DHCP and boot servers on the networks of this host, found as a PC would find them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use netbootd_dhcp::Iface;

use super::block_on;
use super::pxe::{self, PxeArgs};
use crate::failure::Failure;

/// A server that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rival {
    /// The address of the other server.
    pub(crate) server: IpAddr,
    /// The interface that its answer came in by.
    pub(crate) iface: String,
    /// The address that it offers, if it leases addresses.
    pub(crate) leases: Option<Ipv4Addr>,
    /// The boot file that it offers, if it boots machines.
    pub(crate) boots: Option<String>,
}

impl fmt::Display for Rival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.server, self.iface)?;
        match (self.leases, &self.boots) {
            (Some(_), None) => f.write_str(" leases addresses"),
            (Some(_), Some(file)) => write!(f, " leases addresses and boots {file}"),
            (None, Some(file)) => write!(f, " boots {file}"),
            (None, None) => f.write_str(" is a boot server"),
        }
    }
}

/// Sends a DISCOVER on each interface with an IPv4 address and collects the answers of other hosts.
/// Fails when no interface could be asked.
pub(crate) fn find(ifaces: &[Iface], seconds: u64) -> Result<Vec<Rival>, Failure> {
    let asked: Vec<&Iface> =
        ifaces.iter().filter(|iface| iface.name != LOOPBACK && !iface.addrs.is_empty()).collect();
    let own = |address: IpAddr| {
        ifaces.iter().any(|iface| iface.addrs.iter().any(|net| IpAddr::V4(net.addr()) == address))
    };
    let (mut rivals, mut failure, mut heard) = (Vec::new(), None, asked.is_empty());
    for iface in asked {
        let args = PxeArgs { iface: Some(iface.name.clone()), timeout: seconds, ..PxeArgs::default() };
        match block_on(pxe::ask(&args, iface)) {
            Ok(answers) => {
                heard = true;
                let found = answers.iter().filter_map(|answer| rival(answer, iface));
                let found: Vec<Rival> = found.filter(|rival| !own(rival.server)).collect();
                for rival in found {
                    if !rivals.contains(&rival) {
                        rivals.push(rival);
                    }
                }
            }
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(failure) if !heard => Err(failure),
        _ => Ok(rivals),
    }
}

fn rival(answer: &pxe::Heard, iface: &Iface) -> Option<Rival> {
    let packet = answer.packet.as_ref().ok()?;
    let address = packet.header.yiaddr();
    Some(Rival {
        server: answer.from.ip(),
        iface: iface.name.clone(),
        leases: (!address.is_unspecified()).then_some(address),
        boots: pxe::boot_file(packet),
    })
}

const LOOPBACK: &str = "lo";
