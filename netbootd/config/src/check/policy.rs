//! Checks of `[policy]`: the list of banned GUIDs.

use std::path::Path;

use pxe_policy::{Bans, MacAddr};

use super::super::finding::Finding;
use super::super::schema::Policy;

/// The ignore list is looked for beside the configuration.
pub(super) fn check(policy: &Policy, config: &Path, findings: &mut Vec<Finding>) -> Bans {
    let mut bans = Bans { macs: policy.banned_macs.0.iter().map(|mac| mac.0).collect(), ..Bans::default() };
    for text in &policy.banned_guids {
        match bans.ban(text.get_ref()) {
            Ok(meant) => {
                if let [printed, raw] = meant.as_slice() {
                    let message =
                        format!("without hyphens this may mean {printed} or {raw}; both are banned");
                    findings.push(Finding::note(text.span(), message));
                }
            }
            Err(error) => findings.push(Finding::error(text.span(), error.to_string())),
        }
    }
    if let Some(file) = &policy.mac_ignore_list {
        let place = config.parent().unwrap_or(Path::new("")).join(file.get_ref());
        match std::fs::read(&place) {
            Ok(bytes) => {
                let (macs, bad) = ignore_list(&String::from_utf8_lossy(&bytes));
                bans.macs.extend(macs);
                for (line, text) in bad {
                    let message = format!("{}:{line}: {text:?} is no hardware address", place.display());
                    findings.push(Finding::warning(file.span(), message));
                }
            }
            Err(error) => {
                let message = format!("cannot read {}: {error}", place.display());
                findings.push(Finding::error(file.span(), message).because(&error));
            }
        }
    }
    bans
}

/// One address a line, as in the file that `MACIgnoreListFile` names; what follows a `#` or `;` is
/// a remark. Gives the bad lines too.
fn ignore_list(text: &str) -> (Vec<MacAddr>, Vec<(usize, String)>) {
    let mut macs = Vec::new();
    let mut bad = Vec::new();
    for (line, text) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let entry = text.split(['#', ';']).next().unwrap_or_default().trim();
        match entry.parse() {
            Ok(mac) => macs.push(mac),
            Err(_) if entry.is_empty() => {}
            Err(_) if bad.len() < MAX_BAD => bad.push((line, entry.chars().take(60).collect())),
            Err(_) => {}
        }
    }
    (macs, bad)
}

/// The first lines of a file that is no such list are enough for its error.
const MAX_BAD: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignore_list_has_one_address_a_line() {
        let (macs, bad) =
            ignore_list("\u{feff}52:54:00:12:34:56\r\n\n525400123457 # kiosk\n; remark\nnonsense\n");
        assert_eq!(macs.len(), 2);
        assert_eq!(bad, [(5, "nonsense".to_owned())]);
    }
}
