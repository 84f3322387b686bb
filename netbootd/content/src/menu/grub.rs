//! The menu as a configuration of GRUB.

use super::kernel;
use super::words::{range, shown};
use super::{Entry, Menu, PAGE, Starts};
use crate::template::Asker;

pub(super) fn menu(menu: &Menu, asker: &Asker) -> String {
    let mut text = String::new();
    let timeout = match menu.timeout.as_secs() {
        0 => "-1".to_owned(),
        seconds => seconds.to_string(),
    };
    let password = menu.password.as_ref().filter(|_| menu.entries.iter().any(|entry| entry.is_protected));
    let is_locked = password.is_some();
    if let Some(password) = password {
        let hash = &password.grub;
        text.push_str(&format!("set superusers=\"{USER}\"\npassword_pbkdf2 {USER} {hash}\n"));
    }
    let default = menu.default.map_or(0, |_| 1);
    text.push_str(&format!("set timeout={timeout}\nset default={default}\n"));
    text.push_str(&format!("{}\n", asker.reporting.grub_failed()));
    let free = if is_locked { "--unrestricted " } else { "" };
    // The entry that starts by itself comes first; `exit` goes on to the firmware's next device.
    text.push_str(&format!("menuentry \"Boot from the disk\" {free}{{\n  exit\n}}\n"));
    let ahead = menu.default.map(|at| &menu.entries[at]);
    ahead.into_iter().for_each(|one| text.push_str(&entry(one, is_locked, asker)));
    let pages: Vec<&[Entry]> = menu.entries.chunks(PAGE).collect();
    for page in &pages {
        let entries: String = page
            .iter()
            .filter(|one| pages.len() > 1 || Some(*one) != ahead)
            .map(|one| entry(one, is_locked, asker))
            .collect();
        match pages.len() {
            1 => text.push_str(&entries),
            _ => {
                let titles: Vec<&str> = page.iter().map(|entry| entry.title.as_str()).collect();
                text.push_str(&format!("submenu \"{}\" {free}{{\n{entries}}}\n", range(&titles)));
            }
        }
    }
    text
}

fn entry(entry: &Entry, is_locked: bool, asker: &Asker) -> String {
    let who = match (is_locked, entry.is_protected) {
        (false, _) => String::new(),
        (true, false) => "--unrestricted ".to_owned(),
        (true, true) => format!("--users {USER} "),
    };
    let body = match &entry.starts {
        Starts::Kernel(kernel) => kernel::grub(kernel, asker),
        Starts::Program(path) => format!("  chainloader {}\n", kernel::grub_path(path)),
        // Not for GRUB; `Settings::menu` leaves it out.
        Starts::Script(_) => String::new(),
    };
    format!("menuentry \"{}\" {who}{{\n{body}}}\n", shown(&entry.title, 60))
}

/// Asked for with the password.
const USER: &str = "netbootd";
