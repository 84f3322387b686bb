//! What operators see: the state of the server, of machines and of transfers, as JSON.

use std::time::SystemTime;

use netbootd_diagnosis::Diagnosis;
use pxe_policy::MacAddr;
use serde::{Deserialize, Serialize};

use crate::api::finding::{ExpectedView, FindingView};
use crate::certificates::Seen;
use crate::event::{Event, Proto, Recorded};
use crate::ingests::Ingest;
use crate::services::Services;
use crate::timeline::{Timeline, Transfer};

/// The server as a whole.
#[derive(Debug, Serialize)]
pub struct StatusView {
    version: &'static str,
    uptime_seconds: u64,
    mode: String,
    machines: usize,
    transfers: usize,
    bytes: u64,
    pending: usize,
    ingest: Option<Ingest>,
    lost_steps: u64,
    directories: Vec<DirectoryView>,
    certificates: Vec<Seen>,
    counters: Vec<CounterView>,
}

/// One directory.
#[derive(Debug, Serialize)]
pub struct DirectoryView {
    name: &'static str,
    /// Why it is left alone; None while it answers.
    trouble: Option<String>,
}

/// How often one thing happened.
#[derive(Debug, Serialize)]
pub struct CounterView {
    kind: &'static str,
    word: &'static str,
    count: u64,
}

/// One machine, in a list.
#[derive(Debug, Serialize, Deserialize)]
pub struct DeviceView {
    /// Its hardware address.
    pub mac: String,
    /// Its GUID.
    pub uuid: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// When it was last heard of (RFC 3339).
    pub last_seen: String,
    /// The last thing that happened.
    pub last_step: String,
    /// The cause of what is wrong, if anything is.
    pub finding: Option<String>,
}

/// One machine with its steps.
#[derive(Debug, Serialize)]
pub struct TimelineView {
    mac: String,
    uuid: Option<String>,
    name: Option<String>,
    finding: Option<FindingView>,
    /// Another cause that fits as well.
    also: Option<FindingView>,
    /// What should follow the last step.
    expected: Option<ExpectedView>,
    steps: Vec<StepView>,
}

/// One step.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct StepView {
    /// When (RFC 3339).
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uuid: Option<String>,
    /// The machine's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// `proxy`, `dhcp`, `bsdp`, `pxe`, `tftp`, `http`, or `image`.
    proto: &'static str,
    /// What a machine said of itself: `x64-uefi pxe`, `Macmini7,1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<String>,
    /// `offer`, `ack`, `transfer`, `completed`, `not-found`…
    what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// The rule, deployment and image that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    negotiated: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resends: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    /// Bytes a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<f64>,
}

/// A transfer under way.
#[derive(Debug, Serialize)]
pub struct TransferView {
    id: u64,
    mac: Option<String>,
    peer: String,
    proto: &'static str,
    file: String,
    bytes: u64,
    size: Option<u64>,
    negotiated: String,
    since: String,
}

/// The server as a whole.
pub fn status(services: &Services) -> StatusView {
    let snapshot = services.snapshot.load();
    let (machines, lost) = services.timelines.size();
    let lost_steps = lost + services.history.lost();
    let directories = snapshot.directories.health();
    let counters = services.recorder.counters();
    let transfers = services.timelines.transfers();
    let under_way: u64 = transfers.iter().map(|(_, transfer)| transfer.bytes).sum();
    StatusView {
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: services.started.elapsed().as_secs(),
        mode: format!("{:?}", snapshot.config.dhcp.mode).to_lowercase(),
        machines,
        transfers: transfers.len(),
        bytes: under_way + services.recorder.bytes().iter().map(|(_, bytes)| bytes).sum::<u64>(),
        pending: services.approvals.list().len(),
        ingest: services.ingests.under_way(),
        lost_steps,
        directories: directories.into_iter().map(|(name, trouble)| DirectoryView { name, trouble }).collect(),
        certificates: services.certificates.seen().to_vec(),
        counters: counters
            .into_iter()
            .map(|((kind, word), count)| CounterView { kind, word, count })
            .collect(),
    }
}

