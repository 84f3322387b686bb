//! The stored files that templates ask about.

use pxe_policy::ImageOffer;

use crate::files::Files;
use crate::menu::{Loader, Settings};
use crate::template::Asker;
use crate::template::Stored;

/// The files as templates see them.
pub(super) struct InTemplates {
    pub(super) files: Files,
    pub(super) menu: Settings,
    pub(super) asker: Asker,
}

impl Stored for InTemplates {
    fn exists(&self, path: &str) -> bool {
        self.files.open_raw(path.as_bytes()).is_ok()
    }

    fn first_line(&self, path: &str) -> String {
        let Ok(file) = self.files.open_raw(path.as_bytes()) else { return String::new() };
        let length = usize::try_from(file.len()).unwrap_or(usize::MAX).min(MAX_FIRST_LINE);
        let mut bytes = vec![0; length];
        if file.read_exact_at(0, &mut bytes).is_err() {
            return String::new();
        }
        String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned()
    }

    fn menu(&self, loader: &str) -> String {
        let loader = match loader {
            "ipxe" => Loader::Ipxe,
            "grub" => Loader::Grub,
            "pxelinux" => Loader::Pxelinux,
            _ => return String::new(),
        };
        if !self.menu.in_templates {
            return String::new();
        }
        let text = self.menu.text(&self.files, &ImageOffer::default(), loader, &self.asker);
        text.unwrap_or_default()
    }
}

/// The kernel's own limit for its arguments is 2 to 4 KiB.
const MAX_FIRST_LINE: usize = 4096;
