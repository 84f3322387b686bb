//! Carrying out what the operator's rules, and records that name a boot file, say.

use super::mac::images_of;
use super::{Boot, Decision, Site, State, Verdict, is_url};
use crate::{Action, BootAction, BootRequest, Class, Evidence, Reason, Rule, Via, is_ipxe_binary};

/// What a rule that fits comes to; None when it has to be passed over.
pub(super) fn carry_out(
    request: &BootRequest,
    rule: &Rule,
    site: &Site<'_>,
    state: &mut State,
) -> Option<Verdict> {
    let decision = match &rule.action {
        Action::Boot(boot) if request.class == Class::Bsdp => images_of(boot),
        Action::Relay if request.class == Class::Bsdp => {
            state.evidence.push(Evidence::RelayForMac { rule: rule.name.clone() });
            return None;
        }
        Action::Boot(boot) if boot.file.is_empty() => {
            state.evidence.push(Evidence::ForMacs { rule: rule.name.clone() });
            return None;
        }
        Action::LocalBoot => Decision::LocalBoot,
        Action::Relay if !request.class.speaks_pxe() => {
            return Some(Verdict::of(Decision::LocalBoot, Reason::PxeOnly));
        }
        Action::Relay => Decision::Relay,
        Action::Boot(BootAction { refer: Some(server), .. }) if request.boot_program => {
            Decision::Refer(*server)
        }
        Action::Ignore | Action::Directories => Decision::Ignore,
        Action::Boot(boot) => match boot_of(request, boot, site) {
            Ok(boot) => Decision::Boot(boot),
            Err(ipxe_again) => {
                let rule = rule.name.clone();
                state.passed_over = true;
                state.evidence.push(match ipxe_again {
                    true => Evidence::IpxeAgain { rule },
                    false => Evidence::FilesMissing { rule, files: boot.file.clone() },
                });
                return None;
            }
        },
    };
    state.evidence.push(Evidence::Taken { rule: rule.name.clone() });
    Some(Verdict { rule: Some(rule.name.clone()), ..Verdict::of(decision, Reason::Rule) })
}

/// The first file that can be had; else whether one was left out because it is iPXE itself.
pub(super) fn boot_of(request: &BootRequest, boot: &BootAction, site: &Site<'_>) -> Result<Boot, bool> {
    let runs_ipxe = request.class == Class::Ipxe;
    let mut offers_ipxe_again = false;
    for file in &boot.file {
        if runs_ipxe && is_ipxe_binary(file) {
            offers_ipxe_again = true;
        } else if is_url(file) || boot.next_server.is_some() || (site.available)(file) {
            let via = boot.via.unwrap_or_else(|| Via::for_client(request.class, file));
            return Ok(Boot {
                file: file.clone(),
                via,
                next_server: boot.next_server,
                image: boot.image.clone(),
                prompt: None,
            });
        }
    }
    Err(offers_ipxe_again)
}
