//! One machine on the board: what an operator sees of it in a list.

use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime};

use netbootd_diagnosis::{Boot, Cause, Diagnosis, Phase, Severity};
use netbootd_server::services::Services;
use netbootd_telemetry::event::{Answered, Event};
use netbootd_telemetry::finding::FindingView;
use netbootd_telemetry::timeline::Timeline;
use pxe_policy::{Approval, MacAddr, Reason};

/// The state of a machine, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum State {
    /// An operator's word is missing, or its image is coming.
    Waiting,
    /// A transfer runs, or a step is less than thirty seconds old.
    Booting,
    /// A finding stops it.
    Failed,
    /// A finding slows it, or may stop it.
    Attention,
    /// The last transfer is complete and nothing followed.
    Loaded,
    /// The system itself was seen.
    Up,
    /// It goes to its own disk, on purpose.
    ToDisk,
    /// It gets nothing, on purpose.
    LeftAlone,
}

impl State {
    pub(crate) const ALL: [State; 8] = [
        State::Booting,
        State::Failed,
        State::Attention,
        State::Waiting,
        State::Loaded,
        State::Up,
        State::ToDisk,
        State::LeftAlone,
    ];

    /// The word on the page.
    pub(crate) fn word(self) -> &'static str {
        match self {
            State::Waiting => "Waiting",
            State::Booting => "Booting",
            State::Failed => "Failed",
            State::Attention => "Attention",
            State::Loaded => "Loaded",
            State::Up => "Up",
            State::ToDisk => "To disk",
            State::LeftAlone => "Left alone",
        }
    }

    /// The word in addresses.
    pub(crate) fn key(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Booting => "booting",
            State::Failed => "failed",
            State::Attention => "attention",
            State::Loaded => "loaded",
            State::Up => "up",
            State::ToDisk => "to-disk",
            State::LeftAlone => "left-alone",
        }
    }

    /// The glyph and the colours.
    pub(crate) fn tint(self) -> &'static str {
        match self {
            State::Waiting => "wait",
            State::Booting => "busy",
            State::Failed => "bad",
            State::Attention => "warn",
            State::Loaded | State::Up => "ok",
            State::ToDisk | State::LeftAlone => "off",
        }
    }

    pub(crate) fn place(self) -> usize {
        State::ALL.iter().position(|state| *state == self).unwrap_or_default()
    }
}

/// The summary of one machine.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) mac: MacAddr,
    pub(crate) name: Option<String>,
    pub(crate) uuid: Option<String>,
    /// The number of its boot, as its screen shows it.
    pub(crate) number: u32,
    pub(crate) vendor: Option<String>,
    pub(crate) arch: Option<String>,
    /// The relay or interface that its packets come by.
    pub(crate) network: Option<String>,
    pub(crate) address: Option<String>,
    /// The image, deployment or boot file that it gets.
    pub(crate) gets: Option<String>,
    /// The rule that decided.
    pub(crate) rule: Option<String>,
    pub(crate) state: State,
    pub(crate) phase: Phase,
    pub(crate) started: SystemTime,
    pub(crate) seen: SystemTime,
    pub(crate) transfer: Option<Transfer>,
    pub(crate) found: Option<Found>,
    /// Other servers that answered it in this boot.
    pub(crate) rivals: Vec<Rival>,
    /// Whether an operator's word decides about it.
    pub(crate) is_asked: bool,
    /// The operator's decision, while the machine has not asked since.
    pub(crate) approval: Option<Approval>,
    /// Everything that a search looks into, in small letters.
    pub(crate) haystack: String,
}

/// The file that comes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Transfer {
    pub(crate) file: String,
    pub(crate) bytes: u64,
    pub(crate) size: Option<u64>,
    /// The throughput in bytes a second.
    pub(crate) rate: f64,
}

/// Another server, as one machine saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rival {
    pub(crate) server: Ipv4Addr,
    pub(crate) gives_address: bool,
    pub(crate) names_file: bool,
}

/// The finding of the machine, in words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub(crate) cause: Cause,
    pub(crate) severity: Severity,
    pub(crate) headline: String,
    pub(crate) file: Option<String>,
    pub(crate) server: Option<String>,
    /// When it was found first.
    pub(crate) since: SystemTime,
}

