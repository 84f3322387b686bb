//! One machine: its boots, told apart by what its firmware does when it starts.

mod dhcp;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pxe_policy::SystemUuid;

use crate::boot::{Boot, Fetched, MAX_RUNNING, Missed, Phase, Running, Substituted, kind_of};
use crate::file::FileKind;
use crate::finding::Finding;
use crate::report::{Report, State};
use crate::step::{ClientMessage, FileRefused, Proto, Step, TransferId, TransferStarted};
use crate::syslog::Message;

/// One machine, with its present boot, the one before, and a line about each that came earlier.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    boots: VecDeque<Boot>,
    summaries: VecDeque<Summary>,
    uuids: Vec<SystemUuid>,
    past: VecDeque<Past>,
    /// How long a boot program takes to ask for its next file; None stands for [`GOES_ON`].
    goes_on: Option<Duration>,
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

/// The summary of an earlier boot.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Summary {
    pub(crate) started: SystemTime,
    pub(crate) ended: SystemTime,
    pub(crate) phase: Phase,
    pub(crate) last_file: Option<Fetched>,
    pub(crate) variables: bool,
}

impl Machine {
    /// Sets how long a boot program takes to ask for its next file, as it is configured.
    pub(crate) fn set_goes_on(&mut self, within: Duration) {
        self.goes_on = Some(within);
    }

    /// Its present boot, or the last one.
    pub fn boot(&self) -> Option<&Boot> {
        self.boots.back()
    }

    /// The boot before the current one, when it is known.
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

