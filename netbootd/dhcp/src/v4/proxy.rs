//! ProxyDHCP on port 67: boot offers beside a DHCP server that gives the addresses (PXE 2.1
//! §2.2.3).

use pxe_policy::{BootRequest, Class, Decision, Reason, Verdict};

use super::boot_info::{self, BootService, LocalBoot, OfferStyle};
use super::intake::boot_request;
use super::option::{self, MessageType};
use super::reply::ReplyBuilder;
use super::{Answer, Arrival, Destination, Packet};
use crate::option43::PxeOptions;
use crate::outcome::{Answered, LeaseTaken, Proto};

/// Answers a packet on port 67. Only a DISCOVER of a machine that wants to boot from the network
/// gets a reply: everything else belongs to the DHCP server.
pub fn answer(
    packet: &Packet,
    arrival: &Arrival<'_>,
    service: BootService,
    decide: impl FnOnce(&BootRequest) -> Verdict,
) -> Answer {
    let silence = |reason| Answer::silence(packet, arrival, Proto::Proxy, reason);
    let request = match boot_request(packet, arrival) {
        Ok(request) => request,
        Err(reason) => return silence(reason),
    };
    match packet.message_type() {
        // U-Boot takes the first offer that comes, and one without an address leaves it without
        // any.
        MessageType::Discover if matches!(request.class, Class::Bsdp | Class::Uboot) => {
            return silence(Reason::Disabled);
        }
        MessageType::Discover => {}
        MessageType::Request => {
            return match taken_elsewhere(packet, arrival) {
                Some(taken) => silence(Reason::OtherServer).taking(taken),
                None => silence(Reason::NotForABootServer),
            };
        }
        _ => return silence(Reason::NotForABootServer),
    }
    let verdict = decide(&request);
    let answer = silence(verdict.reason).explained(&request, &verdict);
    match &verdict.decision {
        Decision::Boot(_) => offer(answer, packet, arrival, service, &request, &verdict),
        Decision::Relay => forward(answer, packet, arrival, &request),
        Decision::LocalBoot if to_disk_by_menu(service, &request) => to_disk(answer, packet, arrival),
        Decision::LocalBoot
        | Decision::Wait
        | Decision::Refer(_)
        | Decision::Images(_)
        | Decision::Ignore => answer,
    }
}

fn offer(
    mut answer: Answer,
    packet: &Packet,
    arrival: &Arrival<'_>,
    service: BootService,
    request: &BootRequest,
    verdict: &Verdict,
) -> Answer {
    let Decision::Boot(boot) = &verdict.decision else { return answer };
    let local = arrival.local;
    let told = boot_info::boot_file(boot, local, service);
    let raspberry_pi = boot_info::raspberry_pi(request);
    let with_file =
        boot.prompt.is_none() && (raspberry_pi.is_some() || names_file_at_once(request.class, service.style));
    let options = match &boot.prompt {
        Some(menu) => Some(boot_info::menu(menu, local)),
        None if raspberry_pi.is_some() => raspberry_pi,
        None => (with_file && request.class == Class::Pxe).then(PxeOptions::boot_at_once),
    };

    let reply = ReplyBuilder::new(packet, MessageType::Offer, local).without_client_addr();
    let reply = boot_info::put_flavour(reply, packet, request.class, true, options.as_ref());
    let reply = if with_file {
        boot_info::put_boot_file(reply, packet, request.class, boot, &told, local)
    } else {
        // The client asks the server named here on port 4011, so it must be this one wherever the
        // file is.
        reply.next_server(local)
    };
    let is_ipxe = request.class == Class::Ipxe;
    let reply = match is_ipxe {
        true => boot_info::put_log_server(reply, packet, true, service, local),
        false => reply,
    };
    if with_file {
        answer = answer.giving(request, verdict);
    }
    answer.event.boot_file = Some(told);
    answer.with_reply(MessageType::Offer, reply, Destination::of_reply(packet, None), local)
}

/// An offer without a boot file: the client asks this server on port 4011, and that question is
/// handed on.
fn forward(answer: Answer, packet: &Packet, arrival: &Arrival<'_>, request: &BootRequest) -> Answer {
    let reply = ReplyBuilder::new(packet, MessageType::Offer, arrival.local).without_client_addr();
    let reply = boot_info::put_flavour(reply, packet, request.class, true, None).next_server(arrival.local);
    answer.with_reply(MessageType::Offer, reply, Destination::of_reply(packet, None), arrival.local)
}

fn to_disk(answer: Answer, packet: &Packet, arrival: &Arrival<'_>) -> Answer {
    let reply = ReplyBuilder::new(packet, MessageType::Offer, arrival.local).without_client_addr();
    let menu = boot_info::to_disk();
    let reply =
        boot_info::put_flavour(reply, packet, Class::Pxe, true, Some(&menu)).next_server(arrival.local);
    let to = Destination::of_reply(packet, None);
    answer.with_reply(MessageType::Offer, reply, to, arrival.local).told_as(Answered::LocalBoot)
}

/// Whether a menu sends the machine to its disk; HTTP boot has none.
pub(super) fn to_disk_by_menu(service: BootService, request: &BootRequest) -> bool {
    service.local_boot == LocalBoot::Menu && request.class.speaks_pxe()
}

/// HTTP boot and iPXE take the file from the offer in either style; PXE firmware asks port 4011 for
/// it, as with WDS.
fn names_file_at_once(class: Class, style: OfferStyle) -> bool {
    class != Class::Pxe || style == OfferStyle::Bypass
}

/// The lease that a REQUEST takes from another DHCP server.
fn taken_elsewhere(packet: &Packet, arrival: &Arrival<'_>) -> Option<LeaseTaken> {
    let server = packet.address(option::SERVER_IDENTIFIER).filter(|server| !arrival.iface.owns(*server))?;
    Some(LeaseTaken { address: packet.address(option::REQUESTED_ADDRESS), server })
}

#[cfg(test)]
mod tests;
