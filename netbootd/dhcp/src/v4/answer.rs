//! The outcome of a packet: a reply or silence, and the event for it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use pxe_policy::{
    Boot, BootRequest, Decision, Deployed, Evidence, GenerationReason, MacAddr, Reason, SystemUuid, Verdict,
};

use super::option::MessageType;
use super::reply::ReplyBuilder;
use super::{Arrival, Destination, Malformed, Packet};
use crate::SharedError;
use crate::outcome::{Answered, Decided, LeaseTaken, Proto};

/// The outcome of a DHCP packet.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<R = Reply> {
    /// The reply, unless the answer is silence.
    pub reply: Option<R>,
    /// The event that is recorded.
    pub event: Decided,
    /// The deployment that the reply gives to a machine: written down before it leaves.
    pub gives: Option<(Deployed, MacAddr)>,
}

/// Bytes with their destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The DHCP message as bytes.
    pub bytes: Vec<u8>,
    /// The address or broadcast that it goes to.
    pub to: Destination,
    /// The own address it comes from.
    pub from: Ipv4Addr,
}

impl Answer {
    /// Silence about bytes that are no packet.
    pub fn malformed(error: Malformed, arrival: &Arrival<'_>, proto: Proto) -> Self {
        let peer = SocketAddr::V4(arrival.from);
        let mut event = Decided::ignored(proto, &arrival.iface.name, peer, Reason::Malformed);
        event.detail = Some(SharedError::new(error));
        Answer { reply: None, event, gives: None }
    }

    /// Silence about a packet, with what is known of it.
    pub fn silence(packet: &Packet, arrival: &Arrival<'_>, proto: Proto, reason: Reason) -> Self {
        let peer = SocketAddr::V4(arrival.from);
        let mut event = Decided::ignored(proto, &arrival.iface.name, peer, reason);
        event.xid = Some(packet.header.xid());
        event.mac = Some(packet.mac());
        event.relay = packet.relay().map(Into::into);
        event.class = super::intake::class_of(packet);
        event.probe = super::is_probe(packet);
        Answer { reply: None, event, gives: None }
    }
}

impl<R> Answer<R> {
    /// Adds what the request and the verdict say.
    pub fn explained(mut self, request: &BootRequest, verdict: &Verdict) -> Self {
        self.event.uuid = request.uuid;
        self.event.arch = request.arch();
        self.event.class = Some(request.class);
        self.event.reason = verdict.reason;
        self.event.rule = verdict.rule.clone();
        match &verdict.decision {
            Decision::Boot(boot) => {
                self.event.image = boot.image.clone();
                self.event.elsewhere = elsewhere(boot);
            }
            Decision::LocalBoot => {
                self.event.decision = Answered::LocalBoot;
                // Its disk is given by silence as well.
                if verdict.deployment.as_ref().is_some_and(Deployed::is_boot_next) {
                    self = self.giving(request, verdict);
                }
            }
            Decision::Wait => self.event.decision = Answered::Wait,
            Decision::Relay | Decision::Refer(_) | Decision::Images(_) | Decision::Ignore => {}
        }
        self.event.machine = verdict.machine.as_ref().map(|known| known.name.clone());
        self.event.deployment = verdict.deployment.as_ref().map(|deployed| deployed.id.clone());
        let is_banned = |evidence: &&Evidence| matches!(evidence, Evidence::GuidBanned { .. });
        let mut placeholder = None;
        if verdict.evidence.iter().any(|evidence| is_banned(&evidence)) {
            // As operators know it: an empty GUID, and the hardware address alone.
            self.event.uuid = None;
        } else if request.uuid.is_some_and(SystemUuid::is_placeholder) {
            placeholder = Some(Evidence::PlaceholderGuid);
        }
        let boots = matches!(verdict.decision, Decision::Boot(_) | Decision::Relay | Decision::Refer(_));
        let is_told = |evidence: &&Evidence| {
            let kept = matches!(
                evidence,
                Evidence::LinkKept { .. }
                    | Evidence::ChosenInMenu { .. }
                    | Evidence::Generation { why: GenerationReason::OtherRefused(_), .. }
                    | Evidence::NoSignerTrusted { .. }
            );
            is_banned(evidence) || kept || verdict.reason != Reason::Rule && (!boots || evidence.is_odd())
        };
        let worth_telling = verdict.evidence.iter().filter(is_told).cloned();
        self.event.evidence = placeholder.into_iter().chain(worth_telling).collect();
        self
    }

    /// Adds the lease that the packet takes from another server.
    pub fn taking(mut self, taken: LeaseTaken) -> Self {
        self.event.taken = Some(taken);
        self
    }

    /// Marks the reply as the one that names the boot file, and so gives the deployment away.
    pub fn giving(mut self, request: &BootRequest, verdict: &Verdict) -> Self {
        self.gives = verdict.deployment.clone().map(|deployed| (deployed, request.mac));
        self
    }

    /// Tells another decision than the kind of the reply says.
    pub fn told_as(mut self, decision: Answered) -> Self {
        if self.reply.is_some() {
            self.event.decision = decision;
        }
        self
    }
}

/// The server that holds a boot file, where the rule names another one by its address.
fn elsewhere(boot: &Boot) -> Option<IpAddr> {
    if !boot.is_url() {
        return boot.next_server.map(IpAddr::from);
    }
    let authority = boot.file.split_once("://")?.1.split('/').next()?;
    let host = authority.rsplit_once(':').filter(|(host, _)| !host.ends_with(':'));
    let host = host.map_or(authority, |(host, _)| host);
    host.trim_matches(['[', ']']).parse().ok()
}

impl Answer {
    /// Turns silence into a reply; a reply that the client would not take stays silence, with its
    /// reason.
    pub fn with_reply(
        mut self,
        kind: MessageType,
        builder: ReplyBuilder,
        to: Destination,
        from: Ipv4Addr,
    ) -> Self {
        match builder.finish() {
            Ok(bytes) => {
                self.event.decision = match kind {
                    MessageType::Offer => Answered::Offer,
                    MessageType::Nak => Answered::Nak,
                    _ => Answered::Ack,
                };
                self.reply = Some(Reply { bytes, to, from });
            }
            Err(reason) => self.event.reason = reason,
        }
        self
    }
}
