//! The BSDP service: the images of the shares, the selection of each Mac, and the answers.

mod offered;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use bsdp::{Allowed, Bindings, Change, DhcpMessage, ReplyKind, Request, Server, respond};
use ipnet::Ipv4Net;
use netbootd_content::shares::{self, Scan};
use netbootd_dhcp::v4::{self as dhcp, Arrival, Packet, Reply, bsdp as glue};
use netbootd_state::bindings::MacBindings;
use netbootd_state::durable::Refused;
use netbootd_state::file::{DatabaseError, State};
use netbootd_state::shared::Shared;
use netbootd_telemetry::event::{Answered, Event, ImageFolderRead, MacAnswered, Proto, SharedError};
use pxe_policy::{BootRequest, Decision, ImageSelector, Reason, Verdict};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::services::{Services, Snapshot};

/// Answers Macs, and remembers what they chose.
#[derive(Debug)]
pub struct BsdpServer {
    scan: ArcSwap<Scan>,
    bindings: MacBindings,
    own: Vec<Ipv4Addr>,
    host_name: String,
    gate: Arc<Semaphore>,
}

impl BsdpServer {
    /// Opens it with the choices that Macs made before; `own` are the host's addresses. Images come with the first rescan.
    pub fn open(own: Vec<Ipv4Addr>, state: Arc<State>) -> Result<Self, DatabaseError> {
        let host_name = netbootd_net::os::host_name();
        Ok(BsdpServer {
            scan: ArcSwap::from_pointee(Scan::default()),
            bindings: MacBindings::open(state)?,
            own,
            host_name: host_name.unwrap_or_default(),
            gate: Arc::new(Semaphore::new(MAX_REQUESTS)),
        })
    }

    /// Keeps the Macs' selections in a database that several servers share.
    pub fn sharing(mut self, shared: &Arc<Shared>) -> Self {
        self.bindings = MacBindings::shared(shared);
        self
    }

    /// A place for one more request, unless too many are under way.
    pub fn admit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.gate).try_acquire_owned().ok()
    }

    /// Scans the shares and records the changes. Reads folders: not for a thread that must not
    /// block.
    pub fn rescan(&self, services: &Services) {
        let snapshot = services.snapshot.load_full();
        let scan = shares::scan(&snapshot.config.netboot, &snapshot.files);
        let former = self.scan.swap(Arc::new(scan));
        let known: HashMap<(&str, &str), &ImageFolderRead> =
            former.folders.iter().map(|read| ((read.share.as_str(), read.folder.as_str()), read)).collect();
        for read in &self.scan.load().folders {
            if known.get(&(read.share.as_str(), read.folder.as_str())) != Some(&read) {
                services.recorder.record(Event::ImageFolderRead(read.clone()));
            }
        }
    }

    /// Answers one packet as policy decides about the Mac. A choice is on the disk before it is
    /// confirmed.
    pub async fn answer(
        &self,
        services: &Services,
        packet: &Packet,
        arrival: &Arrival<'_>,
    ) -> (Option<Reply>, Event) {
        let request = glue::request(packet, arrival);
        let judged = match request.message {
            // BSDP rides on nothing else, and gets no answer whatever policy says.
            DhcpMessage::Other => None,
            DhcpMessage::Discover | DhcpMessage::Inform => self.judge(services, packet, arrival).await,
        };
        let snapshot = services.snapshot.load_full();
        let scan = self.scan.load_full();
        let allowed = judged
            .as_ref()
            .map_or(Allowed::Silence, |(_, verdict)| offered::allowed(&verdict.decision, &scan));
        let asked = Asked { server: self.server(&snapshot, arrival), request, scan, allowed };
        let (mut reply, mut answered) = self.respond(asked, packet, arrival).await;
        if let Some((_, verdict)) = &judged
            && let Err(reason) = give(services, verdict, &answered).await
        {
            (reply, answered.decision) = (None, Answered::Ignore);
            answered.detail = Some(SharedError::new(reason));
        }
        match judged {
            Some((request, verdict)) if !matches!(verdict.decision, Decision::Images(_)) => {
                let silence = dhcp::Answer::silence(packet, arrival, Proto::Bsdp, verdict.reason);
                let mut event = silence.explained(&request, &verdict).event;
                if reply.is_some() {
                    event.decision = answered.decision;
                }
                (reply, Event::Decided(event))
            }
            Some((_, verdict)) => {
                let machine = verdict.machine.map(|known| known.name);
                (reply, Event::MacAnswered(MacAnswered { rule: verdict.rule, machine, ..answered }))
            }
            None => (reply, Event::MacAnswered(answered)),
        }
    }

    /// The verdict about the Mac; remembered, as for every machine.
    async fn judge(
        &self,
        services: &Services,
        packet: &Packet,
        arrival: &Arrival<'_>,
    ) -> Option<(BootRequest, Verdict)> {
        let request = glue::boot_request(packet, arrival, |addr| self.owns(addr, arrival)).ok()?;
        let answers = services.consult(&request).await;
        let verdict = services.decide(&request, &answers);
        Some((request, verdict))
    }

    fn owns(&self, addr: Ipv4Addr, arrival: &Arrival<'_>) -> bool {
        // Those that came later are the interface's.
        self.own.contains(&addr) || arrival.iface.owns(addr)
    }

    async fn respond(
        &self,
        asked: Asked,
        packet: &Packet,
        arrival: &Arrival<'_>,
    ) -> (Option<Reply>, MacAnswered) {
        let mut answer = self.choose(&asked);
        let mut tries = 0;
        while let Some(change) = answer.change.clone() {
            let known = self.bindings.with(|bindings| changes_nothing(bindings, &change));
            match self.bindings.keep(change).await {
                Ok(()) => break,
                // Others were faster, or have this number.
                Err(Refused::Changed) if tries < MAX_TRIES => {
                    tries += 1;
                    answer = self.choose(&asked);
                }
                Err(Refused::Away) if known => break,
                Err(_) => {
                    answer = answer.unsaved();
                    break;
                }
            }
        }
        let mut event = answered(packet, arrival, &answer);
        let reply = answer.reply.map(|reply| glue::reply(packet, arrival, &reply)).transpose();
        let reply = reply.unwrap_or_else(|reason| {
            event.decision = Answered::Ignore;
            event.detail = Some(SharedError::new(reason));
            None
        });
        (reply, event)
    }

    /// The answer as things are here.
    fn choose(&self, asked: &Asked) -> bsdp::Answer {
        let Asked { server, request, scan, allowed } = asked;
        self.bindings.with_change(|bindings| {
            let answer = respond(server, request, &scan.images, allowed, bindings, now());
            let change = answer.change.clone();
            (answer, change)
        })
    }

    /// The images that a decision lets a Mac have, the default first; each Mac gets those that its
    /// own lists name.
    pub fn offered(&self, decision: &Decision) -> Vec<String> {
        let scan = self.scan.load();
        let allowed = offered::allowed(decision, &scan);
        let mut images: Vec<_> = scan.images.iter().filter(|image| allowed.permits(image.id)).collect();
        images.sort_by_key(|image| allowed.default_image() != Some(image.id));
        images.iter().map(|image| format!("{} {}", image.id, image.name)).collect()
    }

    /// Whether there is an image of this name, folder or id for Macs.
    pub fn has_image(&self, name: &str) -> bool {
        let scan = self.scan.load();
        let selector = name.parse::<ImageSelector>();
        selector
            .is_ok_and(|selector| scan.images.iter().any(|image| offered::selects(&selector, image, &scan)))
    }

    /// The choices of Macs.
    pub fn bindings(&self) -> &MacBindings {
        &self.bindings
    }

    fn server(&self, snapshot: &Snapshot, arrival: &Arrival<'_>) -> Server {
        let netboot = &snapshot.config.netboot;
        Server {
            addr: arrival.local,
            // Those that came later are the interface's.
            own: self.own.iter().copied().chain(arrival.iface.addrs.iter().map(Ipv4Net::addr)).collect(),
            name: netboot.server_name.clone().unwrap_or_else(|| self.host_name.clone()),
            http_port: snapshot.config.http.port,
            shadow: netboot.shadow.clone(),
            base_priority: netboot.priority,
            disabled_models: netboot.disabled_models,
            netboot_1: netboot.netboot_1,
            binding_lifetime: netboot.binding_lifetime.map(|lifetime| lifetime.as_secs()),
        }
    }
}

