//! The server itself: interfaces, what it serves, rules in order, directories, certificates, other
//! servers, and what the process has given up.

use std::collections::HashMap;
use std::time::SystemTime;

use minijinja::context;
use netbootd_net::iface;
use pxe_policy::{Action, BootRequest, Match, Rule};
use serde::Serialize;

use super::{Part, framed, serialized, words};
use crate::console::{Asked, Console};

#[derive(Debug, Serialize)]
struct Fact {
    word: &'static str,
    value: String,
}

#[derive(Debug, Serialize)]
struct RuleLine {
    number: usize,
    name: String,
    matches: String,
    gives: String,
    machines: usize,
}

#[derive(Debug, Serialize)]
struct Line {
    tint: &'static str,
    name: String,
    words: String,
}

pub(super) fn page(console: &Console, asked: &Asked<'_>) -> Part {
    let services = &console.services;
    let snapshot = services.snapshot.load();
    let config = &snapshot.config;
    let mut users: HashMap<String, usize> = HashMap::new();
    console.board.each(|row| {
        if let Some(rule) = &row.rule {
            match users.get_mut(rule) {
                Some(count) => *count += 1,
                None => drop(users.insert(rule.clone(), 1)),
            }
        }
    });
    let rules: Vec<RuleLine> = config
        .rules
        .0
        .iter()
        .enumerate()
        .map(|(n, rule)| RuleLine {
            number: n + 1,
            name: rule.name.clone(),
            matches: matches(&rule.matches),
            gives: gives(rule, None),
            machines: users.get(&rule.name).copied().unwrap_or_default(),
        })
        .collect();
    let values = context! {
        facts => serialized(facts(console)),
        ifaces => serialized(ifaces()),
        rules => serialized(rules),
        directories => serialized(directories(console)),
        certificates => serialized(certificates(console)),
        strangers => serialized(strangers(console)),
        sandbox => serialized(sandbox(console)),
        lost => services.timelines.size().1 + console.daemon.history.lost(),
    };
    framed(console, asked, "server.html", "Server", "/server", values)
}

fn facts(console: &Console) -> Vec<Fact> {
    let services = &console.services;
    let snapshot = services.snapshot.load();
    let config = &snapshot.config;
    let up = console.daemon.started.elapsed();
    let fact = |word, value: String| Fact { word, value };
    let on = |enabled: bool, port: u16| if enabled { format!("on port {port}") } else { "off".to_owned() };
    let bytes: u64 = services.recorder.bytes().iter().map(|(_, bytes)| bytes).sum();
    vec![
        fact("Version", env!("CARGO_PKG_VERSION").to_owned()),
        fact("Up for", words::span(up.as_secs().max(1) as f64)),
        fact("Configuration", console.daemon.source.words().trim_start_matches("configuration ").to_owned()),
        fact("DHCP", format!("{:?}", config.dhcp.mode).to_lowercase()),
        fact("TFTP", on(config.tftp.enabled, config.tftp.port)),
        fact("HTTP", on(config.http.enabled, config.http.port)),
        fact("Machines", words::number(console.board.machines() as u64)),
        fact("Sent", words::bytes(bytes)),
        fact("Unknown machines", format!("{:?}", config.policy.settings.unknown).to_lowercase()),
    ]
}

fn ifaces() -> Vec<Line> {
    let all = iface::list(false).unwrap_or_default();
    let line = |iface: netbootd_dhcp::Iface| {
        let addrs: Vec<String> = iface.addrs.iter().map(ToString::to_string).collect();
        let tint = if addrs.is_empty() { "off" } else { "ok" };
        let words = if addrs.is_empty() { "no IPv4 address".to_owned() } else { addrs.join(", ") };
        Line { tint, name: iface.name, words }
    };
    all.into_iter().map(line).collect()
}

fn directories(console: &Console) -> Vec<Line> {
    let health = console.services.snapshot.load().directories.health();
    let line = |(name, trouble): (&'static str, Option<pxe_policy::Trouble>)| match trouble {
        Some(trouble) => Line { tint: "bad", name: name.to_owned(), words: trouble.detail },
        None => Line { tint: "ok", name: name.to_owned(), words: "answers".to_owned() },
    };
    health.into_iter().map(line).collect()
}

fn certificates(console: &Console) -> Vec<Line> {
    let seen = console.daemon.certificates.seen();
    seen.iter()
        .map(|seen| match (seen.days, &seen.trouble) {
            (Some(days), _) => Line {
                tint: if days >= 30 { "ok" } else { "warn" },
                name: seen.server.clone(),
                words: format!("{days} days left"),
            },
            (None, trouble) => Line {
                tint: "bad",
                name: seen.server.clone(),
                words: trouble.clone().unwrap_or_else(|| "not seen yet".to_owned()),
            },
        })
        .collect()
}

fn strangers(console: &Console) -> Vec<Line> {
    let seen = console.services.strangers.seen(SystemTime::now());
    seen.into_iter()
        .map(|sender| Line {
            tint: "warn",
            name: sender.address.to_string(),
            words: format!(
                "{}, {} since {}",
                sender.conduct.words(),
                words::count(sender.count, "time"),
                sender.since
            ),
        })
        .collect()
}

fn sandbox(console: &Console) -> Vec<Line> {
    let given = &console.daemon.sandboxed;
    let tint = if given.files_are_held { "ok" } else { "warn" };
    let mut lines = vec![
        Line { tint: "ok", name: "User".to_owned(), words: given.user.clone() },
        Line { tint, name: "Files".to_owned(), words: given.files.clone() },
        Line {
            tint: if given.refused_calls > 0 { "ok" } else { "warn" },
            name: "System calls".to_owned(),
            words: format!("{} are refused", words::number(given.refused_calls as u64)),
        },
    ];
    let note = |note: &String| Line { tint: "warn", name: "Note".to_owned(), words: note.clone() };
    lines.extend(given.notes.iter().map(note));
    lines.retain(|line| !line.words.is_empty());
    lines
}

fn matches(matches: &Match) -> String {
    fn part<T: ToString>(word: &str, values: &[T]) -> Option<String> {
        let shown: Vec<String> = values.iter().take(4).map(ToString::to_string).collect();
        let more = if values.len() > 4 { format!(" and {} more", values.len() - 4) } else { String::new() };
        (!values.is_empty()).then(|| format!("{word} {}{more}", shown.join(", ")))
    }
    let parts = [
        part("address", &matches.mac),
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

/// What a rule gives, to every machine or to the one behind a request.
pub(super) fn gives(rule: &Rule, request: Option<&BootRequest>) -> String {
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
