//! Which images are for a Mac.

use crate::{BootImage, LeftOut};

/// The properties of a Mac that decide which images are for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac<'a> {
    /// The Mac's architecture: `i386` or `ppc`.
    pub architecture: &'a str,
    /// The Mac's model identifier, such as `Macmini7,1`.
    pub model: &'a str,
    /// The Mac's hardware address.
    pub mac: [u8; 6],
}

/// How `DisabledSystemIdentifiers` is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisabledModels {
    /// A listed model is not offered the image. Every tool writes the key meaning that.
    Obey,
    /// As Apple's server, which never reads it.
    Ignore,
}

/// Whether an image is for a Mac, by the image's own lists; in the order of Apple's server.
pub fn eligible(image: &BootImage, mac: &Mac<'_>, disabled: DisabledModels) -> Result<(), LeftOut> {
    let lists = |models: &[String]| models.iter().any(|model| model == mac.model);
    if !image.enabled {
        return Err(LeftOut::Disabled);
    }
    if !image.booters.iter().any(|(architecture, _)| architecture == mac.architecture) {
        return Err(LeftOut::Architecture);
    }
    let for_all = image.enabled_models.is_empty() && mac.model != NETBOOT_1_MODEL;
    if !for_all && !lists(&image.enabled_models) {
        return Err(LeftOut::ModelNotEnabled);
    }
    if disabled == DisabledModels::Obey && lists(&image.disabled_models) {
        return Err(LeftOut::ModelDisabled);
    }
    if image.disabled_macs.contains(&mac.mac) {
        return Err(LeftOut::MacDisabled);
    }
    if image.enabled_macs.as_ref().is_some_and(|macs| !macs.contains(&mac.mac)) {
        return Err(LeftOut::MacNotEnabled);
    }
    Ok(())
}

/// Whether an image belongs into a list, by the attributes that the client asks for.
pub fn wanted(image: &BootImage, filter: Option<&[u16]>) -> Result<(), LeftOut> {
    match filter {
        Some(filter) if filter.contains(&image.id.attributes()) => Ok(()),
        Some(_) => Err(LeftOut::OtherAttributes),
        None if image.filter_only => Err(LeftOut::FilterOnly),
        None => Ok(()),
    }
}

/// The pseudo model that an image must list to be for firmware of 1998 and 1999.
pub(crate) const NETBOOT_1_MODEL: &str = "/NetBoot1";
