//! The menu of PXE firmware (PXE 2.1 §2.2.5): lines that it shows by itself, before any boot
//! loader.

/// A menu. Firmware takes the first line when its time is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmwareMenu {
    /// In the order in which firmware shows them.
    pub lines: Vec<MenuLine>,
    /// Seconds until the first line starts: 0 at once, [`FirmwareMenu::WAITS`] never.
    pub seconds: u8,
    /// The prompt that firmware shows until somebody presses F8.
    pub prompt: String,
}

/// One line of a menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MenuLine {
    /// The boot server type (tag 8, 9 and 71) that stands for the line.
    pub item: u16,
    /// The text of the line, as tag 9 of option 43 carries it.
    pub text: String,
}

/// An image that may be a line of the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MenuImage {
    /// The name of the image in the store.
    pub name: String,
    /// The menu's line for it.
    pub title: String,
    /// Whether it starts when nobody chooses.
    pub is_default: bool,
}

/// Where the lines of the boot menu come from.
#[derive(Clone, Copy)]
pub struct MenuSource<'a> {
    /// Seconds until the default starts, or [`FirmwareMenu::WAITS`].
    pub seconds: u8,
    /// The heading that boot loaders show above the lines.
    pub title: &'a str,
    /// The images of an offer, in the menu's order.
    pub images: &'a dyn Fn(&crate::ImageOffer) -> Vec<MenuImage>,
}

impl FirmwareMenu {
    /// The machine's own disk: boot server type 0.
    pub const DISK: u16 = 0;
    /// The one deployment of a menu for it.
    pub const DEPLOYMENT: u16 = 0x8000;
    /// A boot loader with the whole boot menu.
    pub const WHOLE_MENU: u16 = 0x8001;
    /// The time of a menu that waits for somebody.
    pub const WAITS: u8 = 255;

    /// The disk when nobody does anything, a deployment when somebody chooses it.
    pub fn of_deployment(label: String) -> Self {
        let disk = MenuLine { item: Self::DISK, text: DISK_TEXT.to_owned() };
        let deployment = MenuLine { item: Self::DEPLOYMENT, text: shown(&label) };
        let prompt = "Press F8 to install from the network".to_owned();
        FirmwareMenu { lines: vec![disk, deployment], seconds: DEPLOYMENT_SECONDS, prompt }
    }

    /// The disk, the images, and a last line for the whole menu when a boot loader can show it
    /// (`has_loader`) and not every image has a line. The default goes first.
    pub fn of_images(source: &MenuSource<'_>, images: &[MenuImage], has_loader: bool) -> Self {
        let disk = MenuLine { item: Self::DISK, text: DISK_TEXT.to_owned() };
        let whole = MenuLine { item: Self::WHOLE_MENU, text: "More ...".to_owned() };
        let (defaults, others): (Vec<_>, Vec<_>) = images.iter().partition(|image| image.is_default);
        let line = |image: &MenuImage| MenuLine { item: item_of(&image.name), text: shown(&image.title) };
        let mut lines: Vec<MenuLine> = defaults.iter().copied().map(line).collect();
        lines.push(disk);
        let prompt = format!("{}: press F8 for the menu", shown(source.title));
        let mut menu = FirmwareMenu { lines, seconds: source.seconds, prompt };
        let mut left = 0;
        for image in others {
            let line = line(image);
            let is_new = menu.lines.iter().all(|other| other.item != line.item);
            if is_new && menu.bytes() + size(&line) + size(&whole) <= MAX_BYTES {
                menu.lines.push(line);
            } else {
                left += 1;
            }
        }
        if has_loader && (left > 0 || menu.lines.len() == 1) {
            menu.lines.push(whole);
        }
        menu
    }

    /// The size of option 43 with the menu: tags 6, 8, 9, 10 and the end.
    fn bytes(&self) -> usize {
        FIXED_BYTES + self.prompt.len() + self.lines.iter().map(size).sum::<usize>()
    }
}

