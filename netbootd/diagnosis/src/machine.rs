//! One machine: its boots, told apart by what its firmware does when it starts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pxe_policy::{Class, Reason, SystemUuid};

use crate::boot::{Boot, Fetched, MAX_RUNNING, Missed, Phase, Running, Substituted, kind_of};
use crate::file::FileKind;
use crate::finding::Finding;
use crate::report::{Report, State};
use crate::step::{
    Answered, ClientMessage, Decided, FileRefused, MacAnswered, Proto, Step, TransferId, TransferStarted,
};
use crate::syslog::Message;

/// One machine, with its present boot, the one before, and a line about each that came earlier.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    boots: VecDeque<Boot>,
    summaries: VecDeque<Summary>,
    uuids: Vec<SystemUuid>,
    past: VecDeque<Past>,
}

/// A finding that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// When the boot began that had it.
    pub boot: SystemTime,
    /// When the machine went on.
    pub ended: SystemTime,
    /// The finding as it was last.
    pub finding: Finding,
}

/// What is kept of an earlier boot.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Summary {
    pub(crate) started: SystemTime,
    pub(crate) ended: SystemTime,
    pub(crate) phase: Phase,
    pub(crate) last_file: Option<Fetched>,
    pub(crate) variables: bool,
}

impl Machine {
    /// Its present boot, or the last one.
    pub fn boot(&self) -> Option<&Boot> {
        self.boots.back()
    }

    /// The boot before.
    pub fn previous(&self) -> Option<&Boot> {
        self.boots.len().checked_sub(2).and_then(|place| self.boots.get(place))
    }

    /// The GUIDs that it was seen with, at most [`MAX_UUIDS`].
    pub fn uuids(&self) -> &[SystemUuid] {
        &self.uuids
    }

    /// The findings that are over, oldest first, at most [`MAX_PAST`].
    pub fn past(&self) -> impl Iterator<Item = &Past> {
        self.past.iter()
    }

