//! Where a file comes from that the boot tree does not hold at the requested path.

use std::net::IpAddr;
use std::time::Instant;

use netbootd_dhcp::v4::boot_info::Origin;

use imagestore::{BootPath, OpenError};
use pxe_policy::{BootRequest, Decision, LoaderConfig, is_ipxe_binary};

use super::types::type_of;
use super::{Content, boot_media, raspberry_pi};
use crate::boot_script::Reporting;
use crate::machines::Machine;
use crate::menu;
use crate::refused::Refused;
use crate::served::{Known, Served};
use crate::template::Asker;
use crate::winpe;
use crate::winpe::wimboot::{self, Around, Beside};

/// A boot manager's file, from the image that the machine boots.
pub(super) fn of_image(
    served: &Served<'_>,
    path: &str,
    machine: Option<&Machine>,
) -> Result<Content, Refused> {
    let not_found = || Refused::from(OpenError::NotFound);
    let machine = machine.ok_or_else(not_found)?;
    let holds = |folder: &str| winpe::holds_windows_pe(folder, served.files);
    let folder = winpe::image_folder(machine, holds).ok_or_else(not_found)?;
    let path = path.trim_start_matches('/');
    let inside = winpe::of_generation(path, machine);
    let opened = inside
        .into_iter()
        .chain(winpe::other_architecture(path))
        .map(|inside| served.files.open_raw(format!("{folder}{inside}").as_bytes()))
        .find(|opened| !matches!(opened, Err(OpenError::NotFound)));
    match opened.unwrap_or(Err(OpenError::NotFound)) {
        Ok(file) => Ok(Content::stored(file, path)),
        Err(OpenError::NotFound) => {
            let wim = boot_media::wim_path(served, folder, machine.request.mac);
            let bytes = winpe::configuration(path, machine, served.files, served.winpe, wim.as_deref());
            let bytes = bytes.ok_or_else(not_found)?;
            Ok(Content::generated(bytes, Some("application/octet-stream".to_owned())))
        }
        Err(error) => Err(error.into()),
    }
}

/// A boot program: of its own image for another architecture, or of any image when it is asked for
/// at the root.
pub(super) fn of_any_image(served: &Served<'_>, path: &str) -> Option<Content> {
    let other = || served.files.open_raw(winpe::other_architecture(path)?.as_bytes()).ok();
    let file = other().or_else(|| served.files.boot_program(path))?;
    Some(Content::stored(file, path))
}

/// A boot loader's configuration, where it does what was decided for the machine: start a kernel,
/// or show the menu. Also the script of one image, which the menu of iPXE leads to.
pub(super) fn loader_config(served: &Served<'_>, path: &str, asker: &Asker) -> Option<Content> {
    let text = |text: String| Content::generated(text.into_bytes(), None);
    let path = path.trim_start_matches('/');
    if let Some(image) = path.strip_prefix(IMAGE_SCRIPTS).and_then(|rest| rest.strip_suffix(".ipxe")) {
        return served.menu.image_script(served.files, image, asker, false).map(text);
    }
    let loader = menu::loader_of(path)?;
    let config = match &asker.machine.as_ref()?.verdict.decision {
        Decision::Boot(boot) => boot.config.as_ref().map(|config| (config, &boot.image)),
        _ => None,
    };
    match config {
        Some((LoaderConfig::Kernel(kernel), image)) => {
            let title = image.as_deref().unwrap_or(&kernel.kernel);
            Some(text(menu::kernel::config(kernel, title, loader, asker)))
        }
        Some((LoaderConfig::Menu(offer), _)) => {
            served.menu.text(served.files, offer, loader, asker).map(text)
        }
        None => None,
    }
}

/// Where the menu of iPXE looks for its images' scripts.
const IMAGE_SCRIPTS: &str = "netbootd/image/";

/// The digest file of a Raspberry Pi's boot image, when there is the image and no such file.
pub(super) fn of_signature(
    served: &Served<'_>,
    known: &Known<'_>,
    path: &str,
) -> Option<Result<Content, Refused>> {
    let image = served.files.open_raw(raspberry_pi::image_of_signature(path)?.as_bytes()).ok()?;
    Some(match known.digests.signature(&image) {
        Ok(bytes) => Ok(Content::generated(bytes, None)),
        Err(error) => Err(error.into()),
    })
}

/// The script by which iPXE loads an image's Windows PE, and those by which Windows PE reports.
pub(super) fn of_wimboot(
    served: &Served<'_>,
    path: &str,
    origin: &Origin,
    request: Option<&BootRequest>,
    reporting: &Reporting,
    beside: Beside<'_>,
) -> Option<Content> {
    if let Some(script) = winpe::report::file(path, reporting) {
        return Some(Content::generated(script, None));
    }
    let wimboot = served.wimboot?;
    let around = Around { origin, wimboot, request, reporting, beside };
    let bytes = wimboot::file(path, served.files, served.winpe, around)?;
    Some(Content::generated(bytes, Some(type_of(path).to_owned())))
}

/// The script that a signed iPXE looks for in the folder that it came from, as it has none built
/// in: it leads on by the rules for iPXE, as a lease names them.
pub(super) fn of_ipxe(known: &Known<'_>, path: &str, asker: &Asker) -> Option<Content> {
    let folder = |path: &str| {
        let path = path.trim_start_matches('/').to_ascii_lowercase();
        path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned())
    };
    let is_asked = path.rsplit('/').next()?.eq_ignore_ascii_case("autoexec.ipxe");
    let program = known.programs.running(asker.client, Instant::now()).filter(|_| is_asked)?;
    let is_its = is_ipxe_binary(&program.path) && folder(&program.path) == folder(path);
    is_its.then(|| {
        let failed = asker.reporting.ipxe_failed();
        let text = format!(
            "#!ipxe\nset step script\nset file autoexec.ipxe\nautoboot || goto failed\nexit\n{failed}\n"
        );
        Content::generated(text.into_bytes(), None)
    })
}

/// A file of the distribution point's own responder, for a machine that was forwarded to it.
pub(super) fn of_responder(
    served: &Served<'_>,
    known: &Known<'_>,
    path: &BootPath,
    client: IpAddr,
) -> Option<Result<Content, Refused>> {
    // Only IPv4 machines are forwarded.
    let IpAddr::V4(client) = client else { return None };
    let opened = known.relay.open(served.responder?, path, client)?;
    Some(opened.map(|file| Content::stored(file, &path.to_string())).map_err(Refused::from))
}