    /// Boots that fetched something, from the present one back, as long as no more than `within`
    /// lies between two.
    pub(crate) fn lately(&self, within: Duration) -> Vec<Summary> {
        let all = self.summaries.iter().cloned().chain(self.boots.iter().map(Summary::new));
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
                self.prove(id);
                if let Some(running) = self.running(id) {
                    running.bytes = (bytes, at);
                    running.stalled = None;
                }
            }
            Step::TransferStalled(stalled) => {
                if stalled.proved {
                    self.prove(stalled.id);
                }
                if let Some(running) = self.running(stalled.id) {
                    running.resends = stalled.resends;
                    if stalled.bytes > running.bytes.0 {
                        running.bytes = (stalled.bytes, at);
                    }
                    running.stalled = Some(stalled.clone());
                }
            }
            Step::TransferFinished(finished) if finished.partial => {}
            Step::TransferFinished(finished) => {
                if finished.proved {
                    self.prove(finished.id);
                } else if self.leave_unproved(finished.id) {
                    return;
                }
                let boot = self.boot_of(at, finished.id);
                boot.ended(at, finished);
                match finished.proved {
                    true => boot.steps(at),
                    false => boot.last = at,
                }
            }
            Step::FileRefused(refused) => self.refused(at, refused),
            Step::Disproved(disproved) => {
                if let Some(boot) = self.boots.back_mut() {
                    boot.take_back(&disproved.path);
                }
            }
            Step::TlsFailed(failed) => {
                let boot = self.current(at);
                boot.tls_failed = Some((at, failed.clone()));
                boot.steps(at);
            }
            Step::Reported(reported) => match &reported.message {
                ClientMessage::Report(report) => self.reported(at, report),
                ClientMessage::Syslog(message) => self.complained(at, message),
            },
        }
    }

    fn started(&mut self, at: SystemTime, started: &TransferStarted) {
        if started.partial {
            return;
        }
        let boot = self.current(at);
        // A read request may come from anybody who writes the machine's address into it.
        let counts = started.proved || started.proto != Proto::Tftp || !boot.has_tftp();
        if started.proved || started.proto != Proto::Tftp {
            boot.steps(at);
        } else if counts {
            boot.last = at;
        }
        if let Some(configuration) = started.configuration.as_ref().filter(|_| counts) {
            boot.add_configuration(&started.path, configuration);
        }
        if let Some(substitute) = started.substitute.as_ref().filter(|_| counts) {
            let served = Arc::clone(&started.path);
            boot.substituted = Some(Substituted { at, served, substitute: substitute.clone() });
        }
        let transfers = if counts { &mut boot.running } else { &mut boot.unproved };
        if transfers.len() >= MAX_RUNNING {
            transfers.remove(0);
        }
        transfers.push(Running {
            since: at,
            id: started.id,
            path: Arc::clone(&started.path),
            kind: kind_of(&started.path, started.program.as_ref()),
            proto: started.proto,
            peer: started.peer,
            negotiated: started.negotiated.clone(),
            block_size: started.block_size,
            size: started.size,
            program: started.program.clone(),
            configuration: started.configuration.clone(),
            bytes: (0, at),
            stalled: None,
            resends: 0,
            proved: started.proved,
        });
    }

    fn refused(&mut self, at: SystemTime, refused: &FileRefused) {
        if self.doubts(at, refused) {
            return;
        }
        let boot = self.current(at);
        let missed = Missed {
            at,
            before: boot.last,
            path: refused.path.clone(),
            kind: FileKind::from_path(&refused.path),
            refusal: refused.refusal,
            detail: refused.detail.clone(),
            proto: refused.proto,
        };
        match refused.proto {
            Proto::Tftp => boot.last = at,
            _ => boot.steps(at),
        }
        boot.add_missed(missed);
    }

    /// Whether somebody else may have asked in the machine's name, or its system did: a refusal by
    /// TFTP is acknowledged by no one.
    pub(crate) fn doubts(&self, at: SystemTime, refused: &FileRefused) -> bool {
        let Some(boot) = self.boots.back().filter(|_| refused.proto == Proto::Tftp) else { return false };
        let is_over = at.duration_since(boot.last).is_ok_and(|ago| ago > A_MENU);
        is_over || boot.rests(at, self.goes_on.unwrap_or(GOES_ON)) && !boot.may_ask_for(&refused.path)
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
        boot.steps(at);
    }

    fn complained(&mut self, at: SystemTime, message: &Message) {
        if let Some(boot) = self.boots.back_mut().filter(|_| message.is_error()) {
            let program =
                message.program.as_deref().map(|program| format!("{program}: ")).unwrap_or_default();
            boot.complaint = Some((at, format!("{program}{}", message.text)));
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
            self.summaries.push_back(Summary::new(&oldest));
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

    /// The client of a transfer has answered: it is the machine's own.
    fn prove(&mut self, id: TransferId) {
        for boot in self.boots.iter_mut().rev() {
            if let Some(place) = boot.unproved.iter().position(|running| running.id == id) {
                let running = boot.unproved.remove(place);
                boot.steps(boot.last.max(running.since));
                if let Some(configuration) = &running.configuration {
                    boot.add_configuration(&running.path, configuration);
                }
                if boot.running.len() >= MAX_RUNNING {
                    boot.running.remove(0);
                }
                boot.running.push(running);
            }
            if let Some(running) = boot.running.iter_mut().find(|running| running.id == id) {
                running.proved = true;
                return;
            }
        }
    }

    /// Forgets a transfer that nobody acknowledged, if it is one.
    fn leave_unproved(&mut self, id: TransferId) -> bool {
        self.boots.iter_mut().any(|boot| {
            let place = boot.unproved.iter().position(|running| running.id == id);
            place.map(|place| boot.unproved.remove(place)).is_some()
        })
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

impl Summary {
    fn new(boot: &Boot) -> Self {
        Summary {
            started: boot.started,
            ended: boot.last,
            phase: boot.phase(),
            last_file: boot.fetched.iter().max_by_key(|file| (file.kind.rank(), file.at)).cloned(),
            variables: boot.fetched.iter().any(|file| file.kind == FileKind::Variables),
        }
    }
}

/// Silence after which whatever a machine asks begins another boot.
const ONE_BOOT: Duration = Duration::from_secs(150);
/// A boot program that has a file asks for its next one within this time; a menu waits longer.
pub(crate) const GOES_ON: Duration = Duration::from_secs(10);
/// No menu waits longer for its first choice.
const A_MENU: Duration = Duration::from_secs(10 * 60);
/// Boots that are kept whole.
const MAX_BOOTS: usize = 2;
/// Boots of which a line is kept.
const MAX_SUMMARIES: usize = 8;
const MAX_UUIDS: usize = 4;
/// Findings that are over and kept.
const MAX_PAST: usize = 16;