/// The machines heard of last, newest first; with a word in their address, GUID or name, only those.
pub fn devices(services: &Services, search: &str, limit: usize) -> Vec<DeviceView> {
    let search = search.to_ascii_lowercase();
    let fits = |mac: MacAddr, timeline: &Timeline| {
        let holds =
            |text: Option<String>| text.is_some_and(|text| text.to_ascii_lowercase().contains(&search));
        search.is_empty()
            || holds(Some(mac.to_string()))
            || holds(timeline.uuid.map(|uuid| uuid.to_string()))
            || holds(timeline.name.clone())
    };
    let now = SystemTime::now();
    let newest = services.timelines.newest(limit.min(MAX_LISTED), fits);
    let view = |(mac, timeline): (MacAddr, Timeline)| DeviceView {
        mac: mac.to_string(),
        uuid: timeline.uuid.map(|uuid| uuid.to_string()),
        name: timeline.name.clone(),
        last_seen: timeline.steps.back().map(|step| rfc3339(step.at)).unwrap_or_default(),
        last_step: timeline
            .steps
            .back()
            .and_then(|step| StepView::of(step))
            .map(|step| step.words())
            .unwrap_or_default(),
        finding: diagnosis(services, mac, now).finding.map(|finding| finding.cause.as_str().to_owned()),
    };
    newest.into_iter().map(view).collect()
}

/// What an operator who approves or rejects a machine had better know.
pub fn note_on_approval(services: &Services, mac: MacAddr, said: Option<bool>) -> Option<String> {
    let policy = services.snapshot.load().config.policy.settings.unknown;
    let seen = services.machines.by_mac(mac).is_some() || services.timelines.of(mac).is_some();
    crate::approvals::note(mac, said, policy, Some(seen))
}

/// The recently seen machines that something is wrong with.
pub fn findings(services: &Services) -> Vec<(MacAddr, FindingView)> {
    let now = SystemTime::now();
    let newest = services.timelines.newest(DIAGNOSED, |_, _| true);
    let found = newest.into_iter().filter_map(|(mac, _)| {
        let finding = diagnosis(services, mac, now).finding?;
        Some((mac, FindingView::of(&finding)))
    });
    found.collect()
}

fn diagnosis(services: &Services, mac: MacAddr, now: SystemTime) -> Diagnosis {
    services.timelines.diagnose(mac, services.snapshot.load().config.diagnosis, now)
}

/// One machine with its steps.
pub fn timeline(services: &Services, mac: MacAddr) -> Option<TimelineView> {
    let timeline = services.timelines.of(mac)?;
    let now = SystemTime::now();
    let diagnosis = diagnosis(services, mac, now);
    Some(TimelineView {
        mac: mac.to_string(),
        uuid: timeline.uuid.map(|uuid| uuid.to_string()),
        name: timeline.name.clone(),
        finding: diagnosis.finding.as_ref().map(FindingView::of),
        also: diagnosis.also.as_ref().map(FindingView::of),
        expected: diagnosis.expected.map(|expected| ExpectedView::of(&expected, now)),
        steps: timeline.steps.iter().filter_map(|step| StepView::of(step)).collect(),
    })
}

/// What is being transferred.
pub fn transfers(services: &Services) -> Vec<TransferView> {
    let view =
        |(id, Transfer { since, started, bytes }): (crate::event::TransferId, Transfer)| TransferView {
            id: id.0,
            mac: started.mac.map(|mac| mac.to_string()),
            peer: started.peer.to_string(),
            proto: started.proto.name(),
            file: started.path.as_ref().into(),
            bytes,
            size: started.size,
            negotiated: started.negotiated,
            since: rfc3339(since),
        };
    services.timelines.transfers().into_iter().map(view).collect()
}

