//! The menu as a configuration of PXELINUX: by its module menu.c32 where that is here, else as
//! lines of text and a prompt.

use super::kernel;
use super::words::{range, shown};
use super::{Entry, Menu, PAGE, Starts};
use crate::template::Asker;

pub(super) fn menu(menu: &Menu, asker: &Asker, has_module: bool) -> String {
    // In tenths of a second.
    let timeout = menu.timeout.as_millis() / 100;
    let default = menu.default.map_or_else(|| "disk".to_owned(), label);
    let entries: Vec<(usize, &Entry)> = menu.entries.iter().enumerate().collect();
    let mut text = String::new();
    if !has_module {
        text.push_str("SAY disk  Boot from the disk\n");
        for (at, entry) in entries.iter().filter(|(_, entry)| !entry.is_protected) {
            text.push_str(&format!("SAY {}  {}\n", label(*at), shown(&entry.title, 60)));
        }
        text.push_str(&format!("DEFAULT {default}\nPROMPT 1\nTIMEOUT {timeout}\n{DISK}"));
        for (at, entry) in entries.iter().filter(|(_, entry)| !entry.is_protected) {
            text.push_str(&lines(*at, entry, "", asker));
        }
        return text;
    }
    text.push_str(&format!("UI menu.c32\nMENU TITLE {}\n", shown(&menu.title, 60)));
    text.push_str(&format!("PROMPT 0\nTIMEOUT {timeout}\nDEFAULT {default}\nALLOWOPTIONS 0\n"));
    text.push_str(DISK);
    text.push_str("  MENU LABEL Boot from the disk\n");
    if menu.default.is_none() {
        text.push_str("  MENU DEFAULT\n");
    }
    let pages: Vec<&[(usize, &Entry)]> = entries.chunks(PAGE).collect();
    let hash = menu.password.as_ref().map(|password| &password.pxelinux);
    let add = |text: &mut String, (at, entry): &(usize, &Entry), is_first: bool| {
        let mut more = format!("  MENU LABEL {}\n", shown(&entry.title, 60));
        if is_first && menu.default == Some(*at) {
            more.push_str("  MENU DEFAULT\n");
        }
        if let Some(hash) = hash.as_ref().filter(|_| entry.is_protected) {
            more.push_str(&format!("  MENU PASSWD {hash}\n"));
        }
        text.push_str(&lines(*at, entry, &more, asker));
    };
    if pages.len() == 1 {
        entries.iter().for_each(|entry| add(&mut text, entry, true));
        return text;
    }
    if let Some(at) = menu.default {
        add(&mut text, &(at, &menu.entries[at]), true);
    }
    for (number, page) in (1..).zip(pages) {
        let titles: Vec<&str> = page.iter().map(|(_, entry)| entry.title.as_str()).collect();
        text.push_str(&format!("MENU BEGIN page{number}\nMENU TITLE {}\n", range(&titles)));
        text.push_str("LABEL back\n  MENU LABEL Back ...\n  MENU EXIT\n");
        page.iter()
            .filter(|(at, _)| menu.default != Some(*at))
            .for_each(|entry| add(&mut text, entry, false));
        text.push_str("MENU END\n");
    }
    text
}

/// A label and what is below it; `more` comes first.
fn lines(at: usize, entry: &Entry, more: &str, asker: &Asker) -> String {
    match &entry.starts {
        Starts::Kernel(kernel) => {
            format!("LABEL {}\n{more}{}", label(at), kernel::pxelinux(kernel, asker))
        }
        // Not for PXELINUX; `Settings::menu` leaves them out.
        Starts::Program(_) | Starts::Script(_) => String::new(),
    }
}

/// A name that is a word whatever the image is called.
fn label(at: usize) -> String {
    format!("i{}", at + 1)
}

const DISK: &str = "LABEL disk\n  LOCALBOOT 0\n";