    /// Its boots that are kept whole, the present one first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Boot> {
        self.boots.iter().rev()
    }

    /// Keeps a finding that is over. The same one of the same boot that came again is one.
    pub(crate) fn add_past(&mut self, past: Past) {
        let same = |known: &Past| {
            known.boot == past.boot
                && known.finding.cause == past.finding.cause
                && known.finding.file == past.finding.file
        };
        if let Some(known) = self.past.iter_mut().find(|known| same(known)) {
            *known = past;
            return;
        }
        if self.past.len() >= MAX_PAST {
            self.past.pop_front();
        }
        self.past.push_back(past);
    }

    /// Boots that fetched something, from the present one back, as long as no more than `within` lies between two.
    pub(crate) fn lately(&self, within: Duration) -> Vec<Summary> {
        let all = self.summaries.iter().cloned().chain(self.boots.iter().map(Summary::of));
        let mut all: Vec<Summary> = all.collect();
        all.reverse();
        let Some(newest) = all.first().map(|boot| boot.ended) else { return Vec::new() };
        all.retain(|boot| {
            boot.last_file.is_some() && newest.duration_since(boot.started).is_ok_and(|ago| ago <= within)
        });
        all
    }

    /// Adds one step. A step of another machine is the caller's mistake.
    pub fn observe(&mut self, at: SystemTime, step: Step<'_>) {
        match step {
            Step::Decided(decided) => self.decided(at, decided),
            Step::MacAnswered(answered) => self.mac_answered(at, answered),
            Step::OtherServer(other) => {
                if let Some(boot) = self.boots.back_mut() {
                    boot.add_other(at, other);
                }
            }
            Step::TransferStarted(started) => self.started(at, started),
            Step::TransferProgress { id, bytes } => {
                if let Some(running) = self.running(id) {
                    running.bytes = (bytes, at);
                    running.stalled = None;
                }
            }
            Step::TransferStalled(stalled) => {
                if let Some(running) = self.running(stalled.id) {
                    if stalled.bytes > running.bytes.0 {
                        running.bytes = (stalled.bytes, at);
                    }
                    running.stalled = Some(*stalled);
                }
            }
            Step::TransferFinished(finished) if finished.partial => {}
            Step::TransferFinished(finished) => {
                let boot = self.boot_of(at, finished.id);
                boot.ended(at, finished);
                boot.last = at;
            }
            Step::FileRefused(refused) => self.refused(at, refused),
            Step::Reported(reported) => match &reported.message {
                ClientMessage::Report(report) => self.reported(at, report),
                ClientMessage::Syslog(message) => self.complained(at, message),
            },
        }
    }

    fn decided(&mut self, at: SystemTime, decided: &Decided) {
        if let Some(uuid) = decided.uuid
            && !self.uuids.contains(&uuid)
        {
            if self.uuids.len() >= MAX_UUIDS {
                self.uuids.remove(0);
            }
            self.uuids.push(uuid);
        }
        if let Some(taken) = decided.taken {
            // The machine takes its lease from another server: evidence, and no step of its own here.
            let boot = self.current(at);
            boot.taken = Some((at, taken));
            let follows_offer = boot.offer.as_ref().is_some_and(|(offered, _)| *offered == boot.last);
            if follows_offer || boot.ipxe.is_none() && !boot.has_files() {
                boot.last = at;
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
                boot.last = at;
            }
            return;
        }
        if decided.class == Some(Class::Bsdp) && decided.boot_file.is_none() {
            // A Mac's address is of any DHCP server; what it boots it asks by BSDP.
            if self.boots.back().is_none_or(Boot::has_files) || self.is_stale(at) {
                self.begin(at);
            }
            self.current(at).last = at;
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
        boot.last = at;
        boot.uuid = decided.uuid.or(boot.uuid);
        boot.arch = decided.arch.or(boot.arch);
        if decided.class == Some(Class::Ipxe) && boot.completed > 0 {
            boot.ipxe.get_or_insert(at);
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
        // Windows' own boot program asks here too; firmware that starts again has had a file before.
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
        boot.last = at;
        boot.uuid = decided.uuid.or(boot.uuid);
        boot.arch = decided.arch.or(boot.arch);
        boot.class = boot.class.or(decided.class);
        boot.named = Some((at, decided));
    }

    fn mac_answered(&mut self, at: SystemTime, answered: &MacAnswered) {
        let starts = answered.asked.is_none() || answered.asked == Some(bsdp::BsdpMessageType::List);
        if starts && self.boots.back().is_some_and(Boot::has_files) || self.is_stale(at) {
            self.begin(at);
        }
        let boot = self.current(at);
        boot.last = at;
        boot.class = Some(Class::Bsdp);
        boot.asked += 1;
        boot.mac = Some((at, Arc::new(answered.clone())));
    }

    fn started(&mut self, at: SystemTime, started: &TransferStarted) {
        if started.partial {
            return;
        }
        let boot = self.current(at);
        boot.last = at;
        if let Some(substitute) = &started.substitute {
            let served = Arc::clone(&started.path);
            boot.substituted = Some(Substituted { at, served, substitute: substitute.clone() });
        }
        if boot.running.len() >= MAX_RUNNING {
            boot.running.remove(0);
        }
        boot.running.push(Running {
            since: at,
            id: started.id,
            path: Arc::clone(&started.path),
            kind: kind_of(&started.path, started.program),
            proto: started.proto,
            peer: started.peer,
            negotiated: started.negotiated.clone(),
            block_size: started.block_size,
            size: started.size,
            program: started.program,
            bytes: (0, at),
            stalled: None,
        });
    }

    fn refused(&mut self, at: SystemTime, refused: &FileRefused) {
        let boot = self.current(at);
        boot.last = at;
        boot.add_missed(Missed {
            at,
            path: refused.path.clone(),
            kind: FileKind::of(&refused.path),
            refusal: refused.refusal,
            detail: refused.detail.clone(),
            proto: refused.proto,
        });
    }

    fn reported(&mut self, at: SystemTime, report: &Report) {
        let boot = self.current(at);
        boot.facts.update(&report.facts);
        match report.state {
            State::Started => boot.failed = None,
            State::Failed => boot.failed = Some((at, Arc::new(report.clone()))),
            State::Up => {
                boot.failed = None;
                boot.system.get_or_insert(at);
            }
            // Words alone are no sign that it goes on.
            State::Note => return,
        }
        boot.last = at;
    }

    fn complained(&mut self, at: SystemTime, message: &Message) {
        if let Some(boot) = self.boots.back_mut().filter(|_| message.is_error()) {
            let program =
                message.program.as_deref().map(|program| format!("{program}: ")).unwrap_or_default();
            boot.complaint = Some((at, format!("{program}{}", message.text)));
        }
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

    fn is_stale(&self, at: SystemTime) -> bool {
        self.boots.back().is_some_and(|boot| {
            boot.running.is_empty() && at.duration_since(boot.last).is_ok_and(|ago| ago > ONE_BOOT)
        })
    }

    fn begin(&mut self, at: SystemTime) {
        while self.boots.len() >= MAX_BOOTS
            && let Some(oldest) = self.boots.pop_front()
        {
            if self.summaries.len() >= MAX_SUMMARIES {
                self.summaries.pop_front();
            }
            self.summaries.push_back(Summary::of(&oldest));
        }
        self.boots.push_back(Boot::new(at));
    }

    fn current(&mut self, at: SystemTime) -> &mut Boot {
        if self.boots.is_empty() {
            self.begin(at);
        }
        let last = self.boots.len() - 1;
        &mut self.boots[last]
    }

    fn running(&mut self, id: TransferId) -> Option<&mut Running> {
        let running = self.boots.iter_mut().flat_map(|boot| &mut boot.running);
        running.rev().find(|running| running.id == id)
    }

    /// The boot that a transfer began in: firmware may start again before the server gives one up.
    fn boot_of(&mut self, at: SystemTime, id: TransferId) -> &mut Boot {
        let began = |boot: &Boot| boot.running.iter().any(|running| running.id == id);
        match self.boots.iter().rposition(began) {
            Some(place) => &mut self.boots[place],
            None => self.current(at),
        }
    }
}

impl Boot {
    /// Whether a system could be running: a boot program alone asks for addresses too.
    fn went_on_to_a_system(&self) -> bool {
        self.fetched.iter().any(|file| file.kind.rank() >= 5 || file.kind == FileKind::Program)
    }
}

impl Summary {
    fn of(boot: &Boot) -> Self {
        Summary {
            started: boot.started,
            ended: boot.last,
            phase: boot.phase(),
            last_file: boot.fetched.iter().max_by_key(|file| (file.kind.rank(), file.at)).cloned(),
            variables: boot.fetched.iter().any(|file| file.kind == FileKind::Variables),
        }
    }
}

/// No firmware repeats its question this early.
const AT_ONCE: Duration = Duration::from_millis(200);
/// Silence after which whatever a machine asks begins another boot.
const ONE_BOOT: Duration = Duration::from_secs(150);
/// Boots that are kept whole.
const MAX_BOOTS: usize = 2;
/// Boots of which a line is kept.
const MAX_SUMMARIES: usize = 8;
const MAX_UUIDS: usize = 4;
/// Findings that are over and kept.
const MAX_PAST: usize = 16;