impl Row {
    /// The row of a machine by its steps and their diagnosis; `before` is its row so far.
    pub(super) fn new(
        services: &Services,
        (mac, timeline, diagnosis): (MacAddr, &Timeline, &Diagnosis),
        before: Option<&Row>,
        now: SystemTime,
    ) -> Option<Row> {
        let last = timeline.steps.back()?;
        let boot = timeline.machine.boot();
        let decided = boot.and_then(last_decision);
        let found = diagnosis.finding.as_ref().map(|finding| {
            let headline = FindingView::new(finding).headline;
            let same = before.and_then(|row| row.found.as_ref()).filter(|found| found.cause == finding.cause);
            Found {
                cause: finding.cause,
                severity: finding.severity(),
                headline,
                file: finding.file.clone(),
                server: finding.server.map(|server| server.to_string()),
                since: same.map_or(now, |found| found.since),
            }
        });
        // It asks again and again while it waits, and not each of its packets is a finding.
        let waits = found.as_ref().is_some_and(|found| found.cause == Cause::Decision(Reason::Pending))
            || boot.is_some_and(|boot| !boot.has_files())
                && decided.is_some_and(|decided| decided.reason == Reason::Pending);
        let approval = Some(services.approvals.get(mac)).filter(|said| waits && *said != Approval::Pending);
        let event = timeline.steps.iter().rev();
        let address = event.clone().find_map(|step| address_in(&step.event));
        let running = boot.and_then(|boot| boot.running.last());
        let transfer = running.map(|running| {
            let (bytes, at) = running.bytes;
            let seconds = at.duration_since(running.since).unwrap_or_default().as_secs_f64();
            let rate = if seconds > 0.05 { bytes as f64 / seconds } else { 0.0 };
            Transfer { file: running.path.to_string(), bytes, size: running.size, rate }
        });
        let vendor = match before {
            Some(row) => row.vendor.clone(),
            None => crate::page::vendors::vendor(mac),
        };
        let asked = decided.and_then(|decided| decided.arch);
        let mut row = Row {
            mac,
            name: assigned_name(services, mac).or_else(|| timeline.name.clone()),
            uuid: timeline.uuid.map(|uuid| uuid.to_string()),
            number: timeline.number,
            vendor,
            arch: asked.or(boot.and_then(|boot| boot.arch)).map(|arch| arch.to_string()),
            network: decided.map(|decided| {
                decided.relay.map_or_else(|| decided.iface.clone(), |relay| relay.to_string())
            }),
            address,
            gets: decided.and_then(|decided| {
                [&decided.image, &decided.deployment, &decided.boot_file]
                    .into_iter()
                    .flatten()
                    .next()
                    .cloned()
            }),
            rule: decided.and_then(|decided| decided.rule.clone()),
            state: match (waits, approval) {
                (true, Some(Approval::Rejected)) => State::LeftAlone,
                (true, _) => State::Waiting,
                _ => state(boot, found.as_ref(), (last.at, now)),
            },
            phase: boot.map_or(Phase::Address, Boot::phase),
            started: boot.map_or(last.at, |boot| boot.started),
            seen: last.at,
            transfer,
            found,
            rivals: boot.map(rivals).unwrap_or_default(),
            is_asked: waits,
            approval,
            haystack: String::new(),
        };
        row.haystack = row.words();
        Some(row)
    }

    /// A machine of which nothing is kept here.
    pub(crate) fn unknown(mac: MacAddr) -> Row {
        Row {
            mac,
            name: None,
            uuid: None,
            number: 0,
            vendor: crate::page::vendors::vendor(mac),
            arch: None,
            network: None,
            address: None,
            gets: None,
            rule: None,
            state: State::LeftAlone,
            phase: Phase::Address,
            started: SystemTime::UNIX_EPOCH,
            seen: SystemTime::UNIX_EPOCH,
            transfer: None,
            found: None,
            rivals: Vec::new(),
            is_asked: false,
            approval: None,
            haystack: String::new(),
        }
    }

