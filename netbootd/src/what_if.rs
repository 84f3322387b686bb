//! What a machine would get if it asked now.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use pxe_policy::{ArchType, BootRequest, Class, Decision, MacAddr, SystemUuid, explain};
use serde::{Deserialize, Serialize};

use crate::net::iface::Iface;
use crate::services::Services;

/// A request as such a machine would make it on the first interface.
pub fn request(mac: MacAddr, uuid: Option<SystemUuid>, arch: ArchType, class: Class) -> BootRequest {
    let all = Iface::all(false).unwrap_or_default();
    let iface = all.into_iter().find(|iface| !iface.addrs.is_empty());
    let addr = iface.as_ref().and_then(|iface| iface.addrs.first()).map(Ipv4Net::addr);
    BootRequest {
        mac,
        uuid,
        archs: vec![arch],
        class,
        relay: None,
        segment: addr.unwrap_or(Ipv4Addr::LOCALHOST).into(),
        address: None,
        boot_program: false,
        iface: iface.map(|iface| iface.name).unwrap_or_default(),
        secs: u16::MAX,
    }
}

/// What a machine would get, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// Its hardware address.
    pub mac: String,
    /// Who asks: `pxe`, `http`, `ipxe`.
    pub class: String,
    /// Its architecture.
    pub arch: Option<String>,
    /// Its GUID.
    pub uuid: Option<String>,
    /// `boot`, `local-boot`, `images`, `relay`, `refer`, `wait` or `ignore`.
    pub decision: String,
    /// What it would boot.
    pub boot_file: Option<String>,
    /// The reason's word.
    pub reason: String,
    /// The rule that decides.
    pub rule: Option<String>,
    /// Its name, when a directory knows it.
    pub machine: Option<String>,
    /// The deployment that it would get.
    pub deployment: Option<String>,
    /// What was looked at, in order.
    pub evidence: Vec<String>,
    /// What an operator does about it.
    pub cure: Option<String>,
    /// All of it in words.
    pub text: String,
}

/// What a request would get now. Nothing is given or remembered.
pub async fn explained(services: &Services, request: &BootRequest) -> Explained {
    let answers = services.consult(request).await;
    let verdict = services.judge(request, &answers);
    let (decision, boot_file) = match &verdict.decision {
        Decision::Boot(boot) => ("boot", Some(boot.file.clone())),
        Decision::LocalBoot => ("local-boot", None),
        Decision::Images => ("images", None),
        Decision::Relay => ("relay", None),
        Decision::Refer(_) => ("refer", None),
        Decision::Wait => ("wait", None),
        Decision::Ignore => ("ignore", None),
    };
    Explained {
        mac: request.mac.to_string(),
        class: request.class.to_string(),
        arch: request.arch().map(|arch| arch.to_string()),
        uuid: request.uuid.map(|uuid| uuid.to_string()),
        decision: decision.to_owned(),
        boot_file,
        reason: verdict.reason.to_string(),
        rule: verdict.rule.clone(),
        machine: verdict.machine.as_ref().map(|known| known.name.clone()),
        deployment: verdict.deployment.as_ref().map(|deployed| deployed.id.clone()),
        evidence: verdict.evidence.iter().map(ToString::to_string).collect(),
        cure: verdict.reason.cure().map(str::to_owned),
        text: explain(request, &verdict),
    }
}