/// The item that stands for an image: from its name alone, so that every server of a site reads a
/// choice alike, whatever was imported meanwhile.
pub fn item_of(image: &str) -> u16 {
    // FNV-1a, of the name without case.
    let hash = image.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
    });
    FIRST_IMAGE + (hash % u32::from(IMAGES)) as u16 // below IMAGES
}

/// The bytes of a line in tags 8 and 9.
fn size(line: &MenuLine) -> usize {
    let server = if line.item == FirmwareMenu::DISK { 0 } else { 7 };
    3 + line.text.len() + server
}

/// The text as a text screen of firmware can show it: one line of ASCII.
fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    text.chars().take(MAX_TEXT).map(plain).collect()
}

const DISK_TEXT: &str = "Boot from disk";
/// How long the prompt of a deployment stands.
const DEPLOYMENT_SECONDS: u8 = 10;
const FIRST_IMAGE: u16 = 0x8002;
const IMAGES: u16 = u16::MAX - FIRST_IMAGE + 1;
/// A line of a text screen, with room for the firmware's own frame.
const MAX_TEXT: usize = 60;
/// Firmware was not seen to join an option 43 that is split (RFC 3396).
const MAX_BYTES: usize = 255;
/// Tag 6, the heads of tags 8, 9 and 10 with its time, and the end.
const FIXED_BYTES: usize = 3 + 2 + 2 + 3 + 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn source() -> MenuSource<'static> {
        MenuSource { seconds: 10, title: "Lab 7", images: &|_| Vec::new() }
    }

    fn image(name: &str, is_default: bool) -> MenuImage {
        MenuImage { name: name.into(), title: name.into(), is_default }
    }

    fn texts(menu: &FirmwareMenu) -> Vec<&str> {
        menu.lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn the_disk_is_first_unless_an_image_is_the_default() {
        let both = [image("debian", false), image("fedora", true)];
        let menu = FirmwareMenu::of_images(&source(), &both, true);
        assert_eq!(texts(&menu), ["fedora", "Boot from disk", "debian"]);
        assert_eq!(menu.lines[1].item, FirmwareMenu::DISK);
        let menu = FirmwareMenu::of_images(&source(), &both[..1], true);
        assert_eq!(texts(&menu), ["Boot from disk", "debian"]);
        assert_eq!(menu.prompt, "Lab 7: press F8 for the menu");
    }

    #[test]
    fn images_that_have_no_room_are_in_the_boot_loaders_menu() {
        let many: Vec<MenuImage> = (0..500).map(|n| image(&format!("image number {n}"), false)).collect();
        let menu = FirmwareMenu::of_images(&source(), &many, true);
        assert_eq!(menu.lines.last().map(|line| line.item), Some(FirmwareMenu::WHOLE_MENU));
        assert!(menu.lines.len() > 6 && menu.bytes() <= MAX_BYTES, "{menu:?}");
        let alone = FirmwareMenu::of_images(&source(), &[], true);
        assert_eq!(texts(&alone), ["Boot from disk", "More ..."]);
    }

    proptest! {
        #[test]
        fn any_menu_fits_one_option_and_no_line_stands_for_two_images(
            titles in prop::collection::vec("\\PC{0,90}", 0..40),
            title in "\\PC{0,200}",
        ) {
            let images: Vec<MenuImage> = titles.iter().map(|title| image(title, false)).collect();
            let source = MenuSource { title: &title, ..source() };
            let menu = FirmwareMenu::of_images(&source, &images, true);
            prop_assert!(menu.bytes() <= MAX_BYTES);
            let mut items: Vec<u16> = menu.lines.iter().map(|line| line.item).collect();
            items.sort_unstable();
            items.dedup();
            prop_assert_eq!(items.len(), menu.lines.len());
            let plain = |line: &MenuLine| line.text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
            prop_assert!(menu.lines.iter().all(plain));
        }
    }
}
