//! Replies of the full DHCP service: a lease, and what a boot client needs on top of it.

use std::net::Ipv4Addr;
use std::time::Duration;

use pxe_policy::{BootRequest, Class, Decision, Reason, Verdict};

use super::boot_info::{self, BootService, OfferStyle};
use super::option::{self, MessageType};
use super::reply::ReplyBuilder;
use super::{Answer, Arrival, Destination, Packet, proxy};
use crate::Subnet;
use crate::option43::PxeOptions;
use crate::outcome::{Answered, Proto};

/// The terms of a lease.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The address that is leased.
    pub address: Ipv4Addr,
    /// The subnet it is in.
    pub subnet: &'a Subnet,
    /// Option 12, for a machine with a reservation.
    pub name: Option<&'a str>,
    /// Option 51: how long the lease lasts.
    pub lease_time: Duration,
}

/// Offers or confirms a lease. A boot client gets its boot file in the same reply; when it gets
/// none, the event says why.
///
/// PXE firmware gets no option 60 here: with it, a lease would send EDK2 to port 4011 once more.
/// HTTP boot wants its own back.
pub fn lease(
    packet: &Packet,
    arrival: &Arrival<'_>,
    kind: MessageType,
    terms: Terms<'_>,
    service: BootService,
    boot: Option<(&BootRequest, &Verdict)>,
) -> Answer {
    let mut answer = Answer::silence(packet, arrival, Proto::Dhcp, Reason::Lease);
    let local = arrival.local;
    let mut told = None;
    let mut reply = ReplyBuilder::new(packet, kind, local).give(terms.address);
    if kind == MessageType::Offer {
        reply = reply.without_client_addr();
    }
    if let Some((request, verdict)) = boot {
        answer = answer.explained(request, verdict);
        if let Decision::Boot(boot) = &verdict.decision {
            let file = boot_info::boot_file(boot, local, service);
            let bypass = service.style == OfferStyle::Bypass && request.class == Class::Pxe;
            let options = match &boot.prompt {
                Some(menu) => Some(boot_info::menu(menu, local)),
                None => boot_info::raspberry_pi(request).or_else(|| bypass.then(PxeOptions::boot_at_once)),
            };
            let names_class = options.is_some() || request.class == Class::Http;
            reply = boot_info::put_flavour(reply, packet, request.class, names_class, options.as_ref());
            if boot.prompt.is_some() {
                reply = reply.next_server(local);
            } else {
                reply = boot_info::put_boot_file(reply, packet, request.class, boot, &file, local);
                // An offer is no more than that: the machine may take another one.
                if kind == MessageType::Ack {
                    answer = answer.giving(request, verdict);
                }
            }
            answer.event.boot_file = Some(file);
        } else if verdict.decision == Decision::Relay {
            // With option 60 and no boot file the machine asks port 4011 for it.
            reply = boot_info::put_flavour(reply, packet, request.class, true, None).next_server(local);
        } else if verdict.decision == Decision::LocalBoot && proxy::to_disk_by_menu(service, request) {
            let menu = boot_info::to_disk();
            reply =
                boot_info::put_flavour(reply, packet, request.class, true, Some(&menu)).next_server(local);
            told = Some(Answered::LocalBoot);
        } else if verdict.reason == Reason::Rule {
            // The operator's word. Every other reason says why the machine gets no boot file.
            answer.event.reason = Reason::Lease;
        } else if request.class == Class::Uboot {
            // Without a boot file U-Boot looks for its own (pxelinux.cfg/, boot.scr.uimg) on the
            // server that is named here.
            reply = reply.next_server(local);
        }
    }
    reply = put_terms(reply, terms);
    let is_ipxe = boot.is_some_and(|(request, _)| request.class == Class::Ipxe);
    reply = boot_info::put_log_server(reply, packet, is_ipxe, service, local);
    answer.event.address = Some(terms.address.into());
    let answer = answer.with_reply(kind, reply, Destination::of_reply(packet, Some(terms.address)), local);
    match told {
        Some(decision) => answer.told_as(decision),
        None => answer,
    }
}

/// Denies a REQUEST with a DHCPNAK.
pub fn nak(packet: &Packet, arrival: &Arrival<'_>, reason: Reason) -> Answer {
    let answer = Answer::silence(packet, arrival, Proto::Dhcp, reason);
    let reply = ReplyBuilder::new(packet, MessageType::Nak, arrival.local).without_client_addr();
    answer.with_reply(MessageType::Nak, reply, Destination::of_nak(packet), arrival.local)
}

/// Answers an INFORM: the same as a lease, without one (RFC 2131 §4.3.5).
pub fn inform(packet: &Packet, arrival: &Arrival<'_>, subnet: &Subnet) -> Answer {
    let answer = Answer::silence(packet, arrival, Proto::Dhcp, Reason::Lease);
    let reply = put_network(ReplyBuilder::new(packet, MessageType::Ack, arrival.local), subnet);
    answer.with_reply(MessageType::Ack, reply, Destination::of_reply(packet, None), arrival.local)
}

fn put_terms(reply: ReplyBuilder, terms: Terms<'_>) -> ReplyBuilder {
    let seconds = u32::try_from(terms.lease_time.as_secs()).unwrap_or(u32::MAX);
    // RFC 2131 §4.4.5: half, and seven eighths.
    let reply = reply
        .option(option::LEASE_TIME, &seconds.to_be_bytes())
        .option(option::RENEWAL_TIME, &(seconds / 2).to_be_bytes())
        .option(option::REBINDING_TIME, &(seconds / 8 * 7).to_be_bytes());
    let reply = put_network(reply, terms.subnet);
    match terms.name.filter(|name| !name.is_empty()) {
        Some(name) => reply.option(option::HOST_NAME, name.as_bytes()),
        None => reply,
    }
}

fn put_network(reply: ReplyBuilder, subnet: &Subnet) -> ReplyBuilder {
    let mut reply = reply.option(option::SUBNET_MASK, &subnet.subnet.netmask().octets());
    if let Some(router) = subnet.router {
        reply = reply.option(option::ROUTER, &router.octets());
    }
    if !subnet.dns.is_empty() {
        let servers: Vec<u8> = subnet.dns.iter().flat_map(Ipv4Addr::octets).collect();
        reply = reply.option(option::DNS, &servers);
    }
    match &subnet.domain {
        Some(domain) => reply.option(option::DOMAIN_NAME, domain.as_bytes()),
        None => reply,
    }
}

#[cfg(test)]
mod tests;
