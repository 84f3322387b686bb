//! The views of operators: the state of the server, of machines and of transfers, as JSON.

use std::time::SystemTime;

use netbootd_content::files::Files;
use netbootd_content::ingests::Ingest;
use netbootd_diagnosis::{Addition, Cause, Diagnosis, Finding};
use netbootd_directory::certificates::Seen;
use netbootd_server::daemon::Daemon;
use netbootd_server::services::Services;
use netbootd_telemetry::finding::{ExpectedView, FindingView, PastView};
use netbootd_telemetry::strangers::StrangerView;
use netbootd_telemetry::timeline::{Timeline, Transfer};
use netbootd_telemetry::view::{StepView, rfc3339};
use pxe_policy::MacAddr;
use serde::{Deserialize, Serialize};

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
    /// Senders of what no boot client sends.
    strangers: Vec<StrangerView>,
    counters: Vec<CounterView>,
}

/// One directory with its trouble, if any.
#[derive(Debug, Serialize)]
pub struct DirectoryView {
    name: &'static str,
    /// The reason why it is not asked; None while it answers.
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
    /// The machine's hardware address.
    pub mac: String,
    /// The machine's GUID, when it is known.
    pub uuid: Option<String>,
    /// The machine's name, when one is known.
    pub name: Option<String>,
    /// When it was last seen (RFC 3339).
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
    /// The number of its last boot, as its screen shows it.
    boot: u32,
    uuid: Option<String>,
    name: Option<String>,
    finding: Option<FindingView>,
    /// Another cause that fits as well.
    also: Option<FindingView>,
    /// The last thing that happened.
    last: Option<LastView>,
    /// The next step after the last one.
    expected: Option<ExpectedView>,
    /// Findings that are over, oldest first.
    past: Vec<PastView>,
    steps: Vec<StepView>,
}

impl TimelineView {
    /// The next step, and whether it is overdue.
    pub(crate) fn expected(&self) -> Option<(String, bool)> {
        self.expected.as_ref().map(|expected| (expected.what.clone(), expected.overdue))
    }

    /// The finding of the machine's current boot.
    pub(crate) fn finding(&self) -> Option<&FindingView> {
        self.finding.as_ref()
    }

    /// Another cause that fits as well.
    pub(crate) fn also(&self) -> Option<&FindingView> {
        self.also.as_ref()
    }

    /// Findings that are over.
    pub(crate) fn past(&self) -> &[PastView] {
        &self.past
    }
}

/// The last thing that happened.
#[derive(Debug, Serialize)]
pub struct LastView {
    /// In a few words.
    what: String,
    /// How many seconds ago.
    ago: f64,
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
pub fn status(daemon: &Daemon) -> StatusView {
    let services = &daemon.services;
    let snapshot = services.snapshot.load();
    let (machines, lost) = services.timelines.size();
    let lost_steps = lost + daemon.history.lost();
    let directories = snapshot.directories.health();
    let counters = services.recorder.counters();
    let transfers = services.timelines.transfers();
    let under_way: u64 = transfers.iter().map(|(_, transfer)| transfer.bytes).sum();
    StatusView {
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: daemon.started.elapsed().as_secs(),
        mode: format!("{:?}", snapshot.config.dhcp.mode).to_lowercase(),
        machines,
        transfers: transfers.len(),
        bytes: under_way + services.recorder.bytes().iter().map(|(_, bytes)| bytes).sum::<u64>(),
        pending: services.approvals.list().len(),
        ingest: services.content.ingests.under_way(),
        lost_steps,
        directories: directories
            .into_iter()
            .map(|(name, trouble)| DirectoryView { name, trouble: trouble.map(|trouble| trouble.detail()) })
            .collect(),
        certificates: daemon.certificates.seen(),
        strangers: services.strangers.seen(SystemTime::now()),
        counters: counters
            .into_iter()
            .map(|((kind, word), count)| CounterView { kind, word, count })
            .collect(),
    }
}

/// The recently seen machines, newest first; with a word in their address, GUID or name, only
/// those.
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
            .and_then(|step| StepView::from_recorded(step))
            .map(|step| step.words())
            .unwrap_or_default(),
        finding: diagnosis(services, mac, now).finding.map(|finding| finding.cause.as_str().to_owned()),
    };
    newest.into_iter().map(view).collect()
}

