//! The verdict for a machine if it asked now: the same decision that its packets meet.

pub mod chain;

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::Ipv4Net;
use netbootd_config::Source;
use netbootd_diagnosis::Cause;
use netbootd_net::iface;
use pxe_policy::{ArchType, BootRequest, Class, Decision, MacAddr, Reason, SystemUuid, Verdict, explain};
use serde::{Deserialize, Serialize};

use crate::services::Services;
use crate::site;
use chain::Link;

/// A request as such a machine would make it on the first interface.
pub fn request(mac: MacAddr, uuid: Option<SystemUuid>, arch: ArchType, class: Class) -> BootRequest {
    let all = iface::list(false).unwrap_or_default();
    let asking = BootRequest::asking(mac, uuid, arch, class);
    let Some(iface) = all.into_iter().find(|iface| !iface.addrs.is_empty()) else { return asking };
    let segment = iface.addrs.first().map_or(asking.segment, |net| net.addr().into());
    BootRequest { iface: iface.name, segment, ..asking }
}

/// An operator's statements about a machine's request; the rest is as the machine asked last, or as
/// a PC would ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AskedAs {
    /// The machine's GUID, when it is given.
    pub uuid: Option<SystemUuid>,
    /// The architecture, when it is given.
    pub arch: Option<ArchType>,
    /// The client's class, when it is given.
    pub class: Option<Class>,
    /// The interface that its packets come in by.
    pub iface: Option<String>,
    /// The relay that forwards them.
    pub relay: Option<IpAddr>,
}

impl AskedAs {
    /// The request that is meant. `last` is what the machine asked last.
    pub fn request(&self, mac: MacAddr, last: Option<&BootRequest>) -> BootRequest {
        let class = self.class.or(last.map(|last| last.class)).unwrap_or(Class::Pxe);
        let usual = || request(mac, None, ArchType::X64_UEFI, class);
        let mut asked = last.cloned().unwrap_or_else(usual);
        if class != asked.class {
            // The machine would begin anew.
            (asked.boot_program, asked.secs) = (false, u16::MAX);
        }
        asked.class = class;
        if class == Class::Bsdp {
            // Macs say neither.
            (asked.archs, asked.uuid) = (Vec::new(), None);
        } else if let Some(arch) = self.arch {
            asked.archs = vec![arch];
        } else if asked.archs.is_empty() {
            asked.archs = vec![ArchType::X64_UEFI];
        }
        asked.uuid = self.uuid.or(asked.uuid);
        if let Some(name) = &self.iface {
            let iface = iface::list(true).unwrap_or_default().into_iter().find(|iface| iface.name == *name);
            let addr = iface.as_ref().and_then(|iface| iface.addrs.first()).map(Ipv4Net::addr);
            (asked.iface, asked.relay) = (name.clone(), None);
            asked.segment = addr.map_or(asked.segment, Into::into);
        }
        if let Some(relay) = self.relay {
            (asked.relay, asked.segment) = (Some(relay), relay);
        }
        asked
    }
}

/// The verdict for a machine, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// The machine's hardware address.
    pub mac: String,
    /// Its class: `pxe`, `http`, `ipxe`, `bsdp`.
    pub class: String,
    /// The architecture in words.
    pub arch: Option<String>,
    /// The machine's GUID, when it is given.
    pub uuid: Option<String>,
    /// The interface that its packets come in by.
    pub iface: String,
    /// The relay that forwards them.
    pub relay: Option<String>,
    /// Whether that is as the machine asked last, where the operator did not say otherwise.
    pub remembered: bool,
    /// `running` or `offline`: the netbootd that runs, or one that decides by the file alone.
    pub by: String,
    /// The configuration, in words.
    pub configuration: String,
    /// Tells the text of the configuration from another.
    pub stamp: String,
    /// `boot`, `local-boot`, `images`, `relay`, `refer`, `wait` or `ignore`.
    pub decision: String,
    /// The boot file that it would get.
    pub boot_file: Option<String>,
    /// The images that a Mac may have, the default first; it is shown those whose own lists name
    /// it.
    pub images: Vec<String>,
    /// The word of the reason, as the log has it.
    pub reason: String,
    /// The reason in a sentence, as a finding has it; None where the machine boots.
    #[serde(default)]
    pub headline: Option<String>,
    /// The rule that decides.
    pub rule: Option<String>,
    /// Its name, when a directory knows it.
    pub machine: Option<String>,
    /// The deployment that it would get.
    pub deployment: Option<String>,
    /// The evidence, in order.
    pub evidence: Vec<String>,
    /// The site's word on the machine's network: boundary groups, and what is missing in them.
    #[serde(default)]
    pub place: Vec<String>,
    /// The operator's remedy, where one is needed.
    pub cure: Option<String>,
    /// All of it in words.
    pub text: String,
}

