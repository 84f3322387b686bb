//! The boot server on port 4011 (PXE 2.1 §2.2.4, and BINL as WDS answers it).
//!
//! Nothing is needed from an offer made before: on a host that runs the DHCP server, this is the
//! first packet seen.

use pxe_policy::{BootRequest, Class, Decision, Reason, Verdict, is_boot_program};

use super::boot_info::{self, BootService};
use super::boot_program::{self, Prompt, Question};
use super::intake::{boot_request, chosen_item};
use super::option::{self, MessageType};
use super::reply::ReplyBuilder;
use super::{Answer, Arrival, Destination, Packet};
use crate::outcome::Proto;

/// The outcome of a packet on port 4011.
#[derive(Debug)]
pub enum Led {
    /// A whole answer, or silence.
    Answered(Box<Answer>),
    /// A question to the distribution point's own responder, whose answer is passed back.
    Forwarded(Box<Forwarded>),
}

/// A machine whose question goes to the distribution point's own responder.
#[derive(Debug)]
pub struct Forwarded {
    /// The answer as far as it is known.
    pub answer: Answer,
    /// The DHCP message type of the reply.
    pub kind: MessageType,
    /// The machine's request to the boot server.
    pub request: BootRequest,
    /// The verdict that decided on forwarding.
    pub verdict: Verdict,
}

/// Answers a packet on port 4011 with the boot file. `known` is what the machine said of itself
/// before: iPXE's request for a menu item has neither architecture nor UUID.
pub fn answer(
    packet: &Packet,
    arrival: &Arrival<'_>,
    service: BootService,
    known: Option<&BootRequest>,
    decide: impl FnOnce(&BootRequest) -> Verdict,
) -> Led {
    let answered = |answer| Led::Answered(Box::new(answer));
    let silence = |reason| Answer::silence(packet, arrival, Proto::Pxe, reason);
    let kind = match packet.message_type() {
        MessageType::Discover => MessageType::Offer,
        MessageType::Request | MessageType::Inform => MessageType::Ack,
        _ => return answered(silence(Reason::NotForABootServer)),
    };
    let request = match (boot_request(packet, arrival), known) {
        (Ok(request), _) if matches!(request.class, Class::Bsdp | Class::Uboot) => {
            return answered(silence(Reason::NotForABootServer));
        }
        (Ok(request), _) => request,
        (Err(Reason::NoArchitecture), Some(known)) => {
            BootRequest { item: chosen_item(packet).map(|item| item.kind), ..known.clone() }
        }
        (Err(reason), _) => return answered(silence(reason)),
    };
    let verdict = decide(&request);
    let mut answer = silence(verdict.reason).explained(&request, &verdict);
    if verdict.decision == Decision::Relay {
        return Led::Forwarded(Box::new(Forwarded { answer, kind, request, verdict }));
    }
    let question = boot_program::question(packet);
    let Decision::Boot(boot) = &verdict.decision else {
        return answered(tell(answer, packet, arrival, kind, &request, &verdict));
    };
    // The program that asks once more is no boot yet.
    if !is_boot_program(&boot.file) {
        answer = answer.giving(&request, &verdict);
    }

    let told = boot_info::boot_file(boot, arrival.local, service);
    let item = boot_info::echoed_item(packet);
    let reply = ReplyBuilder::new(packet, kind, arrival.local);
    let reply = boot_info::put_flavour(reply, packet, request.class, true, item.as_ref());
    let reply = boot_info::put_boot_file(reply, packet, request.class, boot, &told, arrival.local);
    let reply = match question {
        Some(question) => put_answer(reply, question, &request, &verdict, service.program_prompt),
        None => reply,
    };
    answer.event.boot_file = Some(told);
    answered(answer.with_reply(
        kind,
        reply,
        Destination::of_boot_server_reply(packet, arrival),
        arrival.local,
    ))
}

/// A boot program hears why it gets no boot file; firmware hears nothing.
pub(super) fn tell(
    answer: Answer,
    packet: &Packet,
    arrival: &Arrival<'_>,
    kind: MessageType,
    request: &BootRequest,
    verdict: &Verdict,
) -> Answer {
    let Some(question) = boot_program::question(packet) else { return answer };
    let told = answer.event.decision;
    let reply = ReplyBuilder::new(packet, kind, arrival.local).next_server(arrival.local);
    let reply = boot_info::put_flavour(reply, packet, request.class, true, None);
    let reply = put_answer(reply, question, request, verdict, Prompt::None);
    let to = Destination::of_boot_server_reply(packet, arrival);
    let answer = answer.with_reply(kind, reply, to, arrival.local);
    // A referral to another server is an answer like any other.
    if matches!(verdict.decision, Decision::Refer(_)) { answer } else { answer.told_as(told) }
}

fn put_answer(
    reply: ReplyBuilder,
    question: Question,
    request: &BootRequest,
    verdict: &Verdict,
    prompt: Prompt,
) -> ReplyBuilder {
    match boot_program::answer(question, verdict, request.mac, prompt).emit() {
        Ok(bytes) => reply.option(option::WDS, &bytes),
        // Every value put there is short.
        Err(_) => reply,
    }
}

#[cfg(test)]
mod tests;
