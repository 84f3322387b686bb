//! The site's view, before anything boots: the boundary group of a machine's network, and whether
//! each boot image that something is deployed from is ready here.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::SystemTime;

use ipnet::Ipv4Net;
use netbootd_dhcp::Iface;
use netbootd_directory::configmgr::{ContentState, Place, SiteImage};
use netbootd_net::iface;
use pxe_policy::{ArchType, BootRequest, Class, ImageArch, MacAddr, boot_files};
use serde::{Deserialize, Serialize};

use crate::services::{Services, Snapshot};

/// A boot image of the site, and whether machines can boot from it here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// The image at the site.
    #[serde(flatten)]
    pub image: SiteImage,
    /// Task sequence deployments whose boot image it is.
    pub deployments: usize,
    /// The firmware that it has boot files here for.
    pub boots: Vec<String>,
    /// Whether the distribution point's responder gives the files instead.
    pub relayed: bool,
    /// Why no machine, or not every machine, would boot from it; None when it is ready.
    pub problem: Option<String>,
}

/// A network that machines ask from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// The relay's address, or this server's own on the network.
    pub address: IpAddr,
    /// Machines that asked from it.
    pub machines: usize,
    /// Days since the last of them asked.
    pub days: u64,
    /// The site's view of it.
    pub place: Place,
    /// The change that the site needs; None when it needs none.
    pub problem: Option<String>,
}

/// The boot images of the site; empty without a copy of it.
pub fn readiness(services: &Services) -> Vec<Readiness> {
    let snapshot = services.snapshot.load();
    let Some(mirror) = snapshot.directories.mirror() else { return Vec::new() };
    let point = snapshot.config.configmgr.as_ref().and_then(|site| site.distribution_point.as_deref());
    let relayed = snapshot.config.policy.settings.relay;
    let deployed = mirror.deployments_by_image();
    let row = |image: SiteImage| {
        let deployments = deployed.get(&image.package).copied().unwrap_or_default();
        let boots = boots(&snapshot, &image);
        let problem = problem(&image, &boots, relayed, point);
        Readiness { image, deployments, boots, relayed, problem }
    };
    let mut rows: Vec<Readiness> = mirror.images(point).into_iter().map(row).collect();
    rows.sort_by(|a, b| b.deployments.cmp(&a.deployments).then(a.image.package.cmp(&b.image.package)));
    rows
}

/// The networks of the recently seen machines, those with a problem first; empty without a copy of
/// the site that has boundaries.
pub fn networks(services: &Services) -> Vec<Network> {
    let snapshot = services.snapshot.load();
    let now = SystemTime::now();
    let mut networks: BTreeMap<IpAddr, Network> = BTreeMap::new();
    // Every timeline is looked at, and none is copied.
    let seen = RefCell::new(Vec::new());
    services.timelines.newest(1, |mac, timeline| {
        seen.borrow_mut().push((mac, timeline.steps.back().map(|step| step.at)));
        false
    });
    for (mac, seen) in seen.into_inner() {
        let Some(machine) = services.machines.by_mac(mac) else { continue };
        let request = machine.asked();
        let days = seen.and_then(|at| now.duration_since(at).ok()).map_or(0, |ago| ago.as_secs() / DAY);
        if let Some(known) = networks.get_mut(&request.segment) {
            (known.machines, known.days) = (known.machines + 1, known.days.min(days));
            continue;
        }
        let Some(place) = place_of_address(&snapshot, request.segment) else { continue };
        let network = Network { address: request.segment, machines: 1, days, problem: advice(&place), place };
        networks.insert(request.segment, network);
    }
    let mut networks: Vec<Network> = networks.into_values().collect();
    networks.sort_by_key(|network| (network.problem.is_none(), std::cmp::Reverse(network.machines)));
    networks
}

/// Where the site sees a machine: by its own address where that is known, else by its network's.
/// None without a copy of a site that has boundaries.
pub fn place(services: &Services, request: &BootRequest) -> Option<(IpAddr, Place)> {
    let snapshot = services.snapshot.load();
    // A machine behind a relay may have its address of another network.
    let own = match request.relay {
        Some(_) => None,
        None => request.address.or_else(|| services.machines.addr_of(request.mac)),
    };
    let address = own.unwrap_or(request.segment);
    Some((address, place_of_address(&snapshot, address)?))
}

