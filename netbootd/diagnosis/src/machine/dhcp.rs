//! DHCP, DHCPv6 and BSDP packets of a machine: the begin of a boot, and the server's answers.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pxe_policy::{Class, Reason};

use super::{MAX_UUIDS, Machine};
use crate::boot::{Boot, MAX_SEGMENTS};
use crate::file::FileKind;
use crate::fleet::Segment;
use crate::step::{Answered, Decided, MacAnswered, Proto};

impl Machine {
    pub(super) fn decided(&mut self, at: SystemTime, decided: &Decided) {
        if let Some(uuid) = decided.uuid
            && !self.uuids.contains(&uuid)
        {
            if self.uuids.len() >= MAX_UUIDS {
                self.uuids.remove(0);
            }
            self.uuids.push(uuid);
        }
        if decided.reason == Reason::Declined {
            // Its boot alone counts; a system that declines an address is another matter.
            if let Some(boot) = self.boots.back_mut().filter(|boot| !boot.is_through()) {
                boot.declined = boot.declined.saturating_add(1);
                boot.steps(at);
            }
            return;
        }
        if let Some(taken) = decided.taken {
            // The machine takes its lease from another server: evidence, and no step of its own
            // here.
            let boot = self.current(at);
            boot.taken = Some((at, taken));
            let follows_offer = boot.offer.as_ref().is_some_and(|(offered, _)| *offered == boot.last);
            if follows_offer || boot.ipxe.is_none() && !boot.has_files() {
                boot.steps(at);
            }
            return;
        }
        if decided.proto == Proto::Dhcp6 && decided.reason == Reason::OtherServer {
            let boot = self.current(at);
            boot.taken6 = Some(at);
            if !boot.has_files() {
                boot.steps(at);
            }
            return;
        }
        let plain = matches!(decided.reason, Reason::NotABootRequest | Reason::NotForABootServer)
            || decided.reason == Reason::Lease && decided.decision.is_reply();
        if plain && decided.class.is_none() {
            // Without a boot class it is the started system, once there was something to start, or
            // no boot at all.
            if let Some(boot) = self.boots.back_mut()
                && boot.went_on_to_a_system()
            {
                boot.system.get_or_insert(at);
                boot.steps(at);
            }
            return;
        }
        if decided.class == Some(Class::Bsdp) && decided.boot_file.is_none() {
            // A Mac's address is of any DHCP server; what it boots it asks by BSDP.
            if self.boots.back().is_none_or(Boot::has_files) || self.is_stale(at) {
                self.begin(at);
            }
            self.current(at).steps(at);
            return;
        }
        match decided.proto {
            Proto::Pxe => self.asked_boot_server(at, decided),
            Proto::Proxy | Proto::Dhcp | Proto::Dhcp6 => self.asked_port_67(at, decided),
            Proto::Bsdp | Proto::Tftp | Proto::Http => {}
        }
    }

    fn asked_port_67(&mut self, at: SystemTime, decided: &Decided) {
        let names = decided.decision == Answered::Ack;
        let refused = matches!(decided.decision, Answered::Nak);
        if !names && !refused && self.begins(at, decided.class) {
            self.begin(at);
        }
        let decided = Arc::new(decided.clone());
        let boot = self.current(at);
        // A packet that two relays forward, or a network delivers twice, is one question.
        let twice = boot.offer.as_ref().is_some_and(|(before, offer)| {
            offer.xid == decided.xid && at.duration_since(*before).is_ok_and(|since| since < AT_ONCE)
        });
        boot.steps(at);
        boot.uuid = decided.uuid.or(boot.uuid);
        boot.arch = decided.arch.or(boot.arch);
        let is_later = decided.class == Some(Class::Ipxe) && boot.completed > 0;
        if is_later {
            boot.ipxe.get_or_insert(at);
        }
        if decided.proto != Proto::Dhcp6 {
            boot.asks_from(at, Segment::from_decided(&decided), is_later);
        }
        if boot.class.is_none() {
            boot.class = decided.class;
        }
        match decided.decision {
            Answered::Nak => boot.naks += 1,
            Answered::Ack => {
                boot.naks = 0;
                boot.named = Some((at, decided));
            }
            _ => {
                boot.asked += u32::from(!twice);
                boot.offer = Some((at, decided));
            }
        }
    }

    fn asked_boot_server(&mut self, at: SystemTime, decided: &Decided) {
        // Windows' own boot program asks here too; firmware that starts again has had a file
        // before.
        let continues = self.boots.back().is_none_or(|boot| {
            // It may have fetched its fonts before it asks.
            let file = boot.fetched.iter().rev().find(|file| file.kind.rank() > 0);
            file.is_none_or(|file| file.kind == FileKind::WdsProgram)
        });
        if !continues || self.is_stale(at) {
            self.begin(at);
        }
        let decided = Arc::new(decided.clone());
        let boot = self.current(at);
        boot.steps(at);
        boot.uuid = decided.uuid.or(boot.uuid);
        boot.arch = decided.arch.or(boot.arch);
        boot.class = boot.class.or(decided.class);
        boot.named = Some((at, decided));
    }

    pub(super) fn mac_answered(&mut self, at: SystemTime, answered: &MacAnswered) {
        let starts = answered.asked.is_none() || answered.asked == Some(bsdp::BsdpMessageType::List);
        if starts && self.boots.back().is_some_and(Boot::has_files) || self.is_stale(at) {
            self.begin(at);
        }
        let boot = self.current(at);
        boot.steps(at);
        boot.class = Some(Class::Bsdp);
        boot.asked += 1;
        boot.mac = Some((at, Arc::new(answered.clone())));
    }

    /// Whether a DISCOVER of this class is the beginning of another boot.
    fn begins(&self, at: SystemTime, class: Option<Class>) -> bool {
        let Some(boot) = self.boots.back() else { return true };
        if self.is_stale(at) {
            return true;
        }
        if !boot.has_files() {
            return false;
        }
        if class != Some(Class::Ipxe) {
            return true;
        }
        // iPXE asks by itself after it was loaded; an iPXE in the card's ROM asks first.
        let loaded = boot.program().is_some();
        match boot.ipxe {
            None => !loaded,
            Some(since) => boot.fetched.iter().any(|file| file.at > since && file.kind.rank() >= 3),
        }
    }
}

impl Boot {
    /// A packet came by a segment: of its firmware, or of a later boot program.
    fn asks_from(&mut self, at: SystemTime, segment: Segment, is_later: bool) {
        let known = self.segments.contains(&segment);
        if is_later {
            self.moved = match known || self.segments.is_empty() {
                true => None,
                false => self.moved.take().or(Some((at, segment))),
            };
        } else if !known && self.segments.len() < MAX_SEGMENTS {
            self.segments.push(segment);
        }
    }

    /// Whether a system could be running: a boot program alone asks for addresses too.
    fn went_on_to_a_system(&self) -> bool {
        self.fetched.iter().any(|file| file.kind.rank() >= 5 || file.kind == FileKind::Program)
    }
}

/// No firmware repeats its question this early.
const AT_ONCE: Duration = Duration::from_millis(200);
