//! The display of `serve --progress`: each machine's steps as they happen, and a bar for each
//! transfer.
//!
//! On a terminal the bars move; elsewhere a transfer is a line at its start and one at its end.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::Arc;

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use netbootd_server::services::Services;
use netbootd_telemetry::event::{
    Answered, ClientMessage, Decided, Event, FileRefused, ImageFolderRead, MacAnswered, Proto, Recorded,
    Refusal, TransferFinished, TransferId, TransferOutcome,
};
use pxe_policy::MacAddr;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::cli::out::errln;

/// Shows events until shutdown.
pub async fn run(services: Arc<Services>, mut watcher: Receiver<Arc<Recorded>>) {
    let mut console = Console::new();
    console.say("ready: start a machine from the network");
    loop {
        let recorded = tokio::select! {
            recorded = watcher.recv() => recorded,
            () = services.lifecycle.shutdown.cancelled() => return,
        };
        match recorded {
            Ok(recorded) => console.show(&recorded.event),
            Err(RecvError::Lagged(lost)) => console.say(&format!("({lost} events not shown)")),
            Err(RecvError::Closed) => return,
        }
    }
}

struct Console {
    bars: MultiProgress,
    moving: bool,
    transfers: HashMap<TransferId, ProgressBar>,
}

impl Console {
    fn new() -> Self {
        Console {
            bars: MultiProgress::new(),
            moving: std::io::stderr().is_terminal(),
            transfers: HashMap::new(),
        }
    }

    fn show(&mut self, event: &Event) {
        match event {
            Event::Decided(decided) => {
                if let Some(line) = decided_line(decided) {
                    self.say(&line);
                }
            }
            Event::MacAnswered(answered) => {
                if let Some(line) = mac_line(answered) {
                    self.say(&line);
                }
            }
            Event::ImageBegun(begun) => self.say(&format!("importing {}", begun.0)),
            Event::ImageTaken(taken) => match &taken.image {
                Some(name) => self.say(&format!("New image distributed: {name}")),
                None => {
                    self.say(&format!("{}: {}", taken.source, taken.detail.as_deref().unwrap_or_default()));
                }
            },
            Event::OtherServer(other) if other.boots() => self.say(&format!("{}  dhcp  {other}", other.mac)),
            Event::OtherServer(_) | Event::TransferStalled(_) => {}
            Event::ImageFolderRead(read) => self.say(&image_folder_line(read)),
            Event::TransferStarted(started) if started.partial => {}
            Event::TransferStarted(started) => {
                let who = who(started.mac, started.peer);
                if self.moving && self.transfers.len() < MAX_BARS {
                    let bar = self.bars.add(ProgressBar::new(started.size.unwrap_or(0)));
                    bar.set_style(style());
                    bar.set_message(format!("{who}  {}  {}", started.proto, started.path));
                    self.transfers.insert(started.id, bar);
                } else if started.size.is_some_and(|size| size >= LARGE) {
                    let size = HumanBytes(started.size.unwrap_or(0));
                    self.say(&format!("{who}  {}  {}: {size} begun", started.proto, started.path));
                }
            }
            Event::TransferProgress { id, bytes } => {
                if let Some(bar) = self.transfers.get(id) {
                    bar.set_position(*bytes);
                }
            }
            Event::TransferFinished(finished) => {
                if let Some(bar) = self.transfers.remove(&finished.id) {
                    bar.finish_and_clear();
                }
                if finished.outcome != TransferOutcome::Probed && !finished.partial {
                    self.say(&finished_line(finished));
                }
            }
            Event::FileRefused(refused) => {
                if let Some(line) = refused_line(refused) {
                    self.say(&line);
                }
            }
            Event::TlsFailed(failed) => {
                self.say(&format!("{}  https  {}", who(failed.mac, failed.peer), failed.why));
            }
            Event::Disproved(_) => {}
            Event::Reported(reported) => {
                if let (Some(mac), ClientMessage::Report(report)) = (reported.mac, &reported.message) {
                    self.say(&format!("{mac} {} reports {}: {report}", report.by, report.state.name()));
                }
            }
        }
    }

