//! Files that are served for names which are not there: shim's second stage, URLs of this server, a
//! Raspberry Pi's folders.

use std::net::IpAddr;
use std::time::Instant;

use netbootd_diagnosis::shim;
use netbootd_diagnosis::step::Substitution;
use netbootd_net::os::host_name;
use pxe_policy::Decision;

use super::{Caller, raspberry_pi};
use crate::served::Known;

/// The paths that a request may mean which is not there as it was asked, each with why.
pub(super) fn candidates(known: &Known<'_>, raw: &[u8], caller: &Caller) -> Vec<(String, Substitution)> {
    let raw = raw.split(|byte| *byte == 0).next().unwrap_or(raw);
    if let Some(path) = own_url(known, raw, caller) {
        return vec![(path, Substitution::OwnUrl)];
    }
    if let Some(path) = second_stage(known, raw, caller.client) {
        return vec![(path, Substitution::BootEntryName)];
    }
    let folders = shared_folders(known, raw, caller.client);
    folders.into_iter().map(|path| (path, Substitution::SharedFolder)).collect()
}

/// The second stage of the shim that this client runs, when it asks for the text of a boot entry.
fn second_stage(known: &Known<'_>, raw: &[u8], client: IpAddr) -> Option<String> {
    let program = known.programs.running(client, Instant::now())?;
    let asks = shim::may_be_shim(&program.path) && shim::is_boot_entry_name(&program.path, raw);
    asks.then(|| shim::second_stage(&program.path, program.arch))
}

/// The path of a URL whose host is this server.
fn own_url(known: &Known<'_>, raw: &[u8], caller: &Caller) -> Option<String> {
    let (host, path) = parts(std::str::from_utf8(raw).ok()?)?;
    let is_own = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(addr) => addr == caller.server || known.interfaces.owns(addr),
        Err(_) => {
            let of_certificate = caller.https.as_ref().is_some_and(|origin| origin.is_at(host));
            of_certificate || is_own_name(host, host_name().as_deref().unwrap_or_default())
        }
    };
    is_own.then_some(path)
}

/// Host and path of a URL as a read request has it, with any number of slashes before and in it.
fn parts(text: &str) -> Option<(&str, String)> {
    let text = text.trim_start_matches(SLASHES);
    let (scheme, rest) = text.split_once(':')?;
    let known = ["http", "https", "tftp"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let rest = rest.strip_prefix(SLASHES).filter(|_| known)?.trim_start_matches(SLASHES);
    let (authority, path) = rest.split_once(SLASHES)?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.rsplit_once(':') {
        Some((before, port)) if port.parse::<u16>().is_ok() && !before.ends_with(':') => before,
        _ => host,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let path = percent_encoding::percent_decode_str(path).decode_utf8().ok()?.into_owned();
    Some((host, path))
}

/// A host's name with its domain or without.
fn is_own_name(host: &str, own: &str) -> bool {
    let first = |name: &str| name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let same_host = !own.is_empty() && first(host) == first(own);
    let (host, own) = (host.trim_end_matches('.'), own.trim_end_matches('.'));
    same_host && (!own.contains('.') || !host.contains('.') || host.eq_ignore_ascii_case(own))
}

/// Where a Raspberry Pi's file is that is not in the folder of its serial number or hardware
/// address.
fn shared_folders(known: &Known<'_>, raw: &[u8], client: IpAddr) -> Vec<String> {
    let Ok(path) = std::str::from_utf8(raw) else { return Vec::new() };
    let mac = known.machines.mac_of(client);
    if !mac.is_some_and(pxe_policy::MacAddr::is_raspberry_pi) && !raspberry_pi::is_own_folder(path) {
        return Vec::new();
    }
    let machine = mac.and_then(|mac| known.machines.by_mac(mac));
    let boot_file = machine.as_ref().and_then(|machine| match &machine.verdict.decision {
        Decision::Boot(boot) if !boot.is_url() && boot.next_server.is_none() => Some(boot.file.as_str()),
        _ => None,
    });
    raspberry_pi::shared(path, boot_file)
}

const SLASHES: [char; 2] = ['/', '\\'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_as_clients_spell_it() {
        let table = [
            ("http://10.77.0.1/boot.efi", Some(("10.77.0.1", "boot.efi"))),
            ("/http:/10.77.0.1:8080/a/b%20c.efi?mac=1", Some(("10.77.0.1", "a/b c.efi"))),
            ("TFTP://boot.example/x/y", Some(("boot.example", "x/y"))),
            ("https://user@[fd00::1]:443/a", Some(("[fd00::1]", "a"))),
            ("http:\\\\10.77.0.1\\a", Some(("10.77.0.1", "a"))),
            ("http://10.77.0.1", None),
            ("ftp://10.77.0.1/a", None),
            ("http:boot.efi", None),
            ("c:/boot.efi", None),
            ("boot.efi", None),
        ];
        for (text, expected) in table {
            let found = parts(text);
            assert_eq!(found.as_ref().map(|(host, path)| (*host, path.as_str())), expected, "{text}");
        }
    }

    #[test]
    fn an_own_name_is_the_hosts_with_its_domain_or_without() {
        for (host, own, expected) in [
            ("boot", "boot", true),
            ("BOOT.corp.example", "boot", true),
            ("boot", "boot.corp.example", true),
            ("boot.corp.example.", "boot.corp.example", true),
            ("boot.other.example", "boot.corp.example", false),
            ("mirror", "boot", false),
            ("", "", false),
        ] {
            assert_eq!(is_own_name(host, own), expected, "{host} {own}");
        }
    }
}