    fn words(&self) -> String {
        let mac = self.mac.to_string();
        let words = [
            Some(mac.replace(':', "")),
            Some(mac),
            self.name.clone(),
            self.uuid.clone(),
            self.address.clone(),
            self.vendor.clone(),
        ];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ").to_lowercase()
    }

    /// The word that an operator knows it by.
    pub(crate) fn title(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.mac.to_string())
    }

    /// When it is worth another look, though nothing comes: silences become findings.
    pub(super) fn due(&self, now: SystemTime) -> Option<SystemTime> {
        let quiet = now.duration_since(self.seen).unwrap_or_default();
        (quiet < LOOKED_AFTER).then(|| now + quiet.mul_f64(0.15).max(Duration::from_secs(1)))
    }
}

fn rivals(boot: &Boot) -> Vec<Rival> {
    let mut rivals: Vec<Rival> = Vec::new();
    for (_, other) in &boot.others {
        let (gives_address, names_file) = (other.address.is_some(), other.boot_file.is_some());
        match rivals.iter_mut().find(|known| known.server == other.server) {
            Some(known) => {
                known.gives_address |= gives_address;
                known.names_file |= names_file;
            }
            None => rivals.push(Rival { server: other.server, gives_address, names_file }),
        }
    }
    rivals
}

/// The name that operators gave it, which the machine's next request goes by.
fn assigned_name(services: &Services, mac: MacAddr) -> Option<String> {
    let name = services.assignments.with(|known| known.get(mac).map(|device| device.name.clone()));
    name.filter(|name| !name.is_empty())
}

fn last_decision(boot: &Boot) -> Option<&netbootd_telemetry::event::Decided> {
    boot.offer.iter().chain(&boot.named).max_by_key(|(at, _)| *at).map(|(_, decided)| &**decided)
}

fn address_in(event: &Event) -> Option<String> {
    let known = |addr: std::net::IpAddr| (!addr.is_unspecified()).then(|| addr.to_string());
    match event {
        Event::Decided(decided) => {
            decided.address.or(decided.taken.and_then(|taken| taken.address).map(Into::into)).and_then(known)
        }
        Event::TransferStarted(started) => known(started.peer.ip()),
        Event::TransferFinished(finished) => known(finished.peer.ip()),
        Event::FileRefused(refused) => known(refused.peer.ip()),
        Event::TlsFailed(failed) => known(failed.peer.ip()),
        Event::Reported(reported) => known(reported.peer.ip()),
        _ => None,
    }
}

fn state(boot: Option<&Boot>, found: Option<&Found>, (last, now): (SystemTime, SystemTime)) -> State {
    let waits = |cause: Cause| cause == Cause::Decision(Reason::Brake) || cause == Cause::ImageComing;
    match found {
        Some(found) if waits(found.cause) => return State::Waiting,
        Some(found) if found.severity == Severity::Error => return State::Failed,
        Some(found) if found.severity == Severity::Warning => return State::Attention,
        _ => {}
    }
    let Some(boot) = boot else { return State::LeftAlone };
    if boot.system.is_some() {
        return State::Up;
    }
    let quiet = now.duration_since(last).unwrap_or_default();
    let answer = boot.mac.as_ref().map(|(_, answered)| answered.decision);
    let answer = last_decision(boot).map(|decided| decided.decision).or(answer);
    match answer {
        _ if !boot.running.is_empty() => State::Booting,
        Some(Answered::LocalBoot) if !boot.has_files() => State::ToDisk,
        Some(Answered::Ignore | Answered::Failed) if !boot.has_files() => State::LeftAlone,
        Some(Answered::Wait) if !boot.has_files() => State::Waiting,
        _ if quiet < STILL_BOOTING => State::Booting,
        _ if boot.completed > 0 => State::Loaded,
        _ => State::LeftAlone,
    }
}

/// A step that is younger than this is part of a boot that goes on.
const STILL_BOOTING: Duration = Duration::from_secs(30);
/// Nothing new is found of a machine that is quiet for longer.
const LOOKED_AFTER: Duration = Duration::from_secs(15 * 60);
