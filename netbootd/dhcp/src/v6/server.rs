//! Answers of the full DHCPv6 service: an address, and what a boot client needs on top of it.

use std::net::Ipv6Addr;

use dhcproto::v6::Status;
use pxe_policy::{BootRequest, Class, Decision, MacAddr, Reason, Verdict};

use super::answer::{silence, with_reply};
use super::boot_info::{put_boot_file, put_vendor_class};
use super::guard::Association;
use super::option::{self, MessageType};
use super::proxy::{Own, with_boot_url};
use super::reply::{Lifetime, ReplyBuilder};
use super::{Answer, Arrival, Packet};
use crate::Subnet6;

/// A message, how it came in, and whose it is.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The message that is answered.
    pub packet: &'a Packet,
    /// How it came in.
    pub arrival: &'a Arrival<'a>,
    /// The machine's hardware address, when it could be found out.
    pub mac: Option<MacAddr>,
}

impl Question<'_> {
    /// Silence about the message, for a reason.
    pub fn silence(&self, reason: Reason) -> Answer {
        silence(self.packet, self.arrival, self.mac, reason)
    }
}

/// Gives an address to the first association and says of all others that there is none for them. A
/// boot client gets its boot file in the same answer.
pub fn lease(
    question: Question<'_>,
    kind: MessageType,
    address: Ipv6Addr,
    subnet: &Subnet6,
    own: Own<'_>,
    boot: Option<(&BootRequest, &Verdict)>,
) -> Answer {
    let seconds = u32::try_from(subnet.lease_time.as_secs()).unwrap_or(u32::MAX);
    let mut reply = ReplyBuilder::new(question.packet, kind, own.duid);
    for (at, Association { id, .. }) in question.packet.associations().enumerate() {
        reply = match at {
            0 => reply.address(id, address, Lifetime(seconds)),
            _ => reply.no_address(id, Status::NoAddrsAvail, "one address a machine"),
        };
    }
    let mut answer = around(question, kind, reply, Some(subnet), own, boot);
    answer.event.address = Some(address.into());
    answer
}

/// Answers those who ask for no address.
pub fn information(
    question: Question<'_>,
    subnet: Option<&Subnet6>,
    own: Own<'_>,
    boot: Option<(&BootRequest, &Verdict)>,
) -> Answer {
    let reply = ReplyBuilder::new(question.packet, MessageType::Reply, own.duid);
    around(question, MessageType::Reply, reply, subnet, own, boot)
}

/// Says of each association that nobody here has given it anything: the client asks anew (RFC 8415
/// §18.3.4).
pub fn no_binding(question: Question<'_>, own: Own<'_>) -> Answer {
    let mut reply = ReplyBuilder::new(question.packet, MessageType::Reply, own.duid);
    for Association { id, .. } in question.packet.associations() {
        reply = reply.no_address(id, Status::NoBinding, "not given here");
    }
    let answer = question.silence(Reason::WrongAddress);
    with_reply(answer, MessageType::Reply, reply, question.packet, question.arrival)
}

/// Says how the whole of a message went, and no more.
pub fn status(question: Question<'_>, own: Own<'_>, status: Status, reason: Reason) -> Answer {
    let reply = ReplyBuilder::new(question.packet, MessageType::Reply, own.duid).status(status, "");
    with_reply(question.silence(reason), MessageType::Reply, reply, question.packet, question.arrival)
}

/// Puts the name servers and the boot file. The vendor class is for HTTP boot alone: with it PXE
/// would go on to port 4011.
fn around(
    question: Question<'_>,
    kind: MessageType,
    mut reply: ReplyBuilder<'_>,
    subnet: Option<&Subnet6>,
    own: Own<'_>,
    boot: Option<(&BootRequest, &Verdict)>,
) -> Answer {
    let mut answer = question.silence(Reason::Lease);
    let local = question.arrival.local(question.packet);
    if let (Some((request, verdict)), Some(local)) = (boot, local) {
        let (explained, url) =
            with_boot_url(answer.explained(request, verdict), verdict, local, own.http_port);
        answer = explained;
        if let Some(url) = url {
            reply = put_boot_file(reply, &url);
            if request.class == Class::Http {
                reply = put_vendor_class(reply, request.class);
            }
            // An ADVERTISE is no more than that: the machine may take another one.
            if kind == MessageType::Reply {
                answer = answer.giving(request, verdict);
            }
        } else if matches!(verdict.decision, Decision::LocalBoot | Decision::Ignore)
            && verdict.reason == Reason::Rule
        {
            // The operator's word. Every other reason says why the machine gets no boot file.
            answer.event.reason = Reason::Lease;
        }
    }
    // Last, and always there: a URL must not be (see `put_boot_file`).
    let servers: Vec<u8> =
        subnet.into_iter().flat_map(|subnet| &subnet.dns).flat_map(Ipv6Addr::octets).collect();
    reply = match servers.is_empty() {
        false => reply.option(option::DNS, &servers),
        true => reply.status(Status::Success, ""),
    };
    with_reply(answer, kind, reply, question.packet, question.arrival)
}

#[cfg(test)]
mod tests;
