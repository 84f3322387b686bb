//! The boot menu: its entries, from the images of the store, and its text for each boot loader.
//!
//! Names are operators' text. Characters that a boot loader would read as a command, a variable or
//! a quote are replaced before they get into a script.

mod grub;
mod ipxe;
pub mod kernel;
mod password;
mod pxelinux;
mod words;

use std::collections::BTreeMap;
use std::time::Duration;

use imagestore::ImageKind;
use pxe_policy::{
    ArchType, BootRequest, FirmwareMenu, ImageOffer, ImageSelector, KernelBoot, MenuImage, MenuSource,
    WIMBOOT_SCRIPT, boot_files,
};

pub use password::Password;

use crate::files::Files;
use crate::template::Asker;

/// How the menu looks and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether machines that no rule decides about are shown it.
    pub enabled: bool,
    /// Whether templates may show it.
    pub in_templates: bool,
    /// Whether PXE firmware shows it too, in its own menu.
    pub in_firmware: bool,
    /// The heading of the menu.
    pub title: String,
    /// After this time the default starts; zero waits for somebody at the machine.
    pub timeout: Duration,
    /// The entry that starts after that time.
    pub default: Default,
    /// The images in it; empty for every one.
    pub images: Vec<ImageSelector>,
    /// Images that are not in it.
    pub hidden: Vec<ImageSelector>,
    /// Images that want the password.
    pub protected: Vec<ImageSelector>,
    /// The password for protected images, when there is one.
    pub password: Option<Password>,
}

/// The entry that starts when nobody chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Default {
    /// The machine's own disk.
    Disk,
    /// An image, when it is in the menu; else the disk.
    Image(String),
}

impl std::default::Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: false,
            in_templates: true,
            in_firmware: false,
            title: "Boot menu".to_owned(),
            timeout: Duration::from_secs(10),
            default: Default::Disk,
            images: Vec::new(),
            hidden: Vec::new(),
            protected: Vec::new(),
            password: None,
        }
    }
}

/// A boot loader that shows menus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loader {
    /// iPXE, which has menus of its own.
    Ipxe,
    /// GRUB 2 on UEFI or BIOS.
    Grub,
    /// PXELINUX, and SYSLINUX for UEFI.
    Pxelinux,
}

/// A menu for one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Menu {
    pub(crate) title: String,
    pub(crate) timeout: Duration,
    /// The entry that starts by itself; None for the disk.
    pub(crate) default: Option<usize>,
    pub(crate) entries: Vec<Entry>,
    /// Needed by the entries that want it.
    pub(crate) password: Option<Password>,
}

/// One image of the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The image's name in the store.
    pub(crate) image: String,
    /// The text of the entry.
    pub(crate) title: String,
    pub(crate) starts: Starts,
    pub(crate) is_protected: bool,
}

/// An image of the menu, whichever boot loader shows it.
struct Shown {
    image: String,
    kind: String,
    title: String,
    is_protected: bool,
}

/// How an image starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Starts {
    Kernel(KernelBoot),
    /// A script of iPXE in the boot tree.
    Script(String),
    /// A program of the machine's firmware in the boot tree.
    Program(String),
}

impl Settings {
    /// The menu for a machine: the images that are selected, that are not hidden, and that this
    /// boot loader starts on it.
    pub(crate) fn menu(
        &self,
        files: &Files,
        offer: &ImageOffer,
        loader: Loader,
        request: Option<&BootRequest>,
    ) -> Menu {
        let mut entries = Vec::new();
        for shown in self.shown(files, offer) {
            let Shown { image, kind, title, is_protected } = shown;
            let Some(starts) = starts(files, &image, &kind, loader, request) else { continue };
            entries.push(Entry { image, title, starts, is_protected });
        }
        let default = entries.iter().position(|entry| self.is_default(offer, &entry.image));
        Menu {
            title: self.title.clone(),
            timeout: self.timeout,
            default,
            entries,
            password: self.password.clone(),
        }
    }

    /// The images for the menu that firmware itself shows, in the menu's order. An entry that wants
    /// a password is not among them: firmware asks for none.
    pub fn firmware_images(&self, files: &Files, offer: &ImageOffer) -> Vec<MenuImage> {
        let open = self.shown(files, offer).into_iter().filter(|shown| !shown.is_protected);
        let image = |shown: Shown| MenuImage {
            is_default: self.is_default(offer, &shown.image),
            name: shown.image,
            title: shown.title,
        };
        open.map(image).collect()
    }

