//! Boot offers beside a DHCPv6 server that gives the addresses.
//!
//! DHCPv6 has no ProxyDHCP, but EDK2 knows one: an ADVERTISE without addresses and with the vendor
//! class `PXEClient` or `HTTPClient` is kept beside the one that the client takes its address from.
//! HTTP boot then has its URL; PXE asks once more on port 4011: the URL's server, or everybody on
//! its link when there was no URL. By RFC 8415 §18.2.9 everybody else discards an ADVERTISE without
//! addresses, so nobody takes it for an address server's.

use std::net::Ipv6Addr;

use pxe_policy::{BootRequest, Class, Decision, MacAddr, Reason, Verdict};

use super::answer::{silence, with_reply};
use super::boot_info::{boot_file_url, put_boot_file, put_vendor_class};
use super::intake::boot_request;
use super::option::{self, MessageType};
use super::reply::ReplyBuilder;
use super::{Answer, Arrival, Duid, Packet};

/// This server as its replies name it.
#[derive(Debug, Clone, Copy)]
pub struct Own<'a> {
    /// This server's own DUID.
    pub duid: &'a Duid,
    /// The port of the HTTP service, for URLs.
    pub http_port: u16,
}

/// Answers a message of a machine with this hardware address. Machines that did not ask to boot,
/// and whatever is about addresses, get silence.
pub fn answer(
    packet: &Packet,
    arrival: &Arrival<'_>,
    mac: Option<MacAddr>,
    own: Own<'_>,
    decide: impl FnOnce(&BootRequest) -> Verdict,
) -> Answer {
    let silent = |reason| silence(packet, arrival, mac, reason);
    let request = match boot_request(packet, arrival, mac) {
        Ok(request) => request,
        Err(reason) => return silent(reason),
    };
    let asked = packet.options.first(option::SERVER_ID);
    let kind = match packet.kind {
        MessageType::Solicit => MessageType::Advertise,
        MessageType::Request if asked == Some(own.duid.0.as_slice()) => MessageType::Reply,
        MessageType::InformationRequest if asked.is_none_or(|asked| asked == own.duid.0) => {
            MessageType::Reply
        }
        MessageType::Request | MessageType::InformationRequest => return silent(Reason::OtherServer),
        _ => return silent(Reason::NotForABootServer),
    };
    let Some(local) = arrival.local(packet) else { return silent(Reason::NoSubnet) };
    let verdict = decide(&request);
    let answer = silent(verdict.reason).explained(&request, &verdict);
    let (mut answer, told) = match with_boot_url(answer, &verdict, local, own.http_port) {
        (answer, Some(told)) => (answer, told),
        (answer, None) => return answer,
    };
    // PXE comes back on port 4011; all others have what they need.
    let comes_back = request.class == Class::Pxe && kind == MessageType::Advertise;
    if !comes_back {
        answer = answer.giving(&request, &verdict);
    }
    let mut reply = ReplyBuilder::new(packet, kind, own.duid);
    // It has no route at that time but where a router advertises one: on the own link it had better
    // ask everybody.
    if !comes_back || !packet.relays.is_empty() {
        reply = put_boot_file(reply, &told);
    }
    with_reply(answer, kind, put_vendor_class(reply, request.class), packet, arrival)
}

/// The URL that a verdict leads to, noted in the event; None when there is nothing to tell, which
/// the event explains.
pub(super) fn with_boot_url(
    mut answer: Answer,
    verdict: &Verdict,
    local: Ipv6Addr,
    http_port: u16,
) -> (Answer, Option<String>) {
    let Decision::Boot(boot) = &verdict.decision else { return (answer, None) };
    match boot_file_url(boot, local, http_port) {
        Ok(url) => {
            answer.event.boot_file = Some(url.clone());
            (answer, Some(url))
        }
        Err(reason) => {
            answer.event.reason = reason;
            (answer, None)
        }
    }
}

#[cfg(test)]
mod tests;
