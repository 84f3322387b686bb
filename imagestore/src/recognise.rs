//! Recognises a medium or a folder by its files: a distribution's installer or live system, and how
//! its kernel finds the rest by HTTP.
//!
//! A table of recognisers, the first that fits wins: those that need more files go before those
//! that fewer are enough for.

mod debian;
mod disk_info;
mod others;
mod red_hat;
mod windows;

use crate::{About, AnswerForm, BootEntry, Unattended};

pub(crate) use others::PROXMOX_PACKED as PACKED;
pub(crate) use windows::{INSTALLS, WimHeader, editions};

/// The files of a medium or a folder.
pub(crate) trait Contents {
    /// Its paths, with `/`.
    fn paths(&self) -> Box<dyn Iterator<Item = &str> + '_>;
    /// The beginning of a text file.
    fn text(&self, path: &str) -> Option<String>;
    /// The name of its volume; empty for a folder.
    fn label(&self) -> &str;

    /// The path as it is spelled there; None when there is no such file.
    fn find(&self, path: &str) -> Option<String> {
        self.paths().find(|known| known.eq_ignore_ascii_case(path)).map(str::to_owned)
    }

    /// Whether a file is there.
    fn has(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    /// The first of several that is there.
    fn first(&self, paths: &[&str]) -> Option<String> {
        paths.iter().find_map(|path| self.find(path))
    }

    /// The first file by name in a folder whose name begins so.
    fn beginning(&self, folder: &str, stem: &str) -> Option<String> {
        let inside = |path: &&str| {
            path.get(..folder.len()).is_some_and(|start| start.eq_ignore_ascii_case(folder))
                && path.get(folder.len()..).is_some_and(|name| !name.contains('/') && name.starts_with(stem))
        };
        self.paths().find(inside).map(str::to_owned)
    }
}

/// A system recognised on a medium.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Recognised {
    pub(crate) about: About,
    pub(crate) boot: Option<BootEntry>,
    /// The whole ISO, as it is packed for a kernel's initial RAM disk under this name.
    pub(crate) packed_as: Option<&'static str>,
    /// A note for the operator.
    pub(crate) note: Option<String>,
    /// Whether its system reads the disc once more by drivers of its own, and does not find it when
    /// the network lent it to the firmware.
    pub(crate) needs_disc: bool,
}

/// Recognises what is on a medium or in a folder. `iso` is the medium's own name in its image, as
/// part of a URL.
pub(crate) fn recognise(contents: &dyn Contents, iso: Option<&str>) -> Option<Recognised> {
    RECOGNISERS.iter().find_map(|recogniser| recogniser(contents, iso))
}

type Recogniser = fn(&dyn Contents, Option<&str>) -> Option<Recognised>;

const RECOGNISERS: [Recogniser; 16] = [
    windows::windows,
    others::esxi,
    others::proxmox,
    others::system_rescue,
    others::arch,
    red_hat::anaconda,
    others::suse,
    red_hat::live,
    debian::casper,
    debian::ubuntu_netboot,
    debian::netboot,
    debian::live,
    debian::disc,
    others::alpine,
    others::memtest,
    debian::mini,
];

/// A kernel and its RAM disks.
fn entry(kernel: String, initrds: Vec<String>, cmdline: impl Into<String>) -> Option<BootEntry> {
    Some(BootEntry { kernel, initrds, cmdline: cmdline.into() })
}

fn answers(form: AnswerForm, arguments: &str) -> Option<Unattended> {
    Some(Unattended { form, arguments: arguments.to_owned() })
}

/// A name as part of a URL (RFC 3986 §2.3).
pub(crate) fn url_encoded(name: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/+@:".contains(&byte);
    name.bytes()
        .map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The value of a key in lines such as `KEY=value` or `key = value`, without quotes.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == key).then(|| value.trim().trim_matches(['"', '\'']))
    })
}

/// A word that is a version: digits first.
fn is_version(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || ".-_~".contains(c))
}

#[cfg(test)]
mod tests;