/// Writes down that a Mac was given its next boot, before the reply leaves: with the image that it
/// chose, or when it is to start from its disk.
async fn give(services: &Services, verdict: &Verdict, answered: &MacAnswered) -> Result<(), Reason> {
    let Some(deployed) = verdict.deployment.as_ref().filter(|deployed| deployed.is_boot_next()) else {
        return Ok(());
    };
    let boots = answered.boot_file.is_some() && answered.decision != Answered::Ignore;
    if boots || verdict.decision == Decision::LocalBoot {
        services.give(deployed, answered.mac).await?;
    }
    Ok(())
}

/// One packet, and what its answer is made of.
struct Asked {
    server: Server,
    request: Request,
    scan: Arc<Scan>,
    allowed: Allowed,
}

/// Whether a Mac chooses what it had: it may go on with that, though the change cannot be saved.
fn changes_nothing(bindings: &Bindings, change: &Change) -> bool {
    match change {
        Change::Bind(new) => {
            bindings.get(new.mac).is_some_and(|known| (known.image, known.number) == (new.image, new.number))
        }
        Change::Unbind(_) => false,
    }
}

fn answered(packet: &Packet, arrival: &Arrival<'_>, answer: &bsdp::Answer) -> MacAnswered {
    let reply = answer.reply.as_ref();
    MacAnswered {
        iface: arrival.iface.name.clone(),
        peer: SocketAddr::V4(arrival.from),
        xid: packet.header.xid(),
        mac: packet.mac(),
        model: answer.vendor_class.as_ref().map(|class| class.model.clone()),
        architecture: answer.vendor_class.as_ref().map(|class| class.architecture.clone()),
        asked: answer.asked,
        decision: match reply.map(|reply| reply.kind) {
            None => Answered::Ignore,
            Some(ReplyKind::Offer) => Answered::Offer,
            Some(ReplyKind::List | ReplyKind::Select) => Answered::Ack,
            Some(ReplyKind::Failed) => Answered::Failed,
        },
        reason: answer.reason,
        detail: None,
        rule: None,
        machine: None,
        image: reply.and_then(|reply| reply.image),
        boot_file: reply.map(|reply| reply.boot_file.clone()).filter(|file| !file.is_empty()),
        offered: answer.offered.len(),
        cut: answer.cut,
        left_out: answer.left_out.clone(),
        probe: dhcp::is_probe(packet),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Requests that wait for the disk at a time.
const MAX_REQUESTS: usize = 1024;
/// How often a choice is made anew because others chose at the same time.
const MAX_TRIES: usize = 8;
