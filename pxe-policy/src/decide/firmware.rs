//! The boot menu in the firmware's own menu: what is offered, and what was chosen.

use super::assigned::of_image;
use super::{Boot, Site, State};
use crate::{BootRequest, Class, Evidence, FirmwareMenu, ImageOffer, MenuImage, item_of};

/// The verdict for a machine that is shown the boot menu. `loader` is the boot loader that would
/// show it, when there is one. PXE firmware gets a menu of its own first; a choice made there
/// starts at once, also when the boot loader that it started asks.
pub(super) fn by_menu(
    request: &BootRequest,
    offer: &ImageOffer,
    loader: Option<Boot>,
    site: &Site<'_>,
    state: &mut State,
) -> Option<Boot> {
    let Some(source) = site.firmware_menu.filter(|_| !request.segment.is_ipv6()) else { return loader };
    let starts = |image: &MenuImage| of_image(request, &image.name, site).ok();
    if let Some(item) = request.item {
        let images = (source.images)(offer);
        let chosen = images.iter().find(|image| item_of(&image.name) == item);
        let Some((image, boot)) = chosen.and_then(|image| Some((image, starts(image)?))) else {
            return loader;
        };
        state.evidence.push(Evidence::ChosenInMenu { image: image.name.clone() });
        return Some(boot);
    }
    if request.class != Class::Pxe || request.boot_program {
        return loader;
    }
    let images: Vec<MenuImage> =
        (source.images)(offer).into_iter().filter(|image| starts(image).is_some()).collect();
    let menu = FirmwareMenu::of_images(&source, &images, loader.is_some());
    // Firmware that shows no menu starts the boot loader, or the default.
    let boot = loader.or_else(|| starts(images.iter().find(|image| image.is_default)?))?;
    Some(Boot { prompt: Some(menu), ..boot })
}