/// A note for an operator who approves or rejects a machine.
pub fn note_on_approval(services: &Services, mac: MacAddr, said: Option<bool>) -> Option<String> {
    let policy = services.snapshot.load().config.policy.settings.unknown;
    let seen = services.machines.by_mac(mac).is_some() || services.timelines.get(mac).is_some();
    netbootd_state::approvals::note(mac, said, policy, Some(seen))
}

/// The recently seen machines that something is wrong with.
pub fn findings(services: &Services) -> Vec<(MacAddr, FindingView)> {
    let now = SystemTime::now();
    let newest = services.timelines.newest(DIAGNOSED, |_, _| true);
    let found = newest.into_iter().filter_map(|(mac, _)| {
        let finding = diagnosis(services, mac, now).finding?;
        Some((mac, FindingView::new(&finding)))
    });
    found.collect()
}

fn diagnosis(services: &Services, mac: MacAddr, now: SystemTime) -> Diagnosis {
    let snapshot = services.snapshot.load();
    let found = services.timelines.diagnose(mac, snapshot.config.diagnosis, now);
    Diagnosis {
        finding: found.finding.map(|finding| with_nearest(&snapshot.files, finding)),
        also: found.also.map(|finding| with_nearest(&snapshot.files, finding)),
        expected: found.expected,
    }
}

/// A finding about a file that is not there, with the nearest name that is. Reads folders, at most
/// once in a while for each name.
fn with_nearest(files: &Files, finding: Finding) -> Finding {
    let missing =
        [Cause::FileNotFound, Cause::ForeignBootFile, Cause::SmsBootMissing].contains(&finding.cause);
    // A name that is not text is not misspelled.
    let named = finding.file.as_deref().filter(|file| missing && !file.contains("\\x"));
    let nearest = named.and_then(|file| files.nearest(&file.replace("\\\\", "/")));
    match nearest {
        Some(nearest) => finding.adding(Addition::NearestName(nearest)),
        None => finding,
    }
}

/// The headline of findings about one file, with the nearest name that is there.
pub(crate) fn headline_with_nearest(
    services: &Services,
    headline: &str,
    cause: Cause,
    file: Option<String>,
) -> String {
    let missing = [Cause::FileNotFound, Cause::ForeignBootFile, Cause::SmsBootMissing].contains(&cause);
    let named = file.filter(|file| missing && !file.contains("\\x"));
    let nearest = named.and_then(|file| services.snapshot.load().files.nearest(&file.replace("\\\\", "/")));
    match nearest {
        Some(nearest) => {
            format!("{}; {}", headline.trim_end_matches('.'), Addition::NearestName(nearest))
        }
        None => headline.to_owned(),
    }
}

/// One machine with its steps.
pub fn timeline(services: &Services, mac: MacAddr) -> Option<TimelineView> {
    let timeline = services.timelines.get(mac)?;
    let now = SystemTime::now();
    let diagnosis = diagnosis(services, mac, now);
    Some(TimelineView {
        mac: mac.to_string(),
        boot: timeline.number,
        uuid: timeline.uuid.map(|uuid| uuid.to_string()),
        name: timeline.name.clone(),
        finding: diagnosis.finding.as_ref().map(FindingView::new),
        also: diagnosis.also.as_ref().map(FindingView::new),
        last: timeline.steps.back().and_then(|step| {
            let ago = now.duration_since(step.at).unwrap_or_default().as_secs_f64();
            Some(LastView { what: StepView::from_recorded(step)?.words(), ago })
        }),
        expected: diagnosis.expected.map(|expected| ExpectedView::new(&expected, now)),
        past: timeline.machine.past().map(PastView::new).collect(),
        steps: timeline.steps.iter().filter_map(|step| StepView::from_recorded(step)).collect(),
    })
}

/// The transfers under way.
pub fn transfers(services: &Services) -> Vec<TransferView> {
    let view =
        |(id, Transfer { since, started, bytes }): (netbootd_telemetry::event::TransferId, Transfer)| {
            TransferView {
                id: id.0,
                mac: started.mac.map(|mac| mac.to_string()),
                peer: started.peer.to_string(),
                proto: started.proto.name(),
                file: started.path.as_ref().into(),
                bytes,
                size: started.size,
                negotiated: started.negotiated.to_string(),
                since: rfc3339(since),
            }
        };
    services.timelines.transfers().into_iter().map(view).collect()
}

/// Machines in one list.
pub const MAX_LISTED: usize = 1000;
/// Machines that are looked at for findings.
const DIAGNOSED: usize = 500;
