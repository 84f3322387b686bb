//! Which boot loader a machine is given, so that it can start what firmware cannot start by itself.

use super::{Boot, Site, is_url};
use crate::loader::usual_loaders;
use crate::{Action, BootRequest, Class, LOADER_SCRIPT, LoaderConfig, Via, is_ipxe_binary, is_loader};

/// The boot file that leads to a boot loader's configuration: the script for iPXE, a boot loader
/// for firmware. `for_script` wants iPXE itself. None when no boot loader for the machine is here.
pub(super) fn by_loader(
    request: &BootRequest,
    config: Option<LoaderConfig>,
    image: Option<String>,
    for_script: bool,
    site: &Site<'_>,
) -> Option<Boot> {
    let boot = |file: String, via| Boot { file, via, next_server: None, image, prompt: None, config };
    if request.class == Class::Ipxe {
        return Some(boot(LOADER_SCRIPT.to_owned(), Via::Http));
    }
    let loader = loader(request, for_script, site)?;
    let via = Via::for_client(request.class, &loader);
    Some(boot(loader, via))
}

/// The first boot loader that rules have for such a machine, else one of the usual names.
fn loader(request: &BootRequest, for_script: bool, site: &Site<'_>) -> Option<String> {
    let fits = |file: &&str| {
        let is_kind = if for_script { is_ipxe_binary(file) } else { is_loader(file) };
        is_kind && !is_url(file) && (site.available)(file)
    };
    let fitting = site.rules.0.iter().filter(|rule| rule.matches.fits(request));
    let of_rules = fitting
        .filter_map(|rule| match &rule.action {
            Action::Boot(boot) if boot.next_server.is_none() => Some(boot.files(request)),
            _ => None,
        })
        .flatten()
        .map(String::as_str);
    of_rules.chain(usual_loaders(request).iter().copied()).find(fits).map(str::to_owned)
}