impl StepView {
    /// None for what is no step.
    pub fn of(recorded: &Recorded) -> Option<Self> {
        let at = rfc3339(recorded.at);
        Some(match &recorded.event {
            Event::Decided(decided) => StepView {
                at,
                mac: decided.mac.map(|mac| mac.to_string()),
                uuid: decided.uuid.map(|uuid| uuid.to_string()),
                name: decided.machine.clone(),
                proto: decided.proto.name(),
                asked: joined([
                    decided.arch.map(|arch| arch.to_string()),
                    decided.class.map(|class| class.to_string()),
                    decided.probe.then(|| "probe".to_owned()),
                ]),
                by: joined([decided.rule.clone(), decided.deployment.clone(), decided.image.clone()]),
                what: decided.decision.name(),
                reason: Some(decided.reason.as_str()),
                detail: decided.detail.clone().or_else(|| decided.taken.map(|taken| taken.to_string())),
                file: decided.boot_file.clone(),
                ..StepView::default()
            },
            Event::MacAnswered(answered) => StepView {
                at,
                mac: Some(answered.mac.to_string()),
                proto: Proto::Bsdp.name(),
                asked: joined([
                    answered.model.clone(),
                    answered.asked.map(|asked| format!("{asked:?}").to_lowercase()),
                    answered.probe.then(|| "probe".to_owned()),
                ]),
                by: answered.image.map(|image| image.to_string()),
                what: answered.decision.name(),
                reason: Some(answered.reason.as_str()),
                detail: answered.detail.clone(),
                file: answered.boot_file.clone(),
                ..StepView::default()
            },
            Event::OtherServer(other) => StepView {
                at,
                mac: Some(other.mac.to_string()),
                proto: Proto::Dhcp.name(),
                what: if other.is_ack { "other-ack" } else { "other-offer" },
                detail: Some(other.to_string()),
                file: other.boot_file.clone(),
                ..StepView::default()
            },
            Event::TransferStarted(started) => StepView {
                at,
                mac: started.mac.map(|mac| mac.to_string()),
                proto: started.proto.name(),
                what: "transfer",
                file: Some(started.path.as_ref().into()),
                negotiated: Some(started.negotiated.clone()),
                ..StepView::default()
            },
            Event::TransferFinished(finished) => StepView {
                at,
                mac: finished.mac.map(|mac| mac.to_string()),
                proto: finished.proto.name(),
                what: finished.outcome.name(),
                detail: finished.detail.clone(),
                file: Some(finished.path.as_ref().into()),
                bytes: Some(finished.bytes),
                resends: Some(finished.resends).filter(|_| finished.proto == Proto::Tftp),
                seconds: Some(finished.elapsed.as_secs_f64()),
                rate: Some(finished.rate()),
                ..StepView::default()
            },
            Event::FileRefused(refused) => StepView {
                at,
                mac: refused.mac.map(|mac| mac.to_string()),
                proto: refused.proto.name(),
                what: refused.refusal.name(),
                detail: refused.detail.clone(),
                file: Some(refused.path.clone()),
                ..StepView::default()
            },
            Event::ImageBegun(source) => StepView {
                at,
                proto: "image",
                what: "begun",
                file: Some(source.clone()),
                ..StepView::default()
            },
            Event::ImageTaken(taken) => StepView {
                at,
                proto: "image",
                what: if taken.image.is_some() { "taken-in" } else { "not-taken-in" },
                detail: taken.detail.clone(),
                file: taken.image.clone().or_else(|| Some(taken.source.clone())),
                ..StepView::default()
            },
            Event::ImageFolderRead(_) | Event::TransferProgress { .. } | Event::TransferStalled(_) => {
                return None;
            }
        })
    }

    /// `proxy`, `dhcp`, `bsdp`, `pxe`, `tftp`, `http`, or `image`.
    pub fn proto(&self) -> &'static str {
        self.proto
    }

    /// In one line.
    pub fn words(&self) -> String {
        let parts = [Some(self.proto), Some(self.what), self.reason, self.file.as_deref()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// Words that are there, with a space between them.
fn joined<const N: usize>(words: [Option<String>; N]) -> Option<String> {
    let words: Vec<String> = words.into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(" "))
}

fn rfc3339(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at).to_string()
}

/// Machines in one list.
pub const MAX_LISTED: usize = 1000;
/// Machines that are looked at for findings.
const DIAGNOSED: usize = 500;
