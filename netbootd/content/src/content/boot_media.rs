//! The files of boot media for a machine, and whether it may have the one with the secret.

use std::sync::Arc;

use imagestore::BootMedia;
use pxe_policy::{Decision, LoaderConfig, MacAddr};

use super::{Caller, Content};
use crate::boot_media::{self, Asked, MediaFile};
use crate::boot_script::Reporting;
use crate::menu::Loader;
use crate::refused::{NotForMachine, Refused};
use crate::served::{Known, Served};
use crate::template::Asker;

/// A file below [`boot_media::FOLDER`]; None for any other path.
pub(super) fn content(
    served: &Served<'_>,
    known: &Known<'_>,
    path: &str,
    reporting: &Reporting,
    caller: &Caller,
) -> Option<Result<Content, Refused>> {
    if let Some(image) = of_former_import(served, path) {
        return Some(Err(Refused::NotForMachine { image, why: NotForMachine::FormerImport }));
    }
    let asked = boot_media::asked(path)?;
    let about = served.files.about(asked.image)?;
    let media = about.media?;
    let text = |text: String| Ok(Content::generated(text.into_bytes(), None));
    Some(match asked.file {
        MediaFile::Winpeshl => text(boot_media::winpeshl(&about.arch)),
        MediaFile::StartScript => text(boot_media::start_script(reporting)),
        MediaFile::Bootstrap => {
            let path = format!("{}/{BOOTSTRAP}", asked.image);
            served
                .files
                .open_raw(path.as_bytes())
                .map(|file| Content::stored(file, &path))
                .map_err(Refused::from)
        }
        MediaFile::Variables | MediaFile::Wim => match may_have(served, known, &asked, &media, caller) {
            Ok(()) if asked.file == MediaFile::Wim => windows_pe(served, asked.image),
            Ok(()) => variables(served, asked.image),
            Err(why) => Err(Refused::NotForMachine { image: asked.image.to_owned(), why }),
        },
    })
}

/// The image, when a path leads to the secret of media that was imported with it inside: as a file,
/// or in the whole ISO.
pub(super) fn of_former_import(served: &Served<'_>, path: &str) -> Option<String> {
    let lower = path.trim_start_matches('/').to_ascii_lowercase();
    if !lower.ends_with("/sms/data/variables.dat") && !lower.ends_with(".iso") {
        return None;
    }
    let (image, _) = path.trim_start_matches('/').split_once('/')?;
    let about = served.files.about(image)?;
    (about.product == PRODUCT && about.media.is_none()).then(|| image.to_owned())
}

/// The URL of the folder with the files for the machine that asks; None when the image is no boot
/// media, or nobody knows the machine.
pub(super) fn folder_url(served: &Served<'_>, image: &str, asker: &Asker) -> Option<String> {
    served.files.about(image)?.media?;
    Some(asker.origin.url(&boot_media::folder(image, asker.mac?)))
}

/// Where Windows' boot manager finds the Windows PE with the media's files inside, in an image's folder
/// (with a slash behind it); None when the image is no boot media. Without the files its task sequence
/// environment finds nothing, so one that is not here is better refused than replaced.
pub(super) fn wim_path(served: &Served<'_>, folder: &str, mac: MacAddr) -> Option<String> {
    let image = folder.strip_suffix('/')?;
    served.files.about(image)?.media?;
    Some(format!("{}{}", boot_media::folder(image, mac), boot_media::WIM))
}

/// The secret is for the machine that policy boots from this image, at the address that the machine
/// uses.
fn may_have(
    served: &Served<'_>,
    known: &Known<'_>,
    asked: &Asked<'_>,
    media: &BootMedia,
    caller: &Caller,
) -> Result<(), NotForMachine> {
    if !media.password_required && !served.media_without_password {
        return Err(NotForMachine::NoPassword);
    }
    if known.machines.mac_of(caller.client) != Some(asked.mac) {
        return Err(NotForMachine::OtherMachine);
    }
    let machine = known.machines.by_mac(asked.mac).ok_or(NotForMachine::OtherMachine)?;
    let Decision::Boot(boot) = &machine.verdict.decision else { return Err(NotForMachine::OtherImage) };
    let is_this = |name: &str| name.eq_ignore_ascii_case(asked.image);
    let folder = |file: &str| {
        let path = file
            .split_once("://")
            .map_or(file, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
        path.trim_start_matches('/').split_once('/').is_some_and(|(first, _)| is_this(first))
    };
    let in_menu = || match &boot.config {
        Some(LoaderConfig::Menu(offer)) => {
            let menu = served.menu.menu(served.files, offer, Loader::Ipxe, Some(&machine.request));
            menu.entries.iter().any(|entry| is_this(&entry.image) && !entry.is_protected)
        }
        _ => false,
    };
    let is_booted = boot.image.as_deref().is_some_and(is_this) || folder(&boot.file) || in_menu();
    if is_booted { Ok(()) } else { Err(NotForMachine::OtherImage) }
}

fn variables(served: &Served<'_>, image: &str) -> Result<Content, Refused> {
    let store = served.files.store().map(Arc::clone);
    let bytes = store.and_then(|images| images.store().media_variables(image));
    let bytes =
        bytes.ok_or(Refused::NotForMachine { image: image.to_owned(), why: NotForMachine::NotHere })?;
    Ok(Content::generated(bytes, Some("application/octet-stream".to_owned())))
}

/// The Windows PE of the media with its files inside: the stored one, and what differs from it.
fn windows_pe(served: &Served<'_>, image: &str) -> Result<Content, Refused> {
    let path = format!("{image}/{BOOT_WIM}");
    let original = served.files.open_raw(path.as_bytes()).map_err(Refused::from)?;
    let wim = served.files.store().and_then(|images| images.store().media_wim(image, original));
    let wim = wim.ok_or(Refused::NotForMachine { image: image.to_owned(), why: NotForMachine::NotHere })?;
    Ok(Content::stored(wim, &path))
}

/// As imports name it.
const PRODUCT: &str = "ConfigMgr boot media";
const BOOTSTRAP: &str = "SMS/data/TsmBootstrap.ini";
const BOOT_WIM: &str = "sources/boot.wim";