/// The lines of `explain` about it.
pub fn lines(address: IpAddr, place: &Place) -> Vec<String> {
    let mut lines = Vec::new();
    for group in &place.groups {
        let list = |servers: &[String]| match servers.is_empty() {
            true => "none".to_owned(),
            false => servers.join(", "),
        };
        lines.push(format!(
            "{address} is in the boundary group {:?}: management points {}; other servers {}",
            group.name,
            list(&group.management_points),
            list(&group.servers)
        ));
    }
    if !place.maybe.is_empty() {
        let maybe = place.maybe.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", ");
        lines.push(format!(
            "whether {address} is in the boundary {maybe} depends on its mask, which is not known here"
        ));
    }
    lines.extend(advice(place));
    lines
}

/// The change that the site needs, if any.
fn advice(place: &Place) -> Option<String> {
    if place.no_management_point {
        return Some(
            "no boundary group of this network has a management point: Windows PE finds none from version 2509 on; \
             add one to the group"
                .to_owned(),
        );
    }
    if !place.boundaries.is_empty() && place.groups.is_empty() {
        return Some("its boundary is in no boundary group; add it to one".to_owned());
    }
    (place.boundaries.is_empty() && place.maybe.is_empty()).then(|| {
        "no boundary has this network: the site's default boundary group counts; add a range boundary"
            .to_owned()
    })
}

fn place_of_address(snapshot: &Snapshot, address: IpAddr) -> Option<Place> {
    let subnet = match address {
        IpAddr::V4(address) => subnet_of(snapshot, address, &iface::list(true).unwrap_or_default()),
        IpAddr::V6(_) => None,
    };
    snapshot.directories.mirror()?.place(address, subnet)
}

/// The id of the subnet that an address is in, where the configuration or an interface says the
/// mask.
fn subnet_of(snapshot: &Snapshot, address: Ipv4Addr, ifaces: &[Iface]) -> Option<Ipv4Addr> {
    let configured = snapshot.config.dhcp.subnets.iter().map(|subnet| subnet.subnet);
    let own = ifaces.iter().flat_map(|iface| iface.addrs.iter().copied());
    let nets: Vec<Ipv4Net> = configured.chain(own).collect();
    nets.iter().find(|net| net.contains(&address)).map(Ipv4Net::network)
}

/// The firmware that an image has boot files here for.
fn boots(snapshot: &Snapshot, image: &SiteImage) -> Vec<String> {
    let folder = snapshot.files.image_folder(&image.package);
    let served = snapshot.served();
    let arch = image.architecture.as_deref().and_then(image_arch);
    let nobody = MacAddr([0; 6]);
    let is_there = |firmware: &ArchType| {
        let request = BootRequest::asking(nobody, None, *firmware, Class::Pxe);
        boot_files(*firmware, arch, false)
            .iter()
            .any(|path| netbootd_content::available(&served, &format!("{folder}/{path}"), &request))
    };
    FIRMWARE.iter().filter(|firmware| is_there(firmware)).map(ToString::to_string).collect()
}

fn problem(image: &SiteImage, boots: &[String], relayed: bool, point: Option<&str>) -> Option<String> {
    let point = point.unwrap_or("the distribution point");
    let package = &image.package;
    match image.state {
        None | Some(ContentState::Installed) => {}
        Some(ContentState::OtherVersion) => {
            let number =
                |version: Option<u64>| version.map_or_else(|| "?".to_owned(), |version| version.to_string());
            return Some(format!(
                "{point} has version {}, the site {}; update the distribution points of {package}",
                number(image.version_there),
                number(image.version)
            ));
        }
        Some(ContentState::NotDistributed) => {
            return Some(format!("distribute {package} to {point}"));
        }
        Some(state) => return Some(format!("its content on {point} is {}", state.words())),
    }
    if !relayed && boots.is_empty() {
        return Some(format!(
            "no boot file of {package} is here; import it, or serve the content library ([store] content-library)"
        ));
    }
    None
}

fn image_arch(text: &str) -> Option<ImageArch> {
    match text.trim().to_ascii_lowercase().as_str() {
        "x86" | "i386" | "0" => Some(ImageArch::X86),
        "x64" | "amd64" | "9" => Some(ImageArch::X64),
        "arm64" | "12" => Some(ImageArch::Arm64),
        _ => None,
    }
}

const FIRMWARE: [ArchType; 4] =
    [ArchType::X86_BIOS, ArchType::X64_UEFI, ArchType::IA32_UEFI, ArchType::ARM64_UEFI];
/// Boundaries that a line names.
const MOST_NAMED: usize = 3;
/// A day in seconds.
const DAY: u64 = 86_400;
