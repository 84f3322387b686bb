//! The rules in their order, in words.

use std::collections::HashMap;

use pxe_policy::{Action, BootRequest, Match, Rule};
use serde::Serialize;

use crate::console::Console;

/// A rule, and how often it decided.
#[derive(Debug, Serialize)]
pub(super) struct RuleLine {
    number: usize,
    name: String,
    matches: String,
    gives: String,
    /// Machines whose last decision was its.
    machines: usize,
    /// Decisions since the start.
    hits: u64,
    link: String,
}

/// Every rule of the configuration.
pub(super) fn lines(console: &Console) -> Vec<RuleLine> {
    let mut users: HashMap<String, usize> = HashMap::new();
    console.board.each(|row| {
        if let Some(rule) = &row.rule {
            match users.get_mut(rule) {
                Some(count) => *count += 1,
                None => drop(users.insert(rule.clone(), 1)),
            }
        }
    });
    let snapshot = console.services.snapshot.load();
    let line = |(n, rule): (usize, &Rule)| RuleLine {
        number: n + 1,
        name: rule.name.clone(),
        matches: matches(&rule.matches),
        gives: gives(rule, None),
        machines: users.get(&rule.name).copied().unwrap_or_default(),
        hits: console.hits.count(&rule.name),
        link: format!("/machines?rule={}", crate::page::encoded(&rule.name)),
    };
    snapshot.config.rules.0.iter().enumerate().map(line).collect()
}

pub(crate) fn matches(matches: &Match) -> String {
    fn part<T: ToString>(word: &str, values: &[T]) -> Option<String> {
        let shown: Vec<String> = values.iter().take(4).map(ToString::to_string).collect();
        let more = if values.len() > 4 { format!(" and {} more", values.len() - 4) } else { String::new() };
        (!values.is_empty()).then(|| format!("{word} {}{more}", shown.join(", ")))
    }
    let parts = [
        part("address", &matches.mac),
        part("tag", &matches.tags),
        part("GUID", &matches.uuid),
        part("firmware", &matches.arch),
        part("class", &matches.class),
        part("subnet", &matches.subnet),
        part("relay", &matches.relay),
        part("interface", &matches.iface),
        (!matches.boundary.is_empty()).then(|| format!("{} boundaries", matches.boundary.len())),
        matches.known.map(|known| if known { "known".to_owned() } else { "unknown".to_owned() }),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "every machine".to_owned() } else { parts.join("; ") }
}

/// The boot that a rule gives, to every machine or to the one behind a request.
pub(crate) fn gives(rule: &Rule, request: Option<&BootRequest>) -> String {
    let boot = match &rule.action {
        Action::Boot(boot) => boot,
        Action::LocalBoot => return "its own disk".to_owned(),
        Action::Ignore => return "nothing".to_owned(),
        Action::Relay => return "the distribution point's answer".to_owned(),
        Action::Directories => return "what the directories say".to_owned(),
    };
    let files: Vec<String> = match request {
        Some(request) => boot.files(request).to_vec(),
        None => boot.all_files().cloned().collect(),
    };
    let kernel = boot.kernel.as_ref().map(|kernel| format!("kernel {}", kernel.kernel));
    let menu = boot.menu.as_ref().map(|_| "the boot menu".to_owned());
    let files = (!files.is_empty()).then(|| files.join(", "));
    let parts: Vec<String> = [kernel, menu, files].into_iter().flatten().collect();
    match (&boot.image, parts.is_empty()) {
        (Some(image), false) => format!("{image}: {}", parts.join(", ")),
        (Some(image), true) => image.clone(),
        (None, false) => parts.join(", "),
        (None, true) => "images for Macs".to_owned(),
    }
}