    /// Where the firmware's own menu has its lines from; None when firmware shows none.
    pub fn firmware_source<'a>(
        &'a self,
        images: &'a dyn Fn(&ImageOffer) -> Vec<MenuImage>,
    ) -> Option<MenuSource<'a>> {
        let seconds = match self.timeout.as_secs() {
            0 if self.timeout.is_zero() => FirmwareMenu::WAITS,
            seconds => u8::try_from(seconds).unwrap_or(LONGEST_IN_FIRMWARE).clamp(1, LONGEST_IN_FIRMWARE),
        };
        self.in_firmware.then_some(MenuSource { seconds, title: &self.title, images })
    }

    /// Whether an image starts when nobody chooses.
    fn is_default(&self, offer: &ImageOffer, image: &str) -> bool {
        match (&offer.default, &self.default) {
            (Some(selector), _) => selector.selects(&[image], &BTreeMap::new()),
            (None, Default::Image(name)) => image == *name,
            (None, Default::Disk) => false,
        }
    }

    /// The images that are selected and not hidden, in the menu's order.
    fn shown(&self, files: &Files, offer: &ImageOffer) -> Vec<Shown> {
        let mut all = Vec::new();
        for image in files.images() {
            let labels = files.image_labels(&image.name);
            let selects = |list: &[ImageSelector]| {
                list.iter().any(|selector| selector.selects(&[image.name.as_str()], &labels))
            };
            let is_wanted = (self.images.is_empty() || selects(&self.images))
                && offer.only.as_ref().is_none_or(|only| selects(only));
            let is_hidden = selects(&self.hidden) || labels.get(MENU).is_some_and(|word| word == "hidden");
            if !is_wanted || is_hidden {
                continue;
            }
            let title = labels.get(TITLE).cloned().unwrap_or_else(|| image.name.clone());
            let is_protected = self.password.is_some() && selects(&self.protected);
            let order = labels.get(ORDER).and_then(|order| order.parse::<i64>().ok()).unwrap_or_default();
            all.push((order, Shown { image: image.name, kind: image.kind, title, is_protected }));
        }
        all.sort_by_cached_key(|(order, shown)| (*order, shown.title.to_lowercase()));
        all.into_iter().map(|(_, shown)| shown).collect()
    }

    /// The script of iPXE that starts one image of the menu, or first asks for the password; None
    /// for an image that is not in it.
    pub(crate) fn image_script(
        &self,
        files: &Files,
        image: &str,
        asker: &Asker,
        is_unlocked: bool,
    ) -> Option<String> {
        let request = asker.machine.as_ref().map(|machine| &machine.request);
        let menu = self.menu(files, &ImageOffer::default(), Loader::Ipxe, request);
        let entry = menu.entries.into_iter().find(|entry| entry.image == image)?;
        Some(match entry.is_protected && !is_unlocked {
            true => ipxe::login(&entry, asker),
            false => ipxe::start(&entry, asker),
        })
    }

    /// The menu's text for a boot loader; None when it would be empty.
    pub(crate) fn text(
        &self,
        files: &Files,
        offer: &ImageOffer,
        loader: Loader,
        asker: &Asker,
    ) -> Option<String> {
        let request = asker.machine.as_ref().map(|machine| &machine.request);
        let menu = self.menu(files, offer, loader, request);
        if menu.entries.is_empty() {
            return None;
        }
        Some(match loader {
            Loader::Ipxe => ipxe::menu(&menu, asker),
            Loader::Grub => grub::menu(&menu, asker),
            Loader::Pxelinux => pxelinux::menu(&menu, asker, files.has(MENU_MODULE)),
        })
    }
}

/// The boot loader that asks for a path, if it is a configuration of one.
pub(crate) fn loader_of(path: &str) -> Option<Loader> {
    let path = path.trim_start_matches('/').to_ascii_lowercase();
    let name = path.rsplit('/').next().unwrap_or(&path);
    match name {
        "boot.ipxe" | "autoexec.ipxe" => Some(Loader::Ipxe),
        name if name == "grub.cfg" || name.starts_with("grub.cfg-") => Some(Loader::Grub),
        _ if path.contains("pxelinux.cfg/") || name == "syslinux.cfg" => Some(Loader::Pxelinux),
        _ => None,
    }
}

fn starts(
    files: &Files,
    image: &str,
    kind: &str,
    loader: Loader,
    request: Option<&BootRequest>,
) -> Option<Starts> {
    if let Some(kernel) = files.kernel_of(image) {
        return Some(Starts::Kernel(kernel));
    }
    let script = format!("{image}/{WIMBOOT_SCRIPT}");
    if loader == Loader::Ipxe && kind == ImageKind::WinPe.as_str() {
        return Some(Starts::Script(script));
    }
    let arch = request.and_then(BootRequest::arch)?;
    if loader == Loader::Pxelinux || arch.same_family(ArchType::X86_BIOS) {
        return None;
    }
    let inside = boot_files(arch, None, false).into_iter().map(|path| format!("{image}/{path}"));
    inside.into_iter().find(|path| files.has(path)).map(Starts::Program)
}

/// Below this path of the HTTP service an image's script wants the password.
pub const PROTECTED: &str = "netbootd/protected/";
/// Entries on one page of a menu; a text screen has 25 lines.
pub(crate) const PAGE: usize = 16;
/// Firmware counts seconds in one byte, of which the last value waits.
const LONGEST_IN_FIRMWARE: u8 = 254;
/// The module that PXELINUX needs to show a menu.
const MENU_MODULE: &str = "menu.c32";
/// The label of an image with what the menu shows.
pub const TITLE: &str = "title";
/// The label of an image with a number that sorts the menu.
pub const ORDER: &str = "menu-order";
/// The label of an image that says `hidden`.
pub const MENU: &str = "menu";

#[cfg(test)]
mod tests;
