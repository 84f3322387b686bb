//! Carrying out what the operator's rules, and records that name a boot file, say.

use super::assigned::of_image;
use super::firmware;
use super::generation;
use super::loaders::by_loader;
use super::mac::images_of;
use super::{Boot, Decision, Site, State, Verdict, Wanted, is_url};
use crate::{
    Action, BootAction, BootRequest, Class, Evidence, LoaderConfig, Reason, Rule, Via, is_ipxe_binary,
};

/// The verdict by a rule that fits; None when it has to be passed over.
pub(super) fn carry_out(
    request: &BootRequest,
    rule: &Rule,
    site: &Site<'_>,
    state: &mut State,
) -> Option<Verdict> {
    if let Action::Boot(boot) = &rule.action {
        state.wanted.signed_by = boot.signed_by;
    }
    let mut decision = match &rule.action {
        Action::Boot(boot) if request.class == Class::Bsdp => images_of(boot),
        Action::Relay if request.class == Class::Bsdp => {
            state.evidence.push(Evidence::RelayForMac { rule: rule.name.clone() });
            return None;
        }
        Action::Boot(boot) if boot.is_for_macs() => {
            state.evidence.push(Evidence::ForMacs { rule: rule.name.clone() });
            return None;
        }
        Action::LocalBoot => Decision::LocalBoot,
        Action::Relay if !request.class.speaks_pxe() => {
            return Some(Verdict::new(Decision::LocalBoot, Reason::PxeOnly));
        }
        Action::Relay => Decision::Relay,
        Action::Boot(BootAction { refer: Some(server), .. }) if request.boot_program => {
            Decision::Refer(*server)
        }
        Action::Ignore | Action::Directories => Decision::Ignore,
        Action::Boot(boot) if boot.is_image() => {
            match of_image(request, boot.image.as_deref().unwrap_or_default(), site) {
                Ok(boot) => Decision::Boot(boot),
                Err(files) => {
                    state.passed_over = true;
                    state.evidence.push(Evidence::FilesMissing { rule: rule.name.clone(), files });
                    return None;
                }
            }
        }
        Action::Boot(boot) => match boot_of(request, boot, site, state) {
            Ok(boot) => Decision::Boot(boot),
            Err(ipxe_again) => {
                let rule = rule.name.clone();
                state.passed_over = true;
                state.evidence.push(match ipxe_again {
                    true => Evidence::IpxeAgain { rule },
                    false => Evidence::FilesMissing { rule, files: boot.files(request).to_vec() },
                });
                return None;
            }
        },
    };
    if let (Decision::Boot(boot), Action::Boot(BootAction { https: true, .. })) =
        (&mut decision, &rule.action)
        && boot.next_server.is_none()
        && !boot.is_url()
    {
        boot.via = boot.via.secured(true);
    }
    state.evidence.push(Evidence::Taken { rule: rule.name.clone() });
    Some(Verdict { rule: Some(rule.name.clone()), ..Verdict::new(decision, Reason::Rule) })
}

/// The boot of an action; else whether a file was left out because it is iPXE itself.
pub(super) fn boot_of(
    request: &BootRequest,
    boot: &BootAction,
    site: &Site<'_>,
    state: &mut State,
) -> Result<Boot, bool> {
    let by_loader = |config| by_own_loader(request, boot, config, site);
    if let Some(kernel) = &boot.kernel {
        return by_loader(LoaderConfig::Kernel(kernel.clone())).ok_or(false);
    }
    if let Some(offer) = &boot.menu {
        let loader = by_loader(LoaderConfig::Menu(offer.clone()));
        return firmware::by_menu(request, offer, loader, site, state).ok_or(false);
    }
    file_of(request, boot, site, state.wanted)
}

/// The first file that can be had and that the machine does not refuse; else the first that can be
/// had; else whether one was left out because it is iPXE itself.
pub(super) fn file_of(
    request: &BootRequest,
    boot: &BootAction,
    site: &Site<'_>,
    wanted: Wanted,
) -> Result<Boot, bool> {
    let is_ipxe_again = |file: &String| request.class == Class::Ipxe && is_ipxe_binary(file);
    let can_be_had = |file: &&String| {
        !is_ipxe_again(file) && (is_url(file) || boot.next_server.is_some() || (site.available)(file))
    };
    let files = boot.files(request);
    let is_here = |file: &str| boot.next_server.is_none() && !is_url(file);
    let is_refused = |file: &str| {
        is_here(file) && boot.signed_by.is_none() && generation::is_refused(request, site, wanted, file)
    };
    let first = files.iter().filter(can_be_had).find(|file| !is_refused(file));
    let file = first.or_else(|| files.iter().find(can_be_had));
    let file = file.ok_or_else(|| files.iter().any(is_ipxe_again))?;
    Ok(Boot {
        file: file.clone(),
        via: boot.via.unwrap_or_else(|| Via::for_client(request.class, file)),
        next_server: boot.next_server,
        image: boot.image.clone(),
        prompt: None,
        config: None,
    })
}

/// The boot loader that the action names or, when it names none, the one for such machines.
fn by_own_loader(
    request: &BootRequest,
    boot: &BootAction,
    config: LoaderConfig,
    site: &Site<'_>,
) -> Option<Boot> {
    let is_for = |file: &&String| request.class != Class::Ipxe || !is_ipxe_binary(file);
    let is_there = |file: &&String| is_url(file) || boot.next_server.is_some() || (site.available)(file);
    let own = boot.files(request).iter().filter(is_for).find(is_there);
    let Some(file) = own else {
        return by_loader(request, Some(config), boot.image.clone(), false, site);
    };
    let via = boot.via.unwrap_or_else(|| Via::for_client(request.class, file));
    Some(Boot {
        file: file.clone(),
        via,
        next_server: boot.next_server,
        image: boot.image.clone(),
        prompt: None,
        config: Some(config),
    })
}
