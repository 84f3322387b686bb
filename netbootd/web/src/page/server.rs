//! The server itself: interfaces, what it serves, rules in order, directories, certificates, other
//! servers, and what the process has given up.

pub(super) mod rules;
mod site;
mod storage;
pub(super) mod tables;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::SystemTime;

use minijinja::context;
use netbootd_net::iface;
use netbootd_state::ledger::now;
use pxe_policy::UnknownMachines;
use serde::Serialize;

use super::{Part, framed, serialized, words};
use crate::console::{Asked, Console};

#[derive(Debug, Serialize)]
struct Fact {
    word: &'static str,
    value: String,
}

#[derive(Debug, Serialize)]
struct Line {
    tint: &'static str,
    name: String,
    words: String,
}

pub(super) async fn page(console: &Console, asked: &Asked<'_>) -> Part {
    let services = &console.services;
    let (rules, storage) = (rules::lines(console), storage::lines(console).await);
    let values = context! {
        facts => serialized(facts(console)),
        ifaces => serialized(ifaces()),
        rules => serialized(rules),
        pools => serialized(console.daemon.addresses.pools()),
        rivals => serialized(rivals(console)),
        storage => serialized(storage),
        given => serialized(given(console)),
        directories => serialized(directories(console)),
        site => serialized(site::lines(console)),
        certificates => serialized(certificates(console)),
        strangers => serialized(strangers(console)),
        sandbox => serialized(sandbox(console)),
        lost => services.timelines.size().1 + console.daemon.history.lost(),
    };
    framed(console, asked, "server.html", "Server", "/server", values)
}

/// The ledger, the brake and the choices of Macs.
#[derive(Debug, Serialize)]
struct Given {
    ledger: usize,
    bindings: usize,
    brake: Option<Line>,
    braked: bool,
}

fn given(console: &Console) -> Given {
    let services = &console.services;
    let brake = services.snapshot.load().config.policy.settings.brake;
    let ledger = services.ledger.with(|ledger| ledger.entries().count());
    let lately = brake.map(|brake| services.ledger.with(|ledger| ledger.lately(brake, now())));
    let braked = brake.zip(lately).is_some_and(|(brake, lately)| lately >= brake.boots);
    let line = brake.zip(lately).map(|(brake, lately)| Line {
        tint: if braked { "bad" } else { "ok" },
        name: if braked { "It holds".to_owned() } else { "Brake".to_owned() },
        words: format!(
            "{} of {} Required deployments within {}",
            words::number(lately as u64),
            words::number(brake.boots as u64),
            humantime::format_duration(brake.within)
        ),
    });
    let bindings = services.netboot.as_ref().map_or(0, |netboot| netboot.bindings().list().len());
    Given { ledger, bindings, brake: line, braked }
}

/// Other servers that answer machines which ask here.
fn rivals(console: &Console) -> Vec<Line> {
    let mut seen: BTreeMap<Ipv4Addr, (usize, bool, bool)> = BTreeMap::new();
    console.board.each(|row| {
        for rival in &row.rivals {
            let known = seen.entry(rival.server).or_default();
            known.0 += 1;
            known.1 |= rival.gives_address;
            known.2 |= rival.names_file;
        }
    });
    let line = |(server, (machines, address, file)): (Ipv4Addr, (usize, bool, bool))| {
        let what = match (address, file) {
            (true, true) => "an address and a boot file",
            (true, false) => "an address",
            (false, true) => "a boot file",
            (false, false) => "nothing that boots",
        };
        let tint = if file { "warn" } else { "off" };
        let machines = words::count(machines as u64, "machine");
        Line { tint, name: server.to_string(), words: format!("offers {what} to {machines}") }
    };
    seen.into_iter().take(MOST_RIVALS).map(line).collect()
}

fn facts(console: &Console) -> Vec<Fact> {
    let services = &console.services;
    let snapshot = services.snapshot.load();
    let config = &snapshot.config;
    let up = match console.daemon.started.elapsed().as_secs() {
        seconds @ ..60 => format!("{seconds} s"),
        seconds => words::span(seconds as f64),
    };
    let fact = |word, value: String| Fact { word, value };
    let on = |enabled: bool, port: u16| if enabled { format!("on port {port}") } else { "off".to_owned() };
    let unknown = match config.policy.settings.unknown {
        UnknownMachines::Rules => "boot by the rules",
        UnknownMachines::Refuse => "get no boot file",
        UnknownMachines::Approve => "wait for an operator",
    };
    let bytes: u64 = services.recorder.bytes().iter().map(|(_, bytes)| bytes).sum();
    vec![
        fact("Version", env!("CARGO_PKG_VERSION").to_owned()),
        fact("Up for", up),
        fact("Configuration", console.daemon.source.words().trim_start_matches("configuration ").to_owned()),
        fact("DHCP", format!("{:?}", config.dhcp.mode).to_lowercase()),
        fact("TFTP", on(config.tftp.enabled, config.tftp.port)),
        fact("HTTP", on(config.http.enabled, config.http.port)),
        fact("HTTPS", config.https.as_ref().map_or("off".to_owned(), |https| on(true, https.port))),
        fact("Machines", words::number(console.board.machines() as u64)),
        fact("Sent", words::bytes(bytes)),
        fact("Unknown machines", unknown.to_owned()),
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
        Some(trouble) => Line { tint: "bad", name: name.to_owned(), words: trouble.detail() },
        None => Line { tint: "ok", name: name.to_owned(), words: "answers".to_owned() },
    };
    health.into_iter().map(line).collect()
}

fn certificates(console: &Console) -> Vec<Line> {
    let seen = console.daemon.certificates.seen();
    seen.iter()
        .map(|seen| match (seen.days, &seen.trouble) {
            (Some(days), Some(trouble)) => Line {
                tint: "bad",
                name: seen.server.clone(),
                words: format!("{days} days left; what is there now is not in use: {trouble}"),
            },
            (Some(days), None) => Line {
                tint: if seen.is_due() { "warn" } else { "ok" },
                name: seen.server.clone(),
                words: {
                    let due = if seen.is_due() { ": renew it" } else { "" };
                    let enrolled = match seen.part.as_str() {
                        OWN => "; firmware enrolls /netbootd/boot-certificate.der",
                        _ => "",
                    };
                    format!("{days} days left{due}{enrolled}")
                },
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

/// The part under which the certificates of the boot port are listed.
const OWN: &str = "boot-https";
/// Other servers on the page.
const MOST_RIVALS: usize = 20;
