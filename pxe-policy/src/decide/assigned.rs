//! Operators' assignments to the machine: its next boot and its lasting one.

use super::generation;
use super::loaders::by_loader;
use super::rule::file_of;
use super::{Boot, Decision, Site, State, Verdict, Wanted, is_url};
use crate::{
    Assignment, BootAction, BootNext, BootRequest, Class, Evidence, ImageOffer, ImageSelector, LoaderConfig,
    Ran, Reason, Stage, Target, Via, WIMBOOT_SCRIPT, boot_files,
};

/// The verdict by an operator's assignment; None when directories and rules decide.
pub(super) fn decide(request: &BootRequest, site: &Site<'_>, state: &mut State) -> Option<Verdict> {
    let assigned = site.assigned?;
    let next = assigned.next.as_ref().and_then(|next| boot_next(request, site, assigned, next, state));
    next.or_else(|| lasting(request, site, assigned, state))
}

fn boot_next(
    request: &BootRequest,
    site: &Site<'_>,
    assigned: &Assignment,
    next: &BootNext,
    state: &mut State,
) -> Option<Verdict> {
    let target = next.target.to_string();
    // Asking again for the program of the other generation, the machine is still in the boot that
    // it was given.
    let goes_on = site.trust.is_retry()
        && decision(request, site, &next.target, &mut State::default())
            .is_some_and(|decision| generation::goes_on(request, site, state.wanted, &decision));
    let stage = if goes_on { Stage::Program } else { Stage::from_request(request) };
    let claim = next.claim(assigned, stage);
    let ran = match next.once {
        true => site.ledger.ran(&claim, site.now, site.settings.same_boot),
        false => Ran::Never,
    };
    match ran {
        Ran::Before { at, .. } | Ran::Cleared { at } => {
            state.evidence.push(Evidence::BootNextUsed { target, at });
            return None;
        }
        // A boot that has begun in time goes on.
        Ran::ThisBoot => {}
        Ran::Never if next.has_expired(site.now) => {
            state.evidence.push(Evidence::BootNextExpired { target });
            return None;
        }
        Ran::Never => {}
    }
    let decision = decision(request, site, &next.target, state)?;
    state.evidence.push(Evidence::BootNext { target, once: next.once });
    let is_spent = goes_on && ran == Ran::ThisBoot;
    let deployment = (next.once && !is_spent).then_some(claim);
    Some(Verdict { deployment, ..Verdict::new(decision, Reason::BootNext) })
}

fn lasting(
    request: &BootRequest,
    site: &Site<'_>,
    assigned: &Assignment,
    state: &mut State,
) -> Option<Verdict> {
    let target = assigned.boot.as_ref()?;
    let Some(decision) = decision(request, site, target, state) else {
        return Some(Verdict::new(Decision::LocalBoot, Reason::NoBootFile));
    };
    state.evidence.push(Evidence::Assigned { device: assigned.label(), target: target.to_string() });
    Some(Verdict::new(decision, Reason::Assigned))
}

/// The decision for a target; None, with evidence, when the machine cannot boot it.
fn decision(request: &BootRequest, site: &Site<'_>, target: &Target, state: &mut State) -> Option<Decision> {
    let is_mac = request.class == Class::Bsdp;
    let found = match target {
        Target::Disk => return Some(Decision::LocalBoot),
        Target::Image(name) if is_mac => return Some(only_image(name)),
        Target::File(path) if is_mac => Err(vec![path.clone()]),
        Target::Image(name) => of_image(request, name, site),
        Target::File(path) => of_file(request, path, site, state.wanted),
    };
    match found {
        Ok(boot) => Some(Decision::Boot(boot)),
        Err(files) => {
            state.evidence.push(Evidence::TargetMissing { target: target.to_string(), files });
            None
        }
    }
}

/// A Mac is offered this image alone.
fn only_image(name: &str) -> Decision {
    let selector = ImageSelector::Name(name.strip_suffix(".nbi").unwrap_or(name).to_owned());
    Decision::Images(ImageOffer { only: Some(vec![selector.clone()]), default: Some(selector) })
}

/// A script is for iPXE: firmware is given iPXE first.
fn of_file(request: &BootRequest, path: &str, site: &Site<'_>, wanted: Wanted) -> Result<Boot, Vec<String>> {
    let missing = || vec![path.to_owned()];
    let is_there = is_url(path) || (site.available)(path);
    if path.ends_with(".ipxe") && request.class != Class::Ipxe {
        return by_loader(request, None, None, true, site).filter(|_| is_there).ok_or_else(missing);
    }
    let action = BootAction { file: missing(), ..BootAction::default() };
    file_of(request, &action, site, wanted).map_err(|_| missing())
}

/// The file of an image for this machine: Windows PE by wimboot, a kernel by a boot loader, or the
/// program that firmware starts.
pub(super) fn of_image(request: &BootRequest, name: &str, site: &Site<'_>) -> Result<Boot, Vec<String>> {
    let folder = (site.image_folder)(name);
    let image = Some(name.to_owned());
    let boot = |file: String| {
        let via = Via::for_client(request.class, &file);
        Boot { file, via, next_server: None, image: image.clone(), prompt: None, config: None }
    };
    let script = format!("{folder}/{WIMBOOT_SCRIPT}");
    if request.class == Class::Ipxe && (site.available)(&script) {
        return Ok(boot(script));
    }
    if let Some(kernel) = (site.kernel_of)(&folder) {
        let files = vec![kernel.kernel.clone()];
        let config = Some(LoaderConfig::Kernel(kernel));
        return by_loader(request, config, image, false, site).ok_or(files);
    }
    let inside = request.arch().map(|arch| boot_files(arch, None, false)).unwrap_or_default();
    let paths: Vec<String> = inside.iter().map(|path| format!("{folder}/{path}")).collect();
    paths.iter().find(|path| (site.available)(path)).cloned().map(boot).ok_or(paths)
}