/// Explains the verdict for a machine now. Nothing is given or remembered. `source` is the
/// configuration's.
pub async fn explained_as(
    services: &Services,
    source: &Source,
    mac: MacAddr,
    asked_as: &AskedAs,
) -> Explained {
    let last = services.machines.by_mac(mac).map(|machine| machine.asked());
    let request = asked_as.request(mac, last.as_ref());
    Explained { remembered: last.is_some(), ..explained(services, source, &request).await }
}

/// Explains the verdict for a request now. Nothing is given or remembered.
pub async fn explained(services: &Services, source: &Source, request: &BootRequest) -> Explained {
    let allowed = services.snapshot.load().config.limits.allows_request(request);
    let verdict = match allowed {
        false => Verdict::silence(Reason::NotAllowed),
        true => services.judge(request, &services.consult(request).await),
    };
    let boot_file = match &verdict.decision {
        Decision::Boot(boot) => Some(boot.file.clone()),
        _ => None,
    };
    let images = match (&verdict.decision, &services.netboot) {
        (Decision::Images(_), Some(netboot)) => netboot.offered(&verdict.decision),
        _ => Vec::new(),
    };
    let headline = headline(&verdict);
    let mut text = explain(request, &verdict);
    if let Some(headline) = &headline {
        let reason = format!(": {}\n", verdict.reason);
        text = text.replacen(&reason, &format!(": {}: {headline}\n", verdict.reason), 1);
    }
    if matches!(verdict.decision, Decision::Images(_)) {
        let here = if images.is_empty() { "none".to_owned() } else { images.join(", ") };
        text.push_str(&format!("images of these here: {here}\n"));
    }
    let place = match request.class {
        Class::Bsdp => Vec::new(),
        _ => site::place(services, request).map_or_else(Vec::new, |(at, place)| site::lines(at, &place)),
    };
    place.iter().for_each(|line| text.push_str(&format!("at the site: {line}\n")));
    Explained {
        place,
        mac: request.mac.to_string(),
        class: request.class.to_string(),
        arch: request.arch().map(|arch| arch.to_string()),
        uuid: request.uuid.map(|uuid| uuid.to_string()),
        iface: request.iface.clone(),
        relay: request.relay.map(|relay| relay.to_string()),
        remembered: false,
        by: "running".to_owned(),
        configuration: source.words(),
        stamp: services.snapshot.load().config.stamp.clone(),
        decision: verdict.decision.name().to_owned(),
        boot_file,
        images,
        reason: verdict.reason.to_string(),
        headline,
        rule: verdict.rule.clone(),
        machine: verdict.machine.as_ref().map(|known| known.name.clone()),
        deployment: verdict.deployment.as_ref().map(|deployed| deployed.id.clone()),
        evidence: verdict.evidence.iter().map(ToString::to_string).collect(),
        cure: verdict.reason.cure().map(str::to_owned),
        text,
    }
}

/// The headline of the finding that such a machine would have.
fn headline(verdict: &Verdict) -> Option<String> {
    let cause = Cause::Decision(verdict.reason);
    let boots = matches!(
        verdict.decision,
        Decision::Boot(_) | Decision::Relay | Decision::Refer(_) | Decision::Images(_)
    );
    (!boots && cause.is_loud()).then(|| cause.headline())
}

/// A request of a boot, and the files that it leads to.
#[derive(Debug, Serialize)]
pub struct Stage {
    /// The verdict for the request.
    pub explained: Explained,
    /// The boot file, and the files that scripts name.
    pub links: Vec<Link>,
}

/// The request of the firmware, and the one of iPXE when the firmware gets it: each with the files
/// that it leads to.
pub async fn stages(
    services: &Arc<Services>,
    source: &Source,
    mac: MacAddr,
    asked_as: &AskedAs,
) -> Vec<Stage> {
    let first = explained_as(services, source, mac, asked_as).await;
    let is_firmware = matches!(first.class.as_str(), "pxe" | "http");
    let then = first.boot_file.as_deref().filter(|file| is_firmware && is_ipxe(file)).is_some();
    let mut stages = vec![with_links(services, mac, first).await];
    if then {
        let asked_as = AskedAs { class: Some(Class::Ipxe), ..asked_as.clone() };
        let second = explained_as(services, source, mac, &asked_as).await;
        stages.push(with_links(services, mac, second).await);
    }
    stages
}

async fn with_links(services: &Arc<Services>, mac: MacAddr, explained: Explained) -> Stage {
    let Some(file) = explained.boot_file.clone() else { return Stage { explained, links: Vec::new() } };
    let services = Arc::clone(services);
    let follow = move || {
        let client = services.machines.addr_of(mac);
        chain::follow(&services, &file, client)
    };
    let links = tokio::task::spawn_blocking(follow).await.unwrap_or_default();
    Stage { explained, links }
}

/// Whether a program is iPXE by its name.
fn is_ipxe(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file).to_ascii_lowercase();
    ["ipxe", "undionly", "snponly"].iter().any(|word| name.contains(word)) && !name.ends_with(".ipxe")
}

#[cfg(test)]
mod tests;
