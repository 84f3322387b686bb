//! Operators' changes of devices: the functions behind the command line, the API and the page.

use netbootd_state::assignments::{DeviceUpdate, DeviceView, Lasts, NotChanged};
use netbootd_state::ledger::now;
use pxe_policy::{Assignment, BootNext, Evidence, MacAddr, Reason, Seconds, Target};
use serde::{Deserialize, Serialize};

use crate::explain::AskedAs;
use crate::services::Services;

/// A device as it is now, and what an operator should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The device; None once nothing is said of it.
    pub device: Option<DeviceView>,
    /// Why it may not boot what it should.
    pub warnings: Vec<String>,
}

/// Every registered device with what it boots.
pub fn list(services: &Services) -> Vec<DeviceView> {
    services.ledger.with(|ledger| services.assignments.list(ledger, now()))
}

/// One device with what it boots.
pub fn view(services: &Services, mac: MacAddr) -> Option<DeviceView> {
    services.ledger.with(|ledger| services.assignments.view(mac, ledger, now()))
}

/// Lets a machine boot something next.
pub async fn boot_next(
    services: &Services,
    mac: MacAddr,
    target: Target,
    lasts: Lasts,
) -> Result<Changed, NotChanged> {
    let former = next_of(services, mac);
    services.assignments.boot_next(mac, target, lasts, now()).await?;
    forget(services, former).await;
    Ok(changed(services, mac, Some(Reason::BootNext)))
}

/// Takes back what a machine was to boot next; None when there was nothing.
pub async fn cancel(services: &Services, mac: MacAddr) -> Result<Option<Changed>, NotChanged> {
    let former = next_of(services, mac);
    if !services.assignments.cancel(mac).await? {
        return Ok(None);
    }
    forget(services, former).await;
    Ok(Some(changed(services, mac, None)))
}

/// Registers a device, or changes it.
pub async fn update(services: &Services, mac: MacAddr, update: DeviceUpdate) -> Result<Changed, NotChanged> {
    let assigns = matches!(update.boot, Some(Some(_)));
    services.assignments.update(mac, update).await?;
    Ok(changed(services, mac, assigns.then_some(Reason::Assigned)))
}

/// Removes a device; false when there is none.
pub async fn remove(services: &Services, mac: MacAddr) -> Result<bool, NotChanged> {
    let former = next_of(services, mac);
    let removed = services.assignments.remove(mac).await?;
    forget(services, former).await;
    Ok(removed)
}

/// The target of an operator's word: `disk`, `image:NAME`, `file:PATH`, the name of an image of the
/// store or of a Mac's image, else a path or a URL.
pub fn target(services: &Services, text: &str) -> Target {
    let is_image = |name: &str| {
        let snapshot = services.snapshot.load();
        let of_store = snapshot.files.images().iter().any(|image| image.name == name);
        let of_macs = || services.netboot.as_ref().is_some_and(|netboot| netboot.has_image(name));
        of_store || of_macs()
    };
    target_of(text, is_image)
}

/// The same by what is an image.
pub fn target_of(text: &str, is_image: impl Fn(&str) -> bool) -> Target {
    let text = text.trim();
    if text.eq_ignore_ascii_case("disk") {
        return Target::Disk;
    }
    match (text.strip_prefix("image:"), text.strip_prefix("file:")) {
        (Some(name), _) => Target::Image(name.to_owned()),
        (_, Some(path)) => Target::File(path.to_owned()),
        _ if is_image(text) => Target::Image(text.to_owned()),
        _ => Target::File(text.trim_start_matches('/').to_owned()),
    }
}

/// One boot within a day, one boot until a time, or every boot until a time.
pub fn lasts(once: bool, until: Option<Seconds>) -> Lasts {
    match until {
        None => Lasts { once: true, until: Some(now().saturating_add(USUAL_VALIDITY)) },
        Some(until) => Lasts { once, until: Some(until) },
    }
}

/// How long one boot may be waited for unless an operator says otherwise: what somebody forgot must
/// not install a machine anew weeks later.
pub const USUAL_VALIDITY: Seconds = 24 * 3600;

fn next_of(services: &Services, mac: MacAddr) -> Option<BootNext> {
    services.assignments.with(|known| known.get(mac).and_then(|device: &Assignment| device.next.clone()))
}

/// Removes the ledger's entries of a next boot that is no longer wanted.
async fn forget(services: &Services, former: Option<BootNext>) {
    if let Some(next) = former {
        services.ledger.forget_boot_next(&next).await;
    }
}

fn changed(services: &Services, mac: MacAddr, wanted: Option<Reason>) -> Changed {
    let warnings = wanted.map(|wanted| warnings(services, mac, wanted)).unwrap_or_default();
    Changed { device: view(services, mac), warnings }
}

/// Why the machine would get something else if it asked now as it asked last.
fn warnings(services: &Services, mac: MacAddr, wanted: Reason) -> Vec<String> {
    let last = services.machines.by_mac(mac).map(|machine| machine.asked());
    let is_known = last.is_some();
    let request = AskedAs::default().request(mac, last.as_ref());
    let verdict = services.judge(&request, &[]);
    if verdict.reason == wanted {
        return Vec::new();
    }
    let told = |evidence: &&Evidence| {
        matches!(evidence, Evidence::TargetMissing { .. } | Evidence::BootNextExpired { .. })
    };
    let mut words: Vec<String> = verdict.evidence.iter().filter(told).map(ToString::to_string).collect();
    if verdict.reason == Reason::BootNext {
        words.push("what it boots next goes first".to_owned());
    } else if words.is_empty() {
        words.push(format!("it would not get that now: {}", verdict.reason));
    }
    if !is_known {
        words.push(format!("{mac} has not asked here lately; this is as an x64 UEFI PC would ask"));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_means_the_disk_an_image_or_a_file() {
        let of = |text| target_of(text, |name| name == "debian");
        assert_eq!(of("disk"), Target::Disk);
        assert_eq!(of(" debian "), Target::Image("debian".into()));
        assert_eq!(of("image:gone"), Target::Image("gone".into()));
        assert_eq!(of("/memtest.efi"), Target::File("memtest.efi".into()));
        assert_eq!(of("file:debian"), Target::File("debian".into()));
        assert_eq!(of("http://10.0.0.1/a.efi"), Target::File("http://10.0.0.1/a.efi".into()));
    }
}