    fn say(&self, line: &str) {
        if self.moving {
            // The terminal going away is no reason to stop serving.
            let _ = self.bars.println(line);
        } else {
            errln!("{line}");
        }
    }
}

fn decided_line(decided: &Decided) -> Option<String> {
    let who = who(decided.mac, decided.peer);
    let arch = decided.arch.map(|arch| format!(" ({arch})")).unwrap_or_default();
    let class = decided.class.map(|class| class.to_string()).unwrap_or_default();
    let what = match (decided.decision, &decided.boot_file, decided.address) {
        (Answered::Offer | Answered::Ack, Some(file), _) => format!("{} {file}", decided.decision.name()),
        (Answered::Offer | Answered::Ack, None, Some(address)) => {
            format!("{} {address}", decided.decision.name())
        }
        (Answered::Offer | Answered::Ack, None, None) => decided.decision.name().to_owned(),
        (Answered::SendFailed, _, _) => "the answer could not be sent".to_owned(),
        // Machines that do not boot from here are not worth a line each.
        (Answered::Ignore, _, _) if decided.arch.is_none() => return None,
        (Answered::Ignore, _, _) => format!("nothing for it: {}", decided.reason),
        (Answered::Wait, _, _) => "waits for an operator".to_owned(),
        (Answered::LocalBoot, _, _) => "goes on to its disk".to_owned(),
        (Answered::Nak | Answered::Failed, _, _) => {
            format!("{}: {}", decided.decision.name(), decided.reason)
        }
    };
    Some(format!("{who}  {}  {class}{arch}: {what}", decided.proto))
}

fn mac_line(answered: &MacAnswered) -> Option<String> {
    let what = match (answered.decision, answered.reason) {
        (Answered::Offer | Answered::Ack, bsdp::Reason::List) => {
            let images = if answered.offered == 1 { "image" } else { "images" };
            format!("list of {} {images}, default {}", answered.offered, shown_id(answered.image))
        }
        (Answered::Offer | Answered::Ack, _) => {
            format!("{} {}", shown_id(answered.image), answered.boot_file.as_deref().unwrap_or_default())
        }
        (Answered::SendFailed, _) => "the answer could not be sent".to_owned(),
        // Most Macs start from their disks.
        (_, bsdp::Reason::NotBound | bsdp::Reason::NotARequest) => return None,
        (_, bsdp::Reason::CannotNetboot) => "this model cannot boot from a network".to_owned(),
        (decision, reason) => format!("{}: {reason}", decision.name()),
    };
    let model = answered.model.as_deref().unwrap_or("Mac").escape_debug();
    Some(format!("{}  {}  {model}: {what}", answered.mac, Proto::Bsdp))
}

fn shown_id(id: Option<bsdp::BootImageId>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}

fn image_folder_line(read: &ImageFolderRead) -> String {
    match &read.image {
        Some((id, name)) => format!("image {id} {name:?} in {}/{}", read.share, read.folder),
        None => format!("no image in {}/{}: {}", read.share, read.folder, read.problems_text()),
    }
}

fn finished_line(finished: &TransferFinished) -> String {
    let who = who(finished.mac, finished.peer);
    let rate = finished.rate();
    let detail = finished.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    format!(
        "{who}  {}  {}: {} {} in {:.1?}, {}/s{detail}",
        finished.proto,
        finished.path,
        finished.outcome.name(),
        HumanBytes(finished.bytes),
        finished.elapsed,
        HumanBytes(rate as u64),
    )
}

fn refused_line(refused: &FileRefused) -> Option<String> {
    let who = who(refused.mac, refused.peer);
    match refused.refusal {
        // Boot programs look for files that need not be there.
        Refusal::NotFound => Some(format!("{who}  {}  {}: not there", refused.proto, refused.path)),
        _ => Some(format!("{who}  {}  {}: {}", refused.proto, refused.path, refused.refusal.name())),
    }
}

fn who(mac: Option<MacAddr>, peer: SocketAddr) -> String {
    mac.map_or_else(|| peer.ip().to_string(), |mac| mac.to_string())
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{msg}  [{bar:30}] {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// More bars than lines help nobody.
const MAX_BARS: usize = 32;
/// Smaller files are done before a line about their start is read, in bytes.
const LARGE: u64 = 1 << 20;
